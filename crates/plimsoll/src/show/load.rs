//! What a load run came to, and where the limit was found.

use super::number::{percent, rate, seconds};
use super::page::Page;
use prove::limit::Stopped;
use prove::{Limit, Report, Summary, Verdict};
use std::collections::BTreeMap;

pub fn report(r: &Report, verdict: &Verdict, width: u16) -> String {
    let mut page = Page::new(width);
    let early = if r.stopped { ", stopped early" } else { "" };
    page.labelled(
        "load",
        [format!(
            "{} to {}, {:.0} s measured{early}",
            r.arrivals, r.target, r.measured_s
        )],
    );
    let sent = format!(
        "{} offered ({}), {} answered ({})",
        r.offered,
        rate(r.rate_offered),
        r.completed,
        rate(r.rate_achieved)
    );
    page.labelled("requests", [sent]);
    let answers = r
        .statuses
        .iter()
        .map(|(s, n)| format!("{n} × {s}"))
        .chain(counts(&r.errors));
    let answers: Vec<String> = answers.collect();
    page.labelled("answers", (!answers.is_empty()).then(|| answers.join(", ")));
    page.labelled("errors", [share(r.error_share)]);
    let most = r.errors.iter().max_by_key(|e| e.1);
    page.labelled(
        "no answer",
        most.filter(|_| r.completed == 0)
            .map(|(failure, _)| unanswered(failure)),
    );
    times(&mut page, r);
    page.line("");
    let g = &r.generator;
    let threads = if g.threads == 1 { "thread" } else { "threads" };
    // A closed loop has no intended times to be late for.
    let late = match g.lag_p99_s {
        0.0 => String::new(),
        lag => format!(", sent late by {} at p99", seconds(Some(lag))),
    };
    let own = format!(
        "{} {threads}, busiest {} of a CPU{late}",
        g.threads,
        percent(g.cpu)
    );
    page.labelled("generator", [own]);
    page.labelled(
        "not shown",
        r.trust
            .as_ref()
            .err()
            .filter(|_| r.latency.count > 0)
            .map(|why| format!("p99 and beyond: {why}")),
    );
    checks(&mut page, verdict);
    // Otherwise "not shown" has said it.
    page.labelled(
        "undecided",
        verdict.undecided.as_ref().filter(|_| r.trust.is_ok()),
    );
    page.done()
}

fn times(page: &mut Page, r: &Report) {
    if r.latency.count == 0 {
        return;
    }
    let mut rows = vec![
        row("latency, from the intended time", &r.latency),
        row("service time, from the actual send", &r.service_time),
    ];
    if r.kinds.len() > 1 {
        rows.extend(
            r.kinds
                .iter()
                .map(|k| row(&format!("latency of {}", k.request), &k.latency)),
        );
    }
    page.table(
        "times",
        &["", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"],
        &[1, 2, 3, 4, 5, 6, 7],
        rows,
    );
}

/// Nothing was answered: what the failure that happened most says of the target.
fn unanswered(failure: &str) -> &'static str {
    match failure {
        "connect" => {
            "nobody accepts connections there: is the service running, and is this its address?"
        }
        "timeout" => "connections were accepted, but no response came within --timeout",
        "closed" => "connections were closed before a response: is this an HTTP service?",
        "malformed" => "what came back is not HTTP/1.1: does the port speak TLS or something else?",
        _ => "the run ended before a response came",
    }
}

fn counts(m: &BTreeMap<String, u64>) -> impl Iterator<Item = String> {
    m.iter().map(|(what, n)| format!("{n} × {what}"))
}

fn row(name: &str, s: &Summary) -> Vec<String> {
    let all = [s.mean, s.p50, s.p90, s.p95, s.p99, s.p999, s.max];
    [name.to_owned()]
        .into_iter()
        .chain(all.map(seconds))
        .collect()
}

/// Small shares of errors matter: two digits more than other shares.
fn share(x: f64) -> String {
    format!("{:.2} %", 100.0 * x)
}

fn checks(page: &mut Page, v: &Verdict) {
    for c in &v.checks {
        let measured = match c.measured {
            None => "not known".to_owned(),
            Some(x) if c.what.starts_with('p') => seconds(Some(x)),
            Some(x) if c.what.starts_with("errors") => share(x),
            Some(x) => rate(x),
        };
        page.labelled(
            if c.holds { "holds" } else { "MISSED" },
            [format!("{}: {measured}", c.what)],
        );
    }
}

/// The limit; `wanted`: a rate it must reach.
pub fn limit(l: &Limit, wanted: Option<f64>, width: u16) -> String {
    let mut page = Page::new(width);
    let at = match (l.line_rps, l.low, l.high) {
        (Some(x), Some(low), Some(high)) => {
            format!("{}, between {} and {}", rate(x), rate(low), rate(high))
        }
        (Some(x), ..) => format!("at least {}", rate(x)),
        _ => "not found".to_owned(),
    };
    page.labelled("limit", [format!("{at} ({})", l.method)]);
    let why = match &l.stopped {
        Stopped::Found => None,
        Stopped::MaxReached => {
            Some("the highest rate allowed is still good; raise --max-rate".to_owned())
        }
        Stopped::NeverGood => Some("not even the lowest rate is good".to_owned()),
        Stopped::OutOfTime => Some("the time was used up; raise --at-most".to_owned()),
        Stopped::Unanswered(failure) => Some(unanswered(failure).to_owned()),
        Stopped::Generator(why) => Some(format!("the generator was the bottleneck: {why}")),
        Stopped::Asked => Some("it was stopped".to_owned()),
    };
    page.labelled("ended", why);
    let rows = l.steps.iter().map(|s| {
        let word = if s.good { "good" } else { "broke" };
        vec![
            rate(s.rate),
            word.to_owned(),
            s.margin
                .map_or("—".into(), |m| format!("{:+.2} %", 100.0 * m)),
        ]
    });
    page.table(
        "rates tried",
        &["rate", "", "good requests over the target"],
        &[0, 2],
        rows.collect(),
    );
    if let Some(w) = wanted {
        let holds = l.line_rps.is_some_and(|x| x >= w);
        page.labelled(
            if holds { "holds" } else { "MISSED" },
            [format!("limit >= {}", rate(w))],
        );
    }
    page.done()
}
