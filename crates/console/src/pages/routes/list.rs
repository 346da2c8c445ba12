//! All routes in one table; which and in which order is in the address.

use super::{business, said};
use crate::State;
use crate::live::Frame;
use crate::pages::Ask;
use crate::pages::parts::{self, exact};
use crate::pages::shell::Shown;
use base::units::Secs;
use control::lately::RouteLately;
use maud::{Markup, html};
use model::Answer;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct View {
    /// Part of the name of a route or its service.
    q: String,
    /// A column of [`COLUMNS`].
    sort: String,
    /// `up` or `down`; each column has its own when left out.
    dir: String,
}

struct Row<'a> {
    lately: &'a RouteLately,
    /// The resource that it uses most, as a share of what that offers.
    mostly: Option<(&'a str, f64)>,
    /// Dollars per 1000 requests.
    cost: Option<f64>,
}

/// What answers told of the business, by route.
type Worths = BTreeMap<String, String>;

type Key = fn(&Row<'_>) -> f64;

/// Name in the address, heading, what is sorted by, and whether the largest comes first.
const COLUMNS: &[(&str, &str, Key, bool)] = &[
    ("rate", "Rate", |r| r.lately.rate, true),
    ("good", "Good", |r| r.lately.good.unwrap_or(2.0), false),
    ("p50", "p50", |r| r.lately.p50_s.unwrap_or(-1.0), true),
    ("p99", "p99", |r| r.lately.p99_s.unwrap_or(-1.0), true),
    (
        "cache",
        "Cache",
        |r| r.lately.from_cache().unwrap_or(0.0),
        true,
    ),
    ("use", "Uses most", |r| r.mostly.map_or(-1.0, |m| m.1), true),
    ("cost", "Per 1000", |r| r.cost.unwrap_or(-1.0), true),
];

pub fn render(s: &State, view: &View) -> Shown {
    let lately = s.control.routes();
    let said = s.control.diagnose();
    let answer = parts::answer(&said);
    let worth = business::lines(s);
    let mut rows = rows(&lately, answer.as_ref());
    let all = rows.len();
    let q = view.q.to_lowercase();
    let fits = |r: &Row<'_>| {
        r.lately.route.to_lowercase().contains(&q) || r.lately.service.to_lowercase().contains(&q)
    };
    rows.retain(fits);
    sort(&mut rows, view);
    let body = html! {
        header.hero {
            div.headline {
                p.eyebrow { "The last minute" }
                h1 { (all) " routes" }
                p.lead { (summary(&lately)) }
                p { a href="/traces" { "Traces: what failed or was slow, step by step" } }
            }
        }
        section.panel {
            form.filter method="get" action="/routes" role="search" {
                label { "Route or service " input type="search" name="q" value=(view.q); }
                @if !view.sort.is_empty() { input type="hidden" name="sort" value=(view.sort); }
                @if !view.dir.is_empty() { input type="hidden" name="dir" value=(view.dir); }
                button { "Filter" }
                @if !q.is_empty() { a href=(address(&View { q: String::new(), ..view.clone() })) { "Show all" } }
            }
            @if all == 0 { (parts::empty("No route yet", "A route is shown when the config names it and requests have come for it.")) }
            @else if rows.is_empty() { (parts::empty("No route has that in its name", "")) }
            @else { (table(&rows, view, &worth)) }
        }
    };
    Shown {
        title: "Routes".into(),
        body,
        ask: Ask {
            page: super::PAGE.path.into(),
            ..Ask::default()
        },
        version: parts::version(&s.control),
    }
}

pub fn live(s: &State, _: &Ask) -> Frame {
    let lately = s.control.routes();
    let texts = lately.iter().flat_map(|r| {
        let key = r.index;
        said(r)
            .into_iter()
            .map(move |(k, v)| (format!("{key}.{k}"), v))
    });
    Frame {
        version: parts::version(&s.control),
        text: texts.collect(),
        ..Frame::default()
    }
}

fn summary(all: &[RouteLately]) -> String {
    let bad: Vec<&str> = all
        .iter()
        .filter(|r| r.misses())
        .map(|r| r.route.as_str())
        .collect();
    match bad.len() {
        0 => "Every route with traffic keeps its objective.".into(),
        n if n > 5 => format!("{n} do not keep their objective; sort by Good to see them first."),
        1 => format!("{} does not keep its objective.", bad[0]),
        _ => format!("{} do not keep their objective.", bad.join(", ")),
    }
}

