//! Multi-window, multi-burn-rate rules (Site Reliability Workbook, chapter 5), judged by what is sure.

use crate::bound::{dispersion, lower, needed, upper};
use crate::counts::Counts;
use crate::{ALPHA_PER_RULE, Objective, Severity};
use config::sections::BURN_FACTORS;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Long windows in seconds, in the order of `BURN_FACTORS`; each short one is a twelfth. For about a month.
const LONG_S: [f64; 4] = [3600.0, 21_600.0, 86_400.0, 259_200.0];
/// Windows of objectives for which the table holds as it is, days.
const AS_IT_IS: std::ops::RangeInclusive<f64> = 27.9..=31.1;
/// An end of the burn may be believed sooner than its begin.
const CALM_ALPHA: f64 = 0.05;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rule {
    pub name: &'static str,
    pub severity: Severity,
    pub long: Duration,
    pub short: Duration,
    /// How many times too fast the budget burns.
    pub factor: f64,
}

/// The rules of an objective: windows scaled to its own, those left out that not even an outage would reach.
pub fn rules(o: &Objective) -> Vec<Rule> {
    let days = o.period().as_secs_f64() / 86_400.0;
    let scale = if AS_IT_IS.contains(&days) {
        1.0
    } else {
        days / 28.0
    };
    let all = BURN_FACTORS.iter().zip(LONG_S);
    all.filter(|((_, factor), _)| factor * o.allowed() < 1.0)
        .map(|(&(name, factor), long)| Rule {
            name,
            severity: if name.starts_with("page") {
                Severity::Page
            } else {
                Severity::Ticket
            },
            long: Duration::from_secs_f64(long * scale),
            short: Duration::from_secs_f64(long * scale / 12.0),
            factor,
        })
        .collect()
}

/// What a rule says now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Times too fast, as counted.
    pub long: f64,
    pub short: f64,
    /// It looks like it in both windows, and has not ended.
    pub suspected: bool,
    /// It is sure in both.
    pub proven: bool,
    /// Answers in the long window until it can be sure at this share; `None`: not suspected, or sure.
    pub needs: Option<u64>,
}

/// `recent` is the shortest window of the rule's severity: where it is surely calm again, the burn has ended.
pub fn read(o: &Objective, rule: &Rule, recent: Duration, counts: &Counts) -> Reading {
    let (allowed, threshold) = (o.allowed(), rule.factor * o.allowed());
    let short = counts.over(rule.short).share();
    let mut reading = Reading {
        short: short / allowed,
        long: counts.over(rule.long).share() / allowed,
        suspected: false,
        proven: false,
        needs: None,
    };
    if short <= threshold || reading.long <= rule.factor || calm(counts, recent, threshold) {
        return reading;
    }
    reading.suspected = true;
    // So often could it go wrong within the window of the objective.
    let looks = (o.period().as_secs_f64() / rule.short.as_secs_f64()).max(1.0);
    let alpha = ALPHA_PER_RULE / looks;
    let sure = |window| {
        let sum = counts.over(window);
        let worth = sum.total as f64 / dispersion(&counts.blocks(window));
        let missing = needed(sum.share(), threshold, alpha).map_or(0.0, |n| n - worth);
        (
            lower(sum.share(), worth, alpha) > threshold,
            missing.max(0.0),
            sum.total as f64 / worth.max(1.0),
        )
    };
    let (long, missing, each) = sure(rule.long);
    reading.proven = long && sure(rule.short).0;
    if !reading.proven {
        reading.needs = Some((missing * each).ceil().max(1.0) as u64);
    }
    reading
}

/// Whether the share is surely below the threshold by now.
fn calm(counts: &Counts, recent: Duration, threshold: f64) -> bool {
    let sum = counts.over(recent);
    upper(sum.share(), sum.total as f64, CALM_ALPHA) < threshold
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Count;
    use crate::objective::tests_support::objective;

    #[test]
    fn windows_scale_and_rules_that_cannot_speak_are_left_out() {
        let r = rules(&objective(0.999, 28));
        assert_eq!(
            (r.len(), r[0].long.as_secs(), r[0].short.as_secs()),
            (4, 3600, 300)
        );
        assert_eq!(rules(&objective(0.999, 7))[3].long.as_secs(), 64_800);
        let low: Vec<_> = rules(&objective(0.9, 28)).iter().map(|r| r.name).collect();
        assert_eq!(low, ["page slow", "ticket quick", "ticket slow"]);
    }

    #[test]
    fn a_fast_burn_is_suspected_first_and_proven_by_more_answers() {
        let o = objective(0.999, 28);
        let rule = rules(&o)[0];
        let at = |per_second: u32, seconds: u64| {
            let mut c = Counts::default();
            for s in 0..seconds {
                let bad = if s % 20 == 0 { per_second } else { 0 };
                c.add(
                    1_700_000_000_000 + s * 1000,
                    Count {
                        total: per_second,
                        bad,
                    },
                );
            }
            read(&o, &rule, rule.short, &c)
        };
        let few = at(1, 60);
        assert!(
            few.suspected && !few.proven && few.needs.unwrap() > 50,
            "{few:?}"
        );
        assert!(at(20, 1200).proven);
        assert!(!at(0, 60).suspected);
    }
}
