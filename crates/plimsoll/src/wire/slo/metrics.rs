//! Objectives as metrics. Rules that Prometheus makes of them are `slo::rules`.

use ::slo::SloStatus;
use ::slo::machine::Standing;
use ::slo::metrics::{ANSWERS, BAD, LABEL};
use ::slo::status::WINDOWS;
use telemetry::prometheus::Page;

pub fn page(all: &[SloStatus]) -> String {
    let mut p = Page::default();
    let mut family = |name, kind, help, value: &dyn Fn(&SloStatus) -> f64| {
        p.family(name, kind, help);
        for s in all {
            p.row("", &labels(s), value(s));
        }
    };
    family(
        ANSWERS,
        "counter",
        "Answers that count for the objective.",
        &|s| s.ever.total as f64,
    );
    family(BAD, "counter", "Those of them that were bad.", &|s| {
        s.ever.bad as f64
    });
    family(
        "plimsoll_slo_target_ratio",
        "gauge",
        "Share of good answers that is promised.",
        &|s| s.objective.target,
    );
    family(
        "plimsoll_slo_error_budget_left_ratio",
        "gauge",
        "Share of the error budget that is left; below 0 when overdrawn.",
        &|s| s.budget_left,
    );
    p.family(
        "plimsoll_slo_bad_ratio",
        "gauge",
        "Share of bad answers in the last window, from exact counts.",
    );
    for s in all {
        for ((window, _), share) in WINDOWS.iter().zip(&s.bad) {
            let [objective, service] = labels(s);
            p.row("", &[objective, service, ("window", window)], *share);
        }
    }
    p.family(
        "plimsoll_slo_alert_firing",
        "gauge",
        "Whether the alert fires.",
    );
    for s in all {
        for (severity, standing) in [("page", s.page), ("ticket", s.ticket)] {
            let fires = f64::from(u8::from(standing == Standing::Firing));
            let [objective, service] = labels(s);
            p.row("", &[objective, service, ("severity", severity)], fires);
        }
    }
    p.finish()
}

fn labels(s: &SloStatus) -> [(&str, &str); 2] {
    [(LABEL, &s.objective.id), ("service", &s.objective.service)]
}
