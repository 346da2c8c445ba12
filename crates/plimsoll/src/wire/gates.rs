//! What the gates have decided, and what became of the access log's lines, as metrics.

use gateway::Decision;
use gateway::access::Lines;
use telemetry::prometheus::Page;

/// One family: the gate, the route or service it belongs to, and what it did.
pub fn page(decisions: &[Decision]) -> String {
    let mut page = Page::default();
    page.family(
        "plimsoll_gate_decisions_total",
        "counter",
        "What gates did out of the ordinary, by route or service.",
    );
    for d in decisions {
        let labels = [("gate", d.gate), ("of", &d.of), ("decision", d.what)];
        page.row("", &labels, d.count as f64);
    }
    page.finish()
}

/// Lines of the access log; nothing while there never was one.
pub fn lines(lines: &Lines) -> String {
    let mut page = Page::default();
    if *lines == Lines::default() {
        return page.finish();
    }
    page.family(
        "plimsoll_access_log_lines_total",
        "counter",
        "Lines of the access log: written, lost to a full ring, lost to a file that could not be written.",
    );
    for (fate, count) in [
        ("written", lines.written),
        ("dropped", lines.dropped),
        ("failed", lines.failed),
    ] {
        page.row("", &[("fate", fate)], count as f64);
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decision_is_a_row_and_without_any_there_is_nothing() {
        let one = Decision {
            gate: "breaker",
            of: "shop".into(),
            what: "refused",
            count: 3,
        };
        let text = page(&[one]);
        let row =
            "plimsoll_gate_decisions_total{gate=\"breaker\",of=\"shop\",decision=\"refused\"} 3\n";
        assert!(text.ends_with(row) && text.starts_with("# HELP"), "{text}");
        assert_eq!(page(&[]), "");
        assert_eq!(lines(&Lines::default()), "");
        let lost = lines(&Lines {
            dropped: 2,
            ..Lines::default()
        });
        let row = "plimsoll_access_log_lines_total{fate=\"dropped\"} 2\n";
        assert!(lost.contains(row), "{lost}");
    }
}
