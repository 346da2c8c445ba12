//! What requests cost.

use super::{Answer, off_thread};
use crate::State;
use crate::units::{self, Each};
use axum::Json;
use axum::extract::{Query, State as Extract};
use base::Finding;
use cost::{By, Slot, opencost};
use serde::Deserialize;
use serde_json::{Value, json};

/// The window when nobody says which.
pub const WINDOW: &str = "1h";

#[derive(Deserialize)]
pub struct Ask {
    by: Option<String>,
    window: Option<String>,
}

pub async fn report(Extract(s): Extract<State>, Query(ask): Query<Ask>) -> Answer {
    off_thread(move || {
        let by = ask.by.as_deref().map_or(Ok(By::default()), by)?;
        let window = ask.window.as_deref().unwrap_or(WINDOW);
        let span = cost::span(window, s.costs.now_s()).map_err(|f| vec![f])?;
        s.costs.report(by, span)
    })
    .await
}

fn by(word: &str) -> Result<By, Vec<Finding>> {
    By::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = By::ALL.iter().map(|b| b.word()).collect();
        let short: String = word.chars().take(80).collect();
        let what = format!("costs are not told by `{short}`");
        vec![Finding::error("cost-by", what).help(format!("by {}", known.join(", ")))]
    })
}

/// All days that are kept.
pub const UNITS_WINDOW: &str = "35d";

#[derive(Deserialize)]
pub struct Units {
    of: Option<String>,
    each: Option<String>,
    window: Option<String>,
}

pub async fn units(Extract(s): Extract<State>, Query(ask): Query<Units>) -> Answer {
    off_thread(move || {
        let each = ask.each.as_deref().map_or(Ok(Each::default()), each)?;
        let window = ask.window.as_deref().unwrap_or(UNITS_WINDOW);
        units::all(&s, window, each, ask.of.as_deref())
    })
    .await
}

fn each(word: &str) -> Result<Each, Vec<Finding>> {
    Each::from_word(word).ok_or_else(|| {
        let short: String = word.chars().take(80).collect();
        let what = format!("there are no steps of a `{short}`");
        vec![Finding::error("cost-step", what).help("by hour or day")]
    })
}

pub async fn anomalies(Extract(s): Extract<State>) -> Json<Value> {
    Json(json!(s.costs.anomalies()))
}

/// Sets of allocations that one answer holds at most.
const SETS: u64 = 1000;

/// What OpenCost is asked; what it knows beside that is left alone.
#[derive(Deserialize)]
pub struct Compute {
    window: String,
    aggregate: Option<String>,
    step: Option<String>,
    accumulate: Option<String>,
    #[serde(rename = "includeIdle")]
    include_idle: Option<String>,
}

pub async fn allocation(Extract(s): Extract<State>, Query(ask): Query<Compute>) -> Answer {
    off_thread(move || {
        let window = cost::span(&ask.window, s.costs.now_s()).map_err(|f| vec![f])?;
        let by = opencost::aggregate(ask.aggregate.as_deref().unwrap_or("service"));
        let by = by.map_err(|f| vec![f])?;
        let whole = window.to_s - window.from_s;
        let step = match (&ask.step, is(&ask.accumulate)) {
            (Some(step), false) => seconds(step)?,
            _ => whole,
        };
        let count = whole.div_ceil(step);
        if count > SETS {
            let what = format!("{count} steps are too many; {SETS} are answered at most");
            return Err(vec![
                Finding::error("cost-step", what).help("ask for a longer `step`"),
            ]);
        }
        let service = |route: &str| s.costs.service(route);
        let set = |(slot, i): (&Slot, u64)| {
            let to_s = window.from_s.saturating_add((i + 1).saturating_mul(step));
            let to_s = to_s.min(window.to_s);
            opencost::set(slot, by, to_s, is(&ask.include_idle), service)
        };
        let slots = s.costs.slots(window, step);
        let sets: Vec<Value> = slots.iter().zip(0u64..).map(set).collect();
        Ok(json!({ "code": 200, "status": "success", "data": sets }))
    })
    .await
}

fn is(flag: &Option<String>) -> bool {
    flag.as_deref() == Some("true")
}

fn seconds(step: &str) -> Result<u64, Vec<Finding>> {
    let length = base::units::duration(step).map(|d| d.as_secs());
    match length {
        Ok(s) if s >= 60 => Ok(s),
        _ => {
            let short: String = step.chars().take(80).collect();
            let what = format!("`{short}` is no step");
            Err(vec![
                Finding::error("cost-step", what).help("write `1h` or `1d`, a minute at least"),
            ])
        }
    }
}
