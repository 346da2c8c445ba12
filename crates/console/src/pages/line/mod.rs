//! The load line: what holds the system down, how far away that is, and what changed lately.

mod bars;
mod changed;
mod headline;
mod map;

use super::parts::{self, LATENCY, Mark, TRAFFIC, exact, figure};
use super::shell::{Shown, show};
use super::{Ask, Page};
use crate::live::Frame;
use crate::{App, State};
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use base::number::{rate, rate_in, seconds, times};
use base::units::Secs;
use control::lately::Step;
use maud::{Markup, html};
use model::loadline::LoadLine;
use serde::Deserialize;

pub static PAGE: Page = Page {
    path: "/",
    title: "Load line",
    routes: || Router::new().route("/", get(page)),
    live,
};

/// Seconds of traffic that "now" is the mean of.
const NOW: usize = 10;

#[derive(Deserialize)]
struct Asked {
    last: Option<u64>,
}

async fn page(app: App, Query(q): Query<Asked>) -> Response {
    let last = parts::stretch(q.last);
    show(app, &PAGE, move |s| Ok(render(s, last))).await
}

fn render(s: &State, last: u64) -> Shown {
    let c = &s.control;
    let said = c.diagnose();
    let answer = parts::answer(&said);
    let line = answer.as_ref().and_then(|a| a.line.as_ref());
    let steps = parts::traffic(s, None, last);
    let now = Now::of(&c.traffic(NOW as u64));
    let body = html! {
        header.hero {
            (headline::mark(line.map(|l| now.level(l))))
            (headline::headline(&said, answer.as_ref()))
            (figures(&now, line))
        }
        div.grid {
            section.panel.wide {
                div.panel-head { h2 { "Traffic against the load line" } (parts::stretches("/", last)) }
                @if steps.is_empty() { (parts::no_steps(s, &said.stage, last)) }
                @else { (parts::chart("Traffic against the load line", TRAFFIC, &steps, line.map(mark).as_ref())) }
                p.note { "Requests from outside. A second is shown ten seconds after its end, when slow answers are in it too." }
            }
            section.panel.tall data-part="bars" {
                div.panel-head { h2 { "Headroom by resource" } }
                @match &answer {
                    Some(a) => (bars::bars(a)),
                    None => (parts::not_yet(&said.stage)),
                }
            }
            section.panel.wide {
                div.panel-head { h2 { "How long answers take" } }
                @if steps.is_empty() { (parts::no_steps(s, &said.stage, last)) }
                @else { (parts::chart("How long answers take", LATENCY, &steps, None)) }
                (parts::latencies_kept(s, last))
            }
            section.panel.wide data-part="map" {
                div.panel-head { h2 { "Services" } }
                (map::map(s, answer.as_ref()))
            }
            section.panel data-part="changed" {
                div.panel-head { h2 { "What changed lately" } a href="/history" { "History" } }
                (changed::changed(c))
            }
            @if let Some(a) = &answer {
                section.panel.full data-part="rests" {
                    div.panel-head { h2 { "What this rests on" } }
                    (headline::rests(a))
                }
            }
        }
    };
    let ask = Ask {
        page: PAGE.path.into(),
        of: String::new(),
        last,
    };
    Shown {
        title: "Load line".into(),
        version: version(s, &ask),
        body,
        ask,
    }
}

fn mark(l: &LoadLine) -> Mark {
    Mark {
        at: l.line,
        low: l.safe,
        high: l.high,
        name: format!("load line {}", rate(l.line)),
    }
}

/// The last seconds in one.
struct Now {
    rate: Option<f64>,
    good: Option<f64>,
    p99_s: Option<f64>,
}

impl Now {
    fn of(steps: &[Step]) -> Now {
        let all: f64 = steps.iter().map(|s| s.rate).sum();
        let good: f64 = steps.iter().filter_map(|s| Some(s.good? * s.rate)).sum();
        Now {
            rate: (!steps.is_empty()).then(|| all / steps.len() as f64),
            good: (all > 0.0).then(|| good / all),
            p99_s: steps.iter().filter_map(|s| s.p99_s).reduce(f64::max),
        }
    }

    /// Traffic over the load line.
    fn level(&self, line: &LoadLine) -> f64 {
        self.rate.unwrap_or(0.0) / line.line.max(1e-9)
    }

    fn said(&self, line: Option<&LoadLine>) -> [(&'static str, String); 4] {
        let headroom = line.map(|l| times(l.line / self.rate.unwrap_or(0.0).max(1e-9)));
        let none = || "—".to_owned();
        [
            ("rate", self.rate.map_or_else(none, rate)),
            ("headroom", headroom.unwrap_or_else(none)),
            (
                "good",
                self.good
                    .map_or_else(none, |g| format!("{:.2} %", 100.0 * g)),
            ),
            ("p99", seconds(self.p99_s)),
        ]
    }
}

fn figures(now: &Now, line: Option<&LoadLine>) -> Markup {
    let [(_, traffic), (_, headroom), (_, good), (_, p99)] = now.said(line);
    let at = line.map_or("—".to_owned(), |l| rate(l.line));
    let safe = line.map_or(String::new(), |l| format!("safe {}", rate(l.safe)));
    html! {
        dl.figures {
            (figure("Traffic", &traffic, "", "rate"))
            div.figure data-part="line" { dt { "Load line" } dd { b { (at) } @if !safe.is_empty() { span { (safe) } } } }
            (figure("Headroom", &headroom, "", "headroom"))
            (figure("Good", &good, "in time, no error", "good"))
            (figure("p99", &p99, "slowest of 10 s", "p99"))
        }
    }
}

/// Long stretches are drawn anew each time that one of their steps is over.
fn version(s: &State, ask: &Ask) -> String {
    let width = ask.last.div_ceil(control::lately::STEPS as u64).max(1);
    let newest = s.control.traffic(1).last().map_or(0, |s| s.at_s);
    let drawn = if width > 1 { newest / width } else { 0 };
    let past = parts::past_version(s, ask.last);
    format!(
        "{}-{drawn}{past}-{}",
        parts::version(&s.control),
        map::version(s)
    )
}

fn live(s: &State, ask: &Ask) -> Frame {
    let said = s.control.diagnose();
    let answer = parts::answer(&said);
    let line = answer.as_ref().and_then(|a| a.line.as_ref());
    let steps = s.control.traffic(15);
    let now = Now::of(&steps[steps.len().saturating_sub(NOW)..]);
    let text = now.said(line).map(|(k, v)| (k.to_owned(), v));
    Frame {
        version: version(s, ask),
        text: text.into(),
        steps: if ask.last <= control::lately::STEPS as u64 {
            steps
        } else {
            Vec::new()
        },
        level: line.map(|l| now.level(l)),
    }
}

/// `148/s (139 to 155)`, and what it is of today's traffic.
fn line_text(l: &LoadLine) -> String {
    format!("{}, safe {}", rate_in(l.line, l.safe, l.high), rate(l.safe))
}

fn share_text(target: f64, latency_s: f64, assumed: bool) -> String {
    let word = if assumed { " (assumed)" } else { "" };
    format!("{} within {}{word}", exact(target), Secs(latency_s))
}
