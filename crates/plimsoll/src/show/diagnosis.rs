//! The answer to `diagnose` as a page: the verdict first, then the line, then what both rest on.

use super::Answer;
use super::number::{amount, capacity, percent, rate, rate_in, seconds, times};
use super::page::Page;
use base::traced::{Part, Traced};
use base::units::Secs;
use base::{Class, Finding};
use model::constraint::Constraint;
use model::cost::{Costs, per_1000};
use model::diagnose::{Diagnosis, Verdict};
use model::loadline::LoadLine;

pub fn render(answer: &Answer, findings: &[Finding], width: u16) -> String {
    let d = &answer.diagnosis;
    let mut page = Page::new(width);
    page.line(&d.summary);
    if let Verdict::NotEnoughEvidence { .. } = d.verdict {
        page.labelled(
            "seen",
            (d.span_s > 0.0).then(|| format!("{} of traffic", Secs(d.span_s))),
        );
    } else {
        page.line("");
        named(&mut page, d);
        if let Some(line) = &answer.line {
            page.labelled("cost", answer.costs.iter().filter_map(|c| cost(c, line)));
            load_line(&mut page, d, line);
        }
    }
    resources(&mut page, d);
    demand(&mut page, d);
    traced(&mut page, d);
    if !d.notes.is_empty() || !findings.is_empty() {
        page.line("");
    }
    page.labelled("notes", &d.notes);
    for f in findings {
        page.line(&f.to_string());
    }
    page.done()
}

fn named(page: &mut Page, d: &Diagnosis) {
    for (label, c) in [("constraint", &d.constraint), ("or", &d.rival)] {
        let Some(c) = c else { continue };
        let label = match (label, &d.verdict) {
            ("constraint", Verdict::Constraint | Verdict::TwoCandidates) => label,
            ("constraint", _) => "first full",
            _ => label,
        };
        constraint(page, label, c);
    }
    page.labelled("confidence", [percent(d.confidence)]);
    page.labelled("to decide", &d.test);
    let unseen = d.unseen.iter().map(|u| {
        let share = percent(u.share);
        format!(
            "{share} of the time in flight, most of it in {} of {}",
            u.route,
            service(&u.service)
        )
    });
    page.labelled("unseen", unseen);
    page.labelled("held up", d.held_up.iter().map(|h| &h.text));
    let next = d.next.iter().map(|n| {
        let further = times(n.ratio);
        format!(
            "{} [{}], full at {}: {further} further",
            n.resource,
            n.class.label(),
            rate(n.saturation)
        )
    });
    page.labelled("next", next);
}

/// The bill spread over the requests: as it is, and as it would be at the line.
fn cost(costs: &Costs, line: &LoadLine) -> Option<String> {
    let bill = costs.bill_micro_per_hour as f64 / 1e6;
    let now = per_1000(bill, line.current)?;
    let at_line = per_1000(bill, line.line).filter(|_| line.line < 1e9);
    let at_line = at_line.map_or(String::new(), |c| format!(", ${c:.6} at the load line"));
    Some(format!(
        "${bill:.4}/h: ${now:.6} per 1000 requests today{at_line}"
    ))
}

fn service(name: &str) -> &str {
    if name.is_empty() {
        "an unnamed service"
    } else {
        name
    }
}

fn constraint(page: &mut Page, label: &str, c: &Constraint) {
    let mut class = c.class.label().to_owned();
    if c.technical != c.class {
        class = format!("{class}, seen as {}", c.technical.label());
    }
    if c.class == Class::Unknown {
        class = "class unknown: resources.yaml can tell it".to_owned();
    }
    page.labelled(label, [format!("{} [{class}]", c.resource)]);
    page.labelled("cause", c.cause.iter().map(ToString::to_string));
    let cause = c.cause.as_ref().map(ToString::to_string);
    page.labelled(
        "evidence",
        c.evidence.iter().filter(|e| Some(*e) != cause.as_ref()),
    );
    page.labelled(
        "look closer",
        whose(&c.resource).map(|s| format!("`plimsoll profile {s}` tells which functions it is")),
    );
}

/// The service of a processor; nobody's for that of the machine and Plimsoll's own.
fn whose(resource: &str) -> Option<&str> {
    let service = resource.strip_prefix("cpu.")?;
    (!matches!(service, "host" | "plimsoll")).then_some(service)
}

