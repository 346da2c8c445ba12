//! Cost: what requests used of the bill, by route, service, resource, tenant or user, and what was idle.

mod bar;
mod unit;
mod unusual;

use super::parts;
use super::shell::{Shown, show};
use super::{Ask, Page};
use crate::api::Problem;
use crate::live::Frame;
use crate::{App, State};
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use base::number::{money, percent};
use cost::anomaly::Anomaly;
use cost::{By, Report, Row};
use maud::{Markup, html};
use serde::Deserialize;

pub static PAGE: Page = Page {
    path: "/cost",
    title: "Cost",
    routes: || Router::new().route("/cost", get(all)),
    live,
};

/// Windows that the page offers, and their names.
const WINDOWS: [(&str, &str); 4] = [
    ("15m", "15 min"),
    ("1h", "1 h"),
    ("1d", "1 day"),
    ("7d", "7 days"),
];
/// It is drawn anew each so many seconds.
const FRESH_S: u64 = 10;

#[derive(Deserialize)]
struct Choice {
    by: Option<String>,
    window: Option<String>,
}

async fn all(app: App, Query(choice): Query<Choice>) -> Response {
    show(app, &PAGE, move |s| render(s, &choice)).await
}

fn live(s: &State, _: &Ask) -> Frame {
    Frame {
        version: version(s),
        ..Frame::default()
    }
}

fn version(s: &State) -> String {
    format!("{}", s.costs.now_s() / FRESH_S)
}

fn render(s: &State, choice: &Choice) -> Result<Shown, Problem> {
    let by = choice
        .by
        .as_deref()
        .and_then(By::from_word)
        .unwrap_or_default();
    let asked = choice.window.as_deref();
    let window = WINDOWS
        .iter()
        .find(|w| asked == Some(w.0))
        .unwrap_or(&WINDOWS[1]);
    let span = cost::span(window.0, s.costs.now_s()).map_err(|f| vec![f])?;
    let body = match s.costs.report(by, span) {
        Ok(report) => whole(&report, window, &s.costs.anomalies(), &unit::panel(s)),
        Err(findings) => html! {
            header.hero { div.headline data-part="headline" {
                p.eyebrow { "Cost" }
                @for f in &findings { h1 { (parts::upper(&f.what)) } p.lead { (parts::upper(&f.help)) } }
            } }
        },
    };
    Ok(Shown {
        title: "Cost".into(),
        body,
        ask: Ask {
            page: PAGE.path.into(),
            ..Ask::default()
        },
        version: version(s),
    })
}

fn whole(r: &Report, window: &(&str, &str), anomalies: &[Anomaly], units: &Markup) -> Markup {
    html! {
        header.hero {
            div.headline data-part="headline" {
                p.eyebrow { "Cost of the last " (window.1) }
                h1 { (money(r.bill_micro)) ", " (percent(r.share(r.idle_micro))) " of it idle" }
                p.lead { (lead(r)) }
                @for note in &r.notes { p.then { (parts::upper(note)) "." } }
            }
            (figures(r))
        }
        section.panel data-part="shares" {
            div.panel-head {
                h2 { "Who uses it" }
                (parts::choice(By::ALL.map(|b| (link(b.word(), window.0), b.word(), b == r.by))))
                (parts::choice(WINDOWS.map(|(w, name)| (link(r.by.word(), w), name, w == window.0))))
            }
            (bar::stacked(r))
            (rows(r))
        }
        div data-part="units" { (units) }
        div data-part="unusual" { (unusual::hours(anomalies)) }
        section.panel data-part="bill" {
            div.panel-head { h2 { "The bill" } span.note { "price × time, to the micro-dollar" } }
            (items(r))
        }
    }
}

/// Where the same is told by another part, or over another time.
fn link(by: &str, window: &str) -> String {
    format!("{}?by={by}&window={window}", PAGE.path)
}

fn lead(r: &Report) -> String {
    match r.rows.first().filter(|row| row.micro > 0) {
        Some(row) => format!(
            "{} {} uses {} of the bill.",
            parts::upper(r.by.word()),
            row.name,
            percent(r.share(row.micro))
        ),
        None => "No request has used anything yet.".into(),
    }
}

fn figures(r: &Report) -> Markup {
    let per_1000 = r.per_1000.map_or("—".to_owned(), dollars);
    let idle = format!("{} of the bill", percent(r.share(r.idle_micro)));
    let background = format!(
        "{}, used by no request",
        percent(r.share(r.background_micro))
    );
    html! {
        dl.figures {
            (parts::figure("1000 requests", &per_1000, "everything included", ""))
            (parts::figure("Requests", &format!("{:.0}", r.requests), "", ""))
            (parts::figure("Idle", &money(r.idle_micro), &idle, ""))
            (parts::figure("Background", &money(r.background_micro), &background, ""))
        }
    }
}

fn dollars(x: f64) -> String {
    format!("${x:.6}")
}

fn rows(r: &Report) -> Markup {
    let columns = [
        (r.by.word(), false),
        ("Cost", true),
        ("Of the bill", true),
        ("Requests", true),
        ("Per 1000, idle left out", true),
    ];
    let line = |name: Markup, micro: u64, row: Option<&Row>| {
        let requests = row.and_then(|r| r.requests).map(|n| format!("{n:.0}"));
        let per_1000 = row.and_then(|r| r.per_1000).map(dollars);
        html! {
            tr {
                th scope="row" { (name) }
                td.n { (money(micro)) }
                td.n { (format!("{:.1} %", 100.0 * r.share(micro))) }
                td.n { (requests.unwrap_or_else(|| "—".into())) }
                td.n { (per_1000.unwrap_or_else(|| "—".into())) }
            }
        }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Shares of the bill" {
            table.routes {
                (parts::headings(&columns))
                tbody {
                    @for (i, row) in r.rows.iter().enumerate() {
                        (line(html! { (bar::key(i)) @if r.by == By::Route { a href={ "/routes/" (parts::encode(&row.name)) } { (row.name) } } @else { (row.name) } }, row.micro, Some(row)))
                    }
                    (line(html! { (bar::swatch("background")) "used by no request" }, r.background_micro, None))
                    (line(html! { (bar::swatch("idle")) "idle" }, r.idle_micro, None))
                }
                tfoot { tr { th scope="row" { "the bill" } td.n { (money(r.bill_micro)) } td.n { "100.0 %" } td {} td {} } }
            }
        }
    }
}

fn items(r: &Report) -> Markup {
    let columns = [
        ("Resource", false),
        ("Priced as", false),
        ("Bill", true),
        ("Used", true),
        ("By no request", true),
        ("Idle", true),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Lines of the bill" {
            table.routes {
                (parts::headings(&columns))
                tbody { @for i in &r.items { tr {
                    th scope="row" { (i.resource) }
                    td { (i.kind.word()) @if !i.measured { span.note { " · use not seen" } } }
                    td.n { (money(i.micro)) }
                    td.n { (money(i.used_micro)) }
                    td.n { (money(i.background_micro)) }
                    td.n { (money(i.idle_micro)) }
                } } }
            }
        }
    }
}
