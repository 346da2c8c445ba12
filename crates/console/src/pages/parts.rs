//! Pieces that several pages are built from.

use crate::State;
use crate::access::Who;
use base::units::Secs;
use control::Control;
use control::api::{Diagnosis, DiffLine};
use control::lately::{KEEP_S, STEPS, Step};
use control::loops::Stage;
use maud::{Markup, html};
use model::Answer;
use serde::Deserialize;

/// Stretches of time that charts offer, seconds and their names.
pub const STRETCHES: &[(u64, &str)] = &[
    (300, "5 min"),
    (900, "15 min"),
    (3600, "1 h"),
    (10_800, "3 h"),
    (86_400, "1 d"),
    (604_800, "7 d"),
    (3_024_000, "35 d"),
];

/// One of them, whatever was asked.
pub fn stretch(asked: Option<u64>) -> u64 {
    let known = |s: &&(u64, &str)| Some(s.0) == asked;
    STRETCHES.iter().find(known).unwrap_or(&STRETCHES[0]).0
}

/// Links to the other stretches; `here` is the page's address, to which `last` is added.
pub fn stretches(here: &str, last: u64) -> Markup {
    let one = |&(s, name): &(u64, &'static str)| (format!("{here}?last={s}"), name, s == last);
    choice(STRETCHES.iter().map(one))
}

/// Links, each with its name and whether it is where the page is.
pub fn choice<'a>(all: impl IntoIterator<Item = (String, &'a str, bool)>) -> Markup {
    html! {
        span.choice { @for (to, name, here) in all {
            a href=(to) aria-current=[here.then_some("true")] { (name) }
        } }
    }
}