fn load_line(page: &mut Page, d: &Diagnosis, line: &LoadLine) {
    let word = if line.provisional {
        " (provisional: from the bound alone, too high)"
    } else {
        ""
    };
    let total = [
        format!("{}{word}", rate_in(line.line, line.safe, line.high)),
        format!(
            "safe {}: the 10 % quantile of what is not known exactly",
            rate(line.safe)
        ),
    ];
    page.labelled("load line", total);
    let headroom = format!(
        "{} over today's {} (safe {})",
        times(line.headroom),
        rate(line.current),
        times(line.safe / line.current.max(1e-9))
    );
    page.labelled("headroom", [headroom]);
    if d.next.is_none() {
        let next = line
            .next
            .iter()
            .map(|n| format!("{} at {}", n.resource, rate(n.saturation)));
        page.labelled("next", next);
    }
    page.labelled("doubts", &line.reasons);
    let rows = line.routes.iter().map(|r| {
        vec![
            format!("{}{}", r.route, if r.entry { "" } else { " (inner)" }),
            rate(r.current),
            rate(r.line),
            rate(r.safe),
            times(r.line / r.current.max(1e-9)),
            seconds(r.p99_now),
            seconds(r.p99_at_line),
            format!(
                "{} % within {}{}{}",
                (r.target * 1e6).round() / 1e4,
                Secs(r.latency_s),
                if r.assumed { " (assumed)" } else { "" },
                if r.breaks_first { ", breaks first" } else { "" }
            ),
        ]
    });
    page.table(
        "routes at the load line",
        &[
            "route",
            "now",
            "line",
            "safe",
            "headroom",
            "p99 now",
            "p99 at line",
            "objective",
        ],
        &[1, 2, 3, 4, 5, 6],
        rows.collect(),
    );
}

fn resources(page: &mut Page, d: &Diagnosis) {
    let rows = d.resources.iter().map(|r| {
        vec![
            r.resource.clone(),
            r.class.label().to_owned(),
            r.capacity
                .map_or("unknown".to_owned(), |c| capacity(c, &r.unit)),
            percent(r.utilisation),
            percent(r.utilisation_max),
            percent(r.background),
            r.waiting.map_or("—".to_owned(), |w| format!("{w:.2}")),
            r.saturation.map_or("—".to_owned(), rate),
            percent(r.confidence),
            r.grade.label().to_owned(),
        ]
    });
    page.table(
        "resources",
        &[
            "resource",
            "class",
            "offers",
            "busy",
            "peak",
            "background",
            "waiters",
            "full at",
            "first",
            "evidence",
        ],
        &[3, 4, 5, 6, 7, 8],
        rows.collect(),
    );
}

/// How routes work, as their spans show it.
fn traced(page: &mut Page, d: &Diagnosis) {
    let rows = d.traced.iter().map(|t| {
        let part = |p: &Part| format!("{} {}", p.whose, percent(p.share));
        let path: Vec<String> = t.critical.iter().take(3).map(part).collect();
        vec![
            t.route.clone(),
            percent(t.share),
            seconds(Some(t.seconds)),
            path.join(", "),
            calls(t),
        ]
    });
    page.table(
        "routes by their spans",
        &["route", "traced", "time", "of that in the end", "calls"],
        &[1, 2],
        rows.collect(),
    );
}

/// The most telling thing about a route's calls.
fn calls(t: &Traced) -> String {
    if let Some(r) = t.repeats.iter().find(|r| r.is_n_plus_one()) {
        return format!("N+1, {:.0} times one after another: {}", r.calls, r.what);
    }
    if let Some(c) = &t.chain {
        return format!(
            "{:.1} services one after another, {}; all at once {}",
            c.calls,
            seconds(Some(c.seconds)),
            seconds(Some(c.longest))
        );
    }
    let most = t.repeats.first();
    most.map_or("—".into(), |r| format!("{:.1} times {}", r.calls, r.what))
}

fn demand(page: &mut Page, d: &Diagnosis) {
    let rows = d.demand.iter().map(|e| {
        let unit = d
            .resources
            .iter()
            .find(|r| r.resource == e.resource)
            .map_or("", |r| &r.unit);
        vec![
            e.route.clone(),
            e.resource.clone(),
            amount(e.mean, unit),
            format!("{} to {}", amount(e.low, unit), amount(e.high, unit)),
            e.grade.label().to_owned(),
        ]
    });
    page.table(
        "demand: what one request uses, itself only",
        &[
            "route",
            "resource",
            "per request",
            "90 % interval",
            "evidence",
        ],
        &[2],
        rows.collect(),
    );
}
