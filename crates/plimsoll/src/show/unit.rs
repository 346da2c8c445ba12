//! What one order costs, and how that changes.

use super::number::money;
use super::page::Page;
use cost::unit::{Step, UnitCost};
use past::decimal;

/// A row for each number of the business; nothing without any.
pub fn overview(all: &[UnitCost], width: u16) -> String {
    let mut page = Page::new(width);
    let row = |u: &UnitCost| {
        vec![
            u.of.title(),
            u.of.route.clone(),
            per_1000(u.cost),
            per_1000(u.used),
            u.trend.text(),
        ]
    };
    page.table(
        "What 1000 of it cost, in whole days of the last 35 (`--per NUMBER` shows each day)",
        &[
            "number",
            "route",
            "cost",
            "used by its route",
            "trend (95 %)",
        ],
        &[2, 3],
        all.iter().map(row).collect(),
    );
    page.done()
}

pub fn one(u: &UnitCost, width: u16) -> String {
    let mut page = Page::new(width);
    let each = if u.step_s < 86_400 { "hours" } else { "days" };
    let what = format!("1000 {} of {}", u.of.title(), u.of.route);
    match u.cost {
        Some(_) => page.line(&format!(
            "{what} cost {} in whole {each}, {} of it used by that route",
            per_1000(u.cost),
            per_1000(u.used)
        )),
        None => page.line(&format!("{what}: none were told in whole {each} yet")),
    }
    page.labelled("trend", [u.trend.text()]);
    page.labelled(
        "why",
        u.why.iter().map(|w| {
            let parts = w
                .parts()
                .map(|(name, x)| format!("{name} {:+.6}", 1000.0 * x));
            format!(
                "${:.6} in the later half after ${:.6} in the earlier: {}",
                1000.0 * w.cost.after,
                1000.0 * w.cost.before,
                parts.join(", ")
            )
        }),
    );
    page.table(
        "By time",
        &[
            "since",
            &u.of.title(),
            "bill",
            "per 1000",
            "used by its route",
            "",
        ],
        &[1, 2, 3, 4],
        u.steps.iter().map(step).collect(),
    );
    page.done()
}

fn step(s: &Step) -> Vec<String> {
    vec![
        slo::notify::text::time(s.start_s * 1000),
        decimal(s.value_micro),
        money(s.bill_micro),
        per_1000(s.cost),
        per_1000(s.used),
        if s.whole {
            ""
        } else {
            "not whole: not counted"
        }
        .into(),
    ]
}

fn per_1000(cost: Option<f64>) -> String {
    cost.map_or("none told".into(), |c| format!("${:.6}", 1000.0 * c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cost::unit::{Of, unit};
    use cost::{Slot, Span};

    #[test]
    fn an_order_is_shown_with_its_days_and_an_honest_trend() {
        let of = Of {
            route: "buy".into(),
            name: "orders".into(),
            unit: String::new(),
        };
        let slot = Slot {
            seconds: 86_400.0,
            ..Slot::default()
        };
        let span = Span {
            from_s: 0,
            to_s: 2 * 86_400,
        };
        let u = unit(of, &[slot.clone(), slot], &[3_000_000, 0], 86_400, span);
        let text = one(&u, 120);
        for said in [
            "1000 orders of buy cost $0.000000",
            "too little for a trend: 1 whole days of at least 5",
            "1970-01-02T00:00:00Z",
            "none told",
        ] {
            assert!(text.contains(said), "{said} is not in {text}");
        }
        assert!(overview(&[u], 120).contains("used by its route"));
        assert_eq!(overview(&[], 120), "");
    }
}
