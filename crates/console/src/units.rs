//! What one order costs: the bill by hours or days beside what answers told of the business in the same time.

use crate::{State, worth};
use base::Finding;
use cost::unit::{Of, UnitCost, unit};
use cost::{By, Slot, Span};
use past::Worth;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// Steps that one answer holds at most: all hours that are kept.
const MOST: u64 = 35 * 24;

/// How long a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Each {
    Hour,
    #[default]
    Day,
}

impl Each {
    pub fn from_word(word: &str) -> Option<Each> {
        match word {
            "hour" => Some(Each::Hour),
            "day" => Some(Each::Day),
            _ => None,
        }
    }

    pub fn seconds(self) -> u64 {
        match self {
            Each::Hour => HOUR,
            Each::Day => DAY,
        }
    }
}

/// Of every number that the config declares, or of those that are asked for by name. Days are those of UTC.
pub fn all(
    s: &State,
    window: &str,
    each: Each,
    asked: Option<&str>,
) -> Result<Vec<UnitCost>, Vec<Finding>> {
    let (now_s, step_s) = (s.costs.now_s(), each.seconds());
    let span = cost::span(window, now_s).map_err(|f| vec![f])?;
    let span = Span {
        from_s: span.from_s - span.from_s % step_s,
        to_s: span.to_s.min(now_s),
    };
    if span.to_s.saturating_sub(span.from_s).div_ceil(step_s) > MOST {
        let what = format!("the window `{window}` has too many steps; {MOST} are told at most");
        return Err(vec![
            Finding::error("cost-step", what).help("ask for 35d or less"),
        ]);
    }
    let numbers: Vec<Worth> = (worth::over(s, span).into_iter())
        .filter(|w| asked.is_none_or(|a| of(w).is(a)))
        .collect();
    if let (Some(asked), true) = (asked, numbers.is_empty()) {
        let short: String = asked.chars().take(80).collect();
        let what = format!("no route tells a number `{short}`");
        let help = "`plimsoll business` shows them all; a route declares them under `business`";
        return Err(vec![Finding::error("business-unknown", what).help(help)]);
    }
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    // Without a price it says so.
    s.costs.report(By::default(), span)?;
    let slots: Vec<Slot> = s.costs.slots(span, step_s);
    let past = s.past.read();
    let one = |w: &Worth| {
        let values = past.worth_steps(w, span.from_s, span.to_s, step_s);
        unit(of(w), &slots, &values, step_s, span)
    };
    Ok(numbers.iter().map(one).collect())
}

fn of(w: &Worth) -> Of {
    Of {
        route: w.route.clone(),
        name: w.name.clone(),
        unit: w.unit.clone(),
    }
}
