//! Routes as the console's page shows them: all in a table, or one with what its requests use and what gates did.

use super::Answer;
use super::number::{amount, percent, rate, seconds, times};
use super::page::Page;
use base::units::Secs;
use console::Decision;
use control::lately::RouteLately;
use model::cost::RouteCost;
use model::diagnose::DemandRow;
use model::loadline::RouteLine;
use serde::Serialize;

/// What is known of one route.
#[derive(Debug, Serialize)]
pub struct Route {
    /// Over the last minute.
    #[serde(flatten)]
    pub lately: RouteLately,
    /// What one request uses itself; empty while the model does not know.
    pub demand: Vec<Used>,
    /// The resource of which it takes the largest share of what that offers, and the share that its requests take.
    pub mostly: Option<(String, f64)>,
    /// Where something has a price.
    pub cost: Option<RouteCost>,
    pub line: Option<RouteLine>,
    /// What gates did out of the ordinary since the start, with it or its service.
    pub decisions: Vec<Decision>,
}

#[derive(Debug, Serialize)]
pub struct Used {
    #[serde(flatten)]
    pub row: DemandRow,
    /// Of the resource, such as `cores`: what is used is seconds of that, or bytes.
    pub unit: String,
}

pub fn join(
    lately: Vec<RouteLately>,
    decisions: Vec<Decision>,
    answer: Option<&Answer>,
) -> Vec<Route> {
    let heaviest = answer.map(Answer::heaviest).unwrap_or_default();
    let known = |lately: RouteLately| {
        let name = lately.route.as_str();
        let costs = answer.and_then(|a| a.costs.as_ref()).map(|c| &c.routes);
        let lines = answer.and_then(|a| a.line.as_ref()).map(|l| &l.routes);
        let mine = decisions
            .iter()
            .filter(|d| d.concerns(name, &lately.service));
        Route {
            demand: answer.map_or(Vec::new(), |a| demand(a, name)),
            mostly: heaviest
                .get(name)
                .map(|(of, share)| ((*of).to_owned(), share * lately.rate)),
            cost: costs.and_then(|all| all.iter().find(|c| c.route == name).cloned()),
            line: lines.and_then(|all| all.iter().find(|l| l.route == name).cloned()),
            decisions: mine.cloned().collect(),
            lately,
        }
    };
    lately.into_iter().map(known).collect()
}

fn demand(a: &Answer, route: &str) -> Vec<Used> {
    let unit = |resource: &str| {
        let known = a
            .diagnosis
            .resources
            .iter()
            .find(|r| r.resource == resource);
        known.map_or(String::new(), |r| r.unit.clone())
    };
    let mine = a.diagnosis.demand.iter().filter(|d| d.route == route);
    let used = mine.map(|d| Used {
        row: d.clone(),
        unit: unit(&d.resource),
    });
    used.collect()
}

/// Busiest first.
pub fn list(all: &[Route], width: u16) -> String {
    let mut page = Page::new(width);
    if all.is_empty() {
        page.line("No route has been seen: one is shown when the config names it and requests have come for it.");
        return page.done();
    }
    let mut all: Vec<&Route> = all.iter().collect();
    all.sort_by(|a, b| b.lately.rate.total_cmp(&a.lately.rate));
    let row = |r: &&Route| {
        let l = &r.lately;
        vec![
            l.route.clone(),
            l.service.clone(),
            objective(l),
            rate(l.rate),
            good(l),
            seconds(l.p50_s),
            seconds(l.p99_s),
            l.from_cache().map_or("—".into(), percent),
            r.mostly.as_ref().map_or("—".into(), |(of, share)| {
                format!("{of} {}", percent(*share))
            }),
            r.cost.as_ref().map_or("—".into(), |c| {
                format!("${:.4}", c.with_children_per_1000)
            }),
            gates(r),
        ]
    };
    page.table(
        "the last minute",
        &[
            "route",
            "service",
            "objective",
            "rate",
            "good",
            "p50",
            "p99",
            "cache",
            "uses most",
            "per 1000",
            "gates, since the start",
        ],
        &[3, 4, 5, 6, 7, 9],
        all.iter().map(row).collect(),
    );
    page.done()
}