fn rows<'a>(lately: &'a [RouteLately], answer: Option<&'a Answer>) -> Vec<Row<'a>> {
    let mostly = answer.map(Answer::heaviest).unwrap_or_default();
    let costs = answer
        .and_then(|a| a.costs.as_ref())
        .into_iter()
        .flat_map(|c| &c.routes);
    let cost: HashMap<&str, f64> = costs
        .map(|c| (c.route.as_str(), c.with_children_per_1000))
        .collect();
    let row = |r: &'a RouteLately| Row {
        lately: r,
        mostly: mostly.get(r.route.as_str()).map(|m| (m.0, m.1 * r.rate)),
        cost: cost.get(r.route.as_str()).copied(),
    };
    lately.iter().map(row).collect()
}

fn sort(rows: &mut [Row<'_>], view: &View) {
    if view.sort == "name" {
        rows.sort_by(|a, b| a.lately.route.cmp(&b.lately.route));
    } else {
        let (_, _, key, largest) = COLUMNS
            .iter()
            .find(|c| c.0 == view.sort)
            .unwrap_or(&COLUMNS[0]);
        rows.sort_by(|a, b| key(a).total_cmp(&key(b)));
        if *largest {
            rows.reverse();
        }
    }
    if view.dir == "up" {
        rows.reverse();
    }
}

fn address(view: &View) -> String {
    let pairs = [("q", &view.q), ("sort", &view.sort), ("dir", &view.dir)];
    let set: Vec<String> = (pairs.iter().filter(|p| !p.1.is_empty()))
        .map(|(k, v)| format!("{k}={}", parts::encode(v)))
        .collect();
    if set.is_empty() {
        "/routes".into()
    } else {
        format!("/routes?{}", set.join("&"))
    }
}

/// A heading that sorts; asked again, the other way round.
fn heading(view: &View, name: &str, title: &str, number: bool) -> Markup {
    let now = if view.sort.is_empty() {
        "rate"
    } else {
        &view.sort
    };
    let turned = now == name && view.dir != "up";
    let to = View {
        q: view.q.clone(),
        sort: name.into(),
        dir: if turned { "up".into() } else { String::new() },
    };
    let sorted = (now == name).then_some(if view.dir == "up" {
        "ascending"
    } else {
        "descending"
    });
    html! { th scope="col" class=[number.then_some("n")] aria-sort=[sorted] { a href=(address(&to)) { (title) } } }
}

fn table(rows: &[Row<'_>], view: &View, worth: &Worths) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Routes" {
            table.routes {
                thead { tr {
                    (heading(view, "name", "Route", false))
                    th scope="col" { "Service" }
                    th scope="col" { "Objective" }
                    @for (name, title, _, _) in COLUMNS { (heading(view, name, title, *name != "use")) }
                    @if !worth.is_empty() { th scope="col" { "Worth, last hour" } }
                } }
                tbody data-part="routes" { @for r in rows { (row(r, worth)) } }
            }
        }
    }
}

fn row(r: &Row<'_>, worth: &Worths) -> Markup {
    let [(_, rate), (_, good), (_, p50), (_, p99), (_, cache)] = said(r.lately);
    let key = r.lately.index;
    html! {
        tr class=[r.lately.misses().then_some("missed")] {
            th scope="row" { a href={ "/routes/" (parts::encode(&r.lately.route)) } { (r.lately.route) } }
            td { (r.lately.service) }
            td { @match r.lately.objective {
                Some(o) => { (exact(o.target)) " in " (Secs(o.latency_s)) @if o.assumed { " " abbr title="nobody declared it" { "assumed" } } },
                None => "—",
            } }
            td.n data-live={ (key) ".rate" } { (rate) }
            td.n data-live={ (key) ".good" } { (good) }
            td.n data-live={ (key) ".p50" } { (p50) }
            td.n data-live={ (key) ".p99" } { (p99) }
            td.n data-live={ (key) ".cache" } { (cache) }
            td { @match r.mostly { Some((name, share)) => { (name) " " small { (format!("{:.0} %", 100.0 * share)) } }, None => "—" } }
            td.n { @match r.cost { Some(c) => { "$" (format!("{c:.4}")) }, None => "—" } }
            @if !worth.is_empty() { td { (worth.get(&r.lately.route).map_or("—", String::as_str)) } }
        }
    }
}
