//! One alert, for people who have been woken by it.

use crate::pages::parts;
use maud::{Markup, html};
use slo::notify::covered;
use slo::notify::text::time;
use slo::{Alert, Severity};

pub fn firing(a: &Alert, all: &[Alert]) -> Markup {
    let (tone, word) = match a.severity {
        Severity::Page => ("tone-over", "page"),
        Severity::Ticket => ("tone-near", "ticket"),
    };
    html! {
        section.wrong aria-label="An alert that fires" {
            p { span class={ "chip " (tone) } { (word) } " " strong { (a.summary) } }
            p.note { "since " (time(a.started_ms)) }
            ul.plain {
                @for line in a.lines() { li { (linked(&line)) } }
                @if let Some(name) = a.runbook_name() {
                    li { a href={ "/catalog/runbooks/" (parts::encode(name)) } { "The runbook " (name) } }
                }
            }
            (told(a, all))
        }
    }
}

pub fn past(a: &Alert) -> Markup {
    html! {
        li {
            p { (a.severity.word()) ": " (a.summary) }
            p.note { (time(a.started_ms)) @if let Some(end) = a.ended_ms { " to " (time(end)) } }
        }
    }
}

/// The line, with its address as a link.
fn linked(line: &str) -> Markup {
    let at = ["https://", "http://"]
        .iter()
        .find_map(|web| line.find(web));
    let (text, rest) = line.split_at(at.unwrap_or(line.len()));
    let end = rest.find(|c: char| c.is_whitespace() || "'\"`<>".contains(c));
    let (address, rest) = rest.split_at(end.unwrap_or(rest.len()));
    html! { (text) @if !address.is_empty() { a href=(address) rel="noreferrer" { (address) } } (rest) }
}

/// Who has heard of it, and why others have not.
fn told(a: &Alert, all: &[Alert]) -> Markup {
    html! {
        @if a.told.is_empty() {
            p.note { @if covered(a, all, parts::now_ms()) { "Told with an earlier alert of " (a.service) "." } @else { "Nobody has been told: " code { "alerts" } " in the config says who is." } }
        }
        @for (name, told) in &a.told {
            p.note {
                @match &told.error {
                    Some(why) => { strong { "Not told: " (name) } ": " (why) " (" (told.tries) " tries)" },
                    None => { "Told: " (name) ", " (time(told.at_ms)) },
                }
            }
        }
    }
}
