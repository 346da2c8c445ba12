//! What nodes share of their caches, as metrics; nothing where no route's cache is shared.

use gateway::SecondGauge;
use telemetry::prometheus::Page;

type Value = fn(&SecondGauge) -> u64;

/// Name, kind, help and value of each family.
const FAMILIES: &[(&str, &str, &str, Value)] = &[
    (
        "plimsoll_cache_shared_up",
        "gauge",
        "0: other nodes' answers are not asked for, because the engine is away or slow.",
        |s| u64::from(s.wrong.is_empty()),
    ),
    (
        "plimsoll_cache_shared_hits_total",
        "counter",
        "Requests answered with what another node had stored.",
        |s| s.hits,
    ),
    (
        "plimsoll_cache_shared_misses_total",
        "counter",
        "Times that nothing of use was there.",
        |s| s.misses,
    ),
    (
        "plimsoll_cache_shared_late_total",
        "counter",
        "Requests that waited too long for it and went on to the service.",
        |s| s.late,
    ),
    (
        "plimsoll_cache_shared_skipped_total",
        "counter",
        "Requests that went on at once, because the engine was away or slow.",
        |s| s.skipped,
    ),
    (
        "plimsoll_cache_shared_failed_total",
        "counter",
        "Calls that failed, and records that were not what had been written.",
        |s| s.failed,
    ),
    (
        "plimsoll_cache_shared_writes_total",
        "counter",
        "Answers that were given to other nodes.",
        |s| s.writes,
    ),
];

pub fn page(page: &mut Page, levels: &[SecondGauge]) {
    let Some(first) = levels.first() else {
        return;
    };
    for (name, kind, help, value) in FAMILIES {
        page.family(name, kind, help);
        for s in levels {
            page.row("", &[("route", &s.route)], value(s) as f64);
        }
    }
    page.family(
        "plimsoll_cache_shared_writes_dropped_total",
        "counter",
        "Answers that were not given to other nodes: the queue was full or the engine away, or they were too large.",
    );
    for s in levels {
        for (why, n) in [("dropped", s.writes_dropped), ("size", s.too_large)] {
            page.row("", &[("route", &s.route), ("why", why)], n as f64);
        }
    }
    let help = "Changes and purges that other nodes have not been told yet.";
    page.family("plimsoll_cache_shared_untold", "gauge", help);
    page.row("", &[], first.untold as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_has_its_rows_and_none_has_none() {
        let text = |levels: &[SecondGauge]| {
            let mut out = Page::default();
            page(&mut out, levels);
            out.finish()
        };
        assert_eq!(text(&[]), Page::default().finish());
        let level = SecondGauge {
            route: "product".into(),
            wrong: "away".into(),
            hits: 3,
            too_large: 2,
            untold: 4,
            ..SecondGauge::default()
        };
        let text = text(&[level]);
        for row in [
            "plimsoll_cache_shared_up{route=\"product\"} 0",
            "plimsoll_cache_shared_hits_total{route=\"product\"} 3",
            "plimsoll_cache_shared_writes_dropped_total{route=\"product\",why=\"size\"} 2",
            "plimsoll_cache_shared_untold 4",
        ] {
            assert!(text.contains(row), "{row}: {text}");
        }
    }
}
