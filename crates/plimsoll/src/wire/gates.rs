//! What the gates have decided, as metrics.

use gateway::Decision;
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
    }
}