/// `progress`: how far learning is, where demand is not known yet.
pub fn one(r: &Route, progress: &str, width: u16) -> String {
    let (l, mut page) = (&r.lately, Page::new(width));
    let to = match l.service.as_str() {
        "" => String::new(),
        service => format!(", to {service}"),
    };
    page.line(&format!(
        "{}{to}: {} over the last minute",
        l.route,
        rate(l.rate)
    ));
    page.line("");
    page.labelled("objective", [objective(l)]);
    let missed = if l.misses() {
        ", less than its objective asks"
    } else {
        ""
    };
    let ended = format!(
        "{}{missed}; {} failed, {} refused",
        good(l),
        l.errors,
        l.refused
    );
    page.labelled("good", [ended]);
    let (p50, p99) = (seconds(l.p50_s), seconds(l.p99_s));
    page.labelled("latency", [format!("p50 {p50}, p99 {p99}")]);
    let asked = l.cache_hits + l.cache_misses;
    let cached = l
        .from_cache()
        .map(|share| format!("{} of {asked} answered by it", percent(share)));
    page.labelled("cache", [cached.unwrap_or("none was asked".into())]);
    let cost = r.cost.as_ref().map(|c| {
        let (all, own) = (c.with_children_per_1000, c.per_1000);
        format!("${all:.5} per 1000 requests, itself ${own:.5}")
    });
    page.labelled("cost", [cost.unwrap_or("nothing has a price".into())]);
    page.labelled("load line", r.line.as_ref().map(under));
    if r.demand.is_empty() {
        page.labelled("demand", [format!("not known yet: {progress}")]);
    }
    used(&mut page, r);
    decided(&mut page, r);
    page.done()
}

fn used(page: &mut Page, r: &Route) {
    let row = |u: &Used| {
        let (d, unit) = (&u.row, &u.unit);
        vec![
            d.resource.clone(),
            amount(d.mean, unit),
            format!("{} to {}", amount(d.low, unit), amount(d.high, unit)),
            d.grade.label().to_owned(),
        ]
    };
    page.table(
        "what one request uses, itself only",
        &["resource", "per request", "90 % interval", "evidence"],
        &[1],
        r.demand.iter().map(row).collect(),
    );
}

fn decided(page: &mut Page, r: &Route) {
    if r.decisions.is_empty() {
        page.line("");
        page.line("No gate did anything out of the ordinary since the start.");
    }
    let row = |d: &Decision| {
        let of = if d.of == r.lately.route {
            String::new()
        } else {
            format!(" of {}", d.of)
        };
        vec![
            format!("{}{of}", d.gate),
            d.what.replace('_', " "),
            d.count.to_string(),
            d.why.clone(),
        ]
    };
    page.table(
        "what gates did out of the ordinary since the start",
        &["gate", "decision", "times", "why"],
        &[2],
        r.decisions.iter().map(row).collect(),
    );
}

fn under(l: &RouteLine) -> String {
    let inner = if l.entry {
        ""
    } else {
        " (caused by other routes)"
    };
    let first = if l.breaks_first {
        "; its objective is the first to break"
    } else {
        ""
    };
    format!(
        "{} (safe {}), {} of now{inner}; p99 there {}{first}",
        rate(l.line),
        rate(l.safe),
        times(l.line / l.current.max(1e-9)),
        seconds(l.p99_at_line)
    )
}

fn objective(l: &RouteLately) -> String {
    l.objective.map_or("none yet".into(), |o| {
        let word = if o.assumed { " (assumed)" } else { "" };
        let target = (o.target * 1e6).round() / 1e4;
        format!("{target} % within {}{word}", Secs(o.latency_s))
    })
}

fn good(l: &RouteLately) -> String {
    l.good.map_or("—".into(), |g| format!("{:.2} %", 100.0 * g))
}

fn gates(r: &Route) -> String {
    let one = |d: &Decision| format!("{} {} {}", d.gate, d.what.replace('_', " "), d.count);
    let all: Vec<String> = r.decisions.iter().map(one).collect();
    if all.is_empty() {
        "—".into()
    } else {
        all.join(", ")
    }
}
