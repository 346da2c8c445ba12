//! The bill and who used what of it.

use super::number::{money, percent};
use super::page::Page;
use base::units::Secs;
use cost::anomaly::{Anomaly, Of};
use cost::focus::Compared;
use cost::{ItemRow, MICRO, Report, Row};

/// Unusual hours that are shown.
const UNUSUAL: usize = 5;

pub fn render(r: &Report, unusual: &[Anomaly], width: u16) -> String {
    let mut page = Page::new(width);
    page.line(&format!(
        "{} in {}; {} of it idle",
        money(r.bill_micro),
        Secs(r.covered_s),
        percent(r.share(r.idle_micro))
    ));
    page.labelled(
        "1000 requests",
        r.per_1000.map(|c| format!("${c:.6}, everything included")),
    );
    page.labelled("note", &r.notes);
    page.table(
        "Who uses it",
        &[
            r.by.word(),
            "cost",
            "of the bill",
            "requests",
            "per 1000, idle left out",
        ],
        &[1, 2, 3, 4],
        rows(r),
    );
    page.table(
        "The bill",
        &[
            "resource",
            "priced as",
            "bill",
            "used",
            "by no request",
            "idle",
        ],
        &[2, 3, 4, 5],
        r.items.iter().map(item).collect(),
    );
    page.table(
        "Unusual against this hour of other weeks, per 1000 requests",
        &["since", "of", "cost", "usual", "why", "change"],
        &[2, 3],
        unusual.iter().take(UNUSUAL).map(hour).collect(),
    );
    page.done()
}

fn hour(a: &Anomaly) -> Vec<String> {
    let per_1000 = |x: f64| format!("${:.6}", 1000.0 * x);
    let parts = a.why.iter().flat_map(|w| w.parts());
    let parts = parts.filter(|(_, x)| x.abs() > 0.05 * (a.cost - a.usual).abs());
    let parts: Vec<String> = parts
        .map(|(name, x)| format!("{name} {:+.6}", 1000.0 * x))
        .collect();
    vec![
        slo::notify::text::time(a.since_s * 1000),
        match a.of {
            Of::Bill => "the bill".into(),
            Of::Used => "what was used".into(),
        },
        per_1000(a.cost),
        per_1000(a.usual),
        parts.join(", "),
        a.change.clone().unwrap_or_else(|| "none known".into()),
    ]
}

/// A bill beside what we say; what is left over is shown.
pub fn bill(c: &Compared, width: u16) -> String {
    let money = |micro: i64| format!("{:.6}", micro as f64 / MICRO);
    let mut page = Page::new(width);
    page.line(&format!(
        "{} {} billed ({}), {} by our prices: {} is left over",
        money(c.billed_micro),
        c.currency,
        c.column,
        money(c.ours_micro),
        money(c.residual_micro)
    ));
    let asked = c.to_s.saturating_sub(c.from_s) as f64;
    if c.covered_s + 1.0 < asked {
        let note = format!(
            "of the {} of the bill, {} were watched: what is left over is of the rest, too",
            Secs(asked),
            Secs(c.covered_s)
        );
        page.labelled("note", [note]);
    }
    let line = |l: &cost::focus::Line| {
        let price = format!("${:.6}/h", l.price_per_hour);
        vec![
            l.resource.clone(),
            money(l.billed_micro),
            money(l.ours_micro),
            money(l.residual_micro),
            price,
        ]
    };
    page.table(
        "What has a price here",
        &[
            "resource",
            "billed",
            "ours",
            "left over",
            "price by the bill",
        ],
        &[1, 2, 3, 4],
        c.lines.iter().map(line).collect(),
    );
    let rest = c.unmatched.iter();
    page.table(
        "What has none",
        &["service of the bill", "billed"],
        &[1],
        rest.map(|u| vec![u.service.clone(), money(u.billed_micro)])
            .collect(),
    );
    page.done()
}

fn rows(r: &Report) -> Vec<Vec<String>> {
    let line = |name: &str, micro: u64, row: Option<&Row>| {
        let requests = row.and_then(|r| r.requests).map(|n| format!("{n:.0}"));
        let per_1000 = row.and_then(|r| r.per_1000).map(|c| format!("${c:.6}"));
        vec![
            name.to_owned(),
            money(micro),
            format!("{:.1} %", 100.0 * r.share(micro)),
            requests.unwrap_or_default(),
            per_1000.unwrap_or_default(),
        ]
    };
    let mut rows: Vec<_> = (r.rows.iter())
        .map(|row| line(&row.name, row.micro, Some(row)))
        .collect();
    rows.push(line("(used by no request)", r.background_micro, None));
    rows.push(line("(idle)", r.idle_micro, None));
    rows.push(line("the bill", r.bill_micro, None));
    rows
}

fn item(i: &ItemRow) -> Vec<String> {
    vec![
        i.resource.clone(),
        i.kind.word().to_owned(),
        money(i.micro),
        money(i.used_micro),
        money(i.background_micro),
        money(i.idle_micro),
    ]
}
