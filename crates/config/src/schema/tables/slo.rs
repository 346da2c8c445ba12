//! The keys of `slo`, of routes and of services.

use super::*;
use std::time::Duration;

/// The section as it stands in a file, where `target` may stand without `latency`.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenSlo {
    latency: Option<Duration>,
    target: f64,
    availability: Option<f64>,
    window: SloWindow,
}

impl Default for WrittenSlo {
    fn default() -> WrittenSlo {
        let Slo {
            availability,
            window,
            ..
        } = Slo::default();
        WrittenSlo {
            latency: None,
            target: 0.99,
            availability,
            window,
        }
    }
}

pub const SLO: &[Field<WrittenSlo>] = &[
    key!(
        "latency",
        Kind::Duration,
        "250ms",
        "a good answer is complete within this; when left out none is too late, and `availability` is needed",
        |s, n, cx| s.latency = cx.some_time(n)
    ),
    key!(
        "target" = "99%",
        Kind::Share,
        "99.9%",
        "share of good answers: status below 500, and within `latency`, which it needs",
        |s, n, cx| put!(s.target, share(n, cx))
    ),
    key!(
        "availability",
        Kind::Share,
        "99.95%",
        "share of answers with a status below 500, late or not, as an objective of its own; none when left out",
        |s, n, cx| s.availability = share(n, cx)
    ),
    key!(
        "window" = "28d",
        Kind::Text,
        "month",
        "over which the shares are counted: a time from 1d to 35d, or `month` (UTC)",
        |s, n, cx| put!(s.window, window(n, cx))
    ),
];

/// A section, with what its numbers mean for alerts.
pub(super) fn read(n: &Node, cx: &mut Cx) -> Slo {
    let mut w = WrittenSlo::default();
    cx.section("slo", n, SLO, &mut w);
    promises(n, cx);
    let target = w.latency.map(|_| w.target);
    for (key, target) in [("target", target), ("availability", w.availability)] {
        if let (Some(target), Some(at)) = (target, n.get(key)) {
            silent_rules(target, at, cx);
        }
    }
    Slo {
        latency: w.latency.map(|within| LatencyObjective {
            within,
            target: w.target,
        }),
        availability: w.availability,
        window: w.window,
    }
}

/// Something is promised, and what is written has a meaning.
fn promises(n: &Node, cx: &mut Cx) {
    let has = |key| n.get(key).is_some();
    if has("latency") {
        return;
    }
    if let Some(target) = n.get("target") {
        let what = "`target` is the share of answers within `latency`, and `slo` has no `latency`";
        cx.error(target, "config-slo", what).help =
            "add `latency: 250ms`; or, where no answer is too late, call it `availability`".into();
        return;
    }
    let keys = matches!(n.value, Value::Map { .. }) || n.text() == Some("");
    if keys && !has("availability") {
        let what = "`slo` promises nothing: it says neither `latency` nor `availability`";
        cx.error(n, "config-slo", what).help =
            "write `slo: { latency: 250ms, target: 99.9% }` for answers in time, \
             `slo: { availability: 99.9% }` for answers that do not fail, or both in one"
                .into();
    }
}

fn share(n: &Node, cx: &mut Cx) -> Option<f64> {
    let share = cx.share(n)?;
    if (0.5..1.0).contains(&share) {
        return Some(share);
    }
    let f = cx.error(
        n,
        "config-value",
        "a target lies between 50% and 100%, both left out",
    );
    f.why = "100% leaves no error budget: the first failure breaks it".into();
    f.help = "99.9% is common".into();
    None
}

fn window(n: &Node, cx: &mut Cx) -> Option<SloWindow> {
    if n.text() == Some("month") {
        return Some(SloWindow::Month);
    }
    let time = cx.some_time(n)?;
    if (SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&time) {
        return Some(SloWindow::Rolling(time));
    }
    cx.error(
        n,
        "config-slo",
        "the window of an objective is from 1d to 35d",
    )
    .help = "write `28d`, or `month`".into();
    None
}

/// Rules that can never speak: so fast a burn would need more failures than there are requests.
fn silent_rules(target: f64, n: &Node, cx: &mut Cx) {
    let silent = BURN_FACTORS
        .iter()
        .filter(|(_, f)| f * (1.0 - target) >= 1.0);
    let names: Vec<String> = silent.map(|(name, f)| format!("`{name}` ({f})")).collect();
    if names.is_empty() {
        return;
    }
    let what = format!(
        "an objective of {} % is too low for {}: not even an outage burns so fast",
        (target * 1e6).round() / 1e4,
        names.join(" and ")
    );
    let f = cx.warning(n, "config-slo-burn", what);
    f.why = "these rules are left out; the outage rule and the others stay".into();
    f.help = "a target above 93.1% has them all".into();
}
