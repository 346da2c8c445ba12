//! The bill and who used what of it.

use super::number::{money, percent};
use super::page::Page;
use base::units::Secs;
use cost::{ItemRow, Report, Row};

pub fn render(r: &Report, width: u16) -> String {
    let mut page = Page::new(width);
    page.line(&format!(
        "{} in {}; {} of it idle",
        money(r.bill_micro),
        Secs(r.covered_s),
        percent(share(r.idle_micro, r))
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
    page.done()
}

fn share(micro: u64, r: &Report) -> f64 {
    micro as f64 / r.bill_micro.max(1) as f64
}

fn rows(r: &Report) -> Vec<Vec<String>> {
    let line = |name: &str, micro: u64, row: Option<&Row>| {
        let requests = row.and_then(|r| r.requests).map(|n| format!("{n:.0}"));
        let per_1000 = row.and_then(|r| r.per_1000).map(|c| format!("${c:.6}"));
        vec![
            name.to_owned(),
            money(micro),
            format!("{:.1} %", 100.0 * share(micro, r)),
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