/// What terminals are told too: what stands between backticks is code.
pub fn told(text: &str) -> Markup {
    html! {
        @for (i, piece) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// The model's answer, once there is one.
pub fn answer(d: &Diagnosis) -> Option<Answer> {
    Answer::deserialize(d.diagnosis.as_deref()?).ok()
}

/// Who does it, where nobody had to say so before.
pub fn your_name(who: &Who) -> Markup {
    html! {
        @if who.name.is_none() {
            label { "Your name " input name="who" autocomplete="username" maxlength="80" size="12"; }
        }
    }
}

/// In the place of a form, for whoever may only look.
pub fn only_looks(who: &Who) -> Markup {
    let name = who.name.as_deref().unwrap_or("nobody");
    html! { p.note { "Signed in as " (name) ", who may only look: this takes the role operate." } }
}

/// A key figure; `live`: the name of its place in the stream.
pub fn figure(label: &str, value: &str, note: &str, live: &str) -> Markup {
    html! {
        div.figure {
            dt { (label) }
            dd { b data-live=(live) { (value) } @if !note.is_empty() { span { (note) } } }
        }
    }
}

/// What is missing, and how long to wait.
pub fn empty(what: &str, more: &str) -> Markup {
    html! { div.empty { p { strong { (what) } } @if !more.is_empty() { p { (told(more)) } } } }
}

/// Why there is no answer of the model yet, with a bar while it learns.
pub fn not_yet(stage: &Stage) -> Markup {
    let more = match stage {
        Stage::Waiting => {
            "Nothing has come through yet. Send requests to Plimsoll's address; plimsoll load makes some."
        }
        Stage::Learning(_) => "The first answer comes when there is enough to be sure of.",
        Stage::Provisional | Stage::Ready => "",
    };
    html! {
        (empty(&upper(&stage.text()), more))
        @if let Stage::Learning(l) = stage {
            @let share = (100.0 * l.have_s / l.need_s.max(1.0)).clamp(0.0, 100.0);
            (meter(share, "Learned so far", &stage.text(), "ok"))
        }
    }
}

/// A bar that fills up: `percent` of 100.
pub fn meter(percent: f64, label: &str, says: &str, tone: &str) -> Markup {
    let width = format!("{:.1}", percent.clamp(0.0, 100.0));
    html! {
        div class={ "meter tone-" (tone) } role="meter" aria-label=(label)
            aria-valuemin="0" aria-valuemax="100" aria-valuenow=(width) aria-valuetext=(says) {
            svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" { rect width=(width) height="6" {} }
        }
    }
}

/// A line of a chart: its name, how its numbers are said, and what it is at a step.
pub struct Series {
    pub name: &'static str,
    /// `rate`, `seconds` or `share`.
    pub unit: &'static str,
    pub of: fn(&Step) -> Option<f64>,
}

pub const TRAFFIC: &[Series] = &[Series {
    name: "traffic",
    unit: "rate",
    of: |s| Some(s.rate),
}];

pub const LATENCY: &[Series] = &[
    Series {
        name: "p50",
        unit: "seconds",
        of: |s| s.p50_s,
    },
    Series {
        name: "p99",
        unit: "seconds",
        of: |s| s.p99_s,
    },
];

/// The traffic from outside, or of one route: of the last hour by seconds, before that as it is remembered.
pub fn traffic(s: &State, route: Option<&str>, last_s: u64) -> Vec<Step> {
    match route {
        _ if last_s > KEEP_S && !s.past.known() => return Vec::new(),
        _ if last_s > KEEP_S => s.past.read().chart(route, last_s * 1000, STEPS as u64),
        Some(route) => return s.control.route_traffic(route, last_s),
        None => return s.control.traffic(last_s),
    }
    .iter()
    .map(|p| remembered(p, route.is_none()))
    .collect()
}

fn remembered(p: &past::Step, outside: bool) -> Step {
    let inner = if outside { p.caused } else { 0 };
    let good = p.requests.saturating_sub(p.failed) as f64 / p.requests.max(1) as f64;
    Step {
        at_s: p.end_ms / 1000,
        rate: p.requests.saturating_sub(inner) as f64 / p.seconds.max(1.0),
        good: (p.requests > 0).then_some(good),
        p50_s: p.p50_s,
        p99_s: p.p99_s,
    }
}

/// That what is stored is still being read, just after a start; nothing later.
pub fn being_read(s: &State) -> Markup {
    html! {
        @if !s.past.known() { p.note { "The history is still being read: what lies further back than an hour is shown in a moment." } }
    }
}

/// Why there is nothing to draw of a stretch.
pub fn no_steps(s: &State, stage: &Stage, last_s: u64) -> Markup {
    match last_s > KEEP_S && !s.past.known() {
        true => being_read(s),
        false => not_yet(stage),
    }
}

/// Another word once what is stored has been read, so that pages about it are drawn anew.
pub fn past_version(s: &State, last_s: u64) -> &'static str {
    match last_s > KEEP_S && !s.past.known() {
        true => "reading",
        false => "",
    }
}

/// That latencies are not there for all of a long stretch.
pub fn latencies_kept(s: &State, last_s: u64) -> Markup {
    if last_s <= KEEP_S || !s.past.known() {
        return html! {};
    }
    let kept_s = s.past.read().bounds().buckets_ms / 1000;
    html! {
        @if last_s > kept_s {
            p.note { "How long answers took is kept for " (Secs(kept_s as f64)) ": " code { "history.histograms" } " says how long." }
        }
    }
}

/// A horizontal line across a chart.
pub struct Mark {
    pub at: f64,
    pub low: f64,
    pub high: f64,
    pub name: String,
}

/// A chart, drawn by the browser from the table that it holds; the table is there without scripts, too.
pub fn chart(name: &str, series: &[Series], steps: &[Step], mark: Option<&Mark>) -> Markup {
    let number = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:.6}"));
    let days = matches!(steps, [first, .., last] if last.at_s > first.at_s + DAY_S);
    let time = |at_s| if days { day(at_s) } else { clock(at_s) };
    html! {
        plim-chart aria-label=(name) data-keys=(series.iter().map(|s| s.name).collect::<Vec<_>>().join(","))
            data-units=(series.iter().map(|s| s.unit).collect::<Vec<_>>().join(","))
            data-mark=[mark.map(|m| m.at)] data-mark-low=[mark.map(|m| m.low)] data-mark-high=[mark.map(|m| m.high)]
            data-mark-name=[mark.map(|m| &m.name)] {
            details {
                summary { "Table" }
                div.scroll tabindex="0" role="region" aria-label={ (name) ", as a table" } {
                    table {
                        thead { tr { th scope="col" { "Time" } @for s in series { th scope="col" { (s.name) } } } }
                        tbody {
                            @for step in steps {
                                tr { td data-at=(step.at_s) { (time(step.at_s)) }
                                    @for s in series { td { (number((s.of)(step))) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The headings of a table; those of numbers are at the right.
pub fn headings(all: &[(&str, bool)]) -> Markup {
    html! { thead { tr { @for (name, number) in all { th scope="col" class=[number.then_some("n")] { (name) } } } } }
}

/// `99.9 %`: as many digits as were given.
pub fn exact(share: f64) -> String {
    format!("{} %", (share * 1e6).round() / 1e4)
}

/// Paths with what the file has and what is in service.
pub fn diff<'a>(lines: impl Iterator<Item = &'a DiffLine>) -> Markup {
    let value =
        |v: &Option<serde_json::Value>| v.as_ref().map_or("—".to_owned(), ToString::to_string);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Differences" {
            table.diff {
                (headings(&[("Path", false), ("In the file", false), ("In service", false)]))
                tbody { @for d in lines { tr { td { code { (d.path) } } td { del { (value(&d.file)) } } td { ins { (value(&d.value)) } } } } }
            }
        }
    }
}

pub use base::escape::encoded as encode;

/// `10:18:32`, UTC.
pub fn clock(at_s: u64) -> String {
    let s = at_s % 86_400;
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

const DAY_S: u64 = 86_400;

/// `11-28 10:18`, UTC.
fn day(at_s: u64) -> String {
    let at = jiff::Timestamp::from_second(at_s as i64);
    at.map_or(String::new(), |at| at.strftime("%m-%d %H:%M").to_string())
}

/// `12 s ago`.
pub fn ago(at_ms: u64, now_ms: u64) -> String {
    match now_ms.saturating_sub(at_ms) / 1000 {
        s @ 0..120 => format!("{s} s ago"),
        s @ 120..600 => format!("{} min ago", s / 60),
        s => format!("{} ago", Secs(s as f64)),
    }
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as u64)
}

/// The first letter large, unless it begins with a name, such as `cpu.host`.
pub fn upper(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or("");
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if !word.trim_end_matches(['.', ':']).contains(['.', '_', '/']) => {
            first.to_uppercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// How near traffic is to a line, as a colour is chosen by it.
pub fn tone(share: f64) -> &'static str {
    match share {
        x if x >= 1.0 => "over",
        x if x >= 0.7 => "near",
        _ => "ok",
    }
}

/// Changes whenever what the pages show changes, values aside.
pub fn version(c: &Control) -> String {
    let (view, status) = (c.view(), c.status());
    let trial = status
        .trial
        .map(|t| format!("{}:{:?}:{}", t.id, t.trial.phase, t.trial.reading.evidence));
    let stage = match &view.stage {
        Stage::Learning(l) => format!("{:.0}", l.have_s),
        other => other.text(),
    };
    format!(
        "{}-{stage}-{}-{}",
        view.answers,
        status.generation,
        trial.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_is_markup() {
        let said = |text| told(text).into_string();
        assert_eq!(
            said("try `a <b>` & go"),
            "try <code>a &lt;b&gt;</code> &amp; go"
        );
        assert_eq!(said("no end of `it"), "no end of <code>it</code>");
    }
}
