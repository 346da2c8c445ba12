//! The keys of `slo`, of routes and of services.

use super::*;

pub const SLO: &[Field<Slo>] = &[
    key!(required "latency", Kind::Duration, "250ms", "a good answer is complete within this", |s, n, cx| put!(s.latency, cx.some_time(n))),
    key!(
        "target" = "99%",
        Kind::Share,
        "99.9%",
        "share of good answers: status below 500, and within `latency`",
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
    let mut slo = Slo::default();
    cx.section("slo", n, SLO, &mut slo);
    for (key, target) in [
        ("target", Some(slo.target)),
        ("availability", slo.availability),
    ] {
        if let (Some(target), Some(at)) = (target, n.get(key)) {
            silent_rules(target, at, cx);
        }
    }
    slo
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
