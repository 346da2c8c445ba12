//! What is wrong, and the lists of teams and runbooks.

use super::minute;
use crate::books::Books;
use crate::pages::parts;
use base::{Finding, Severity};
use catalog::runbook::run::last;
use maud::{Markup, html};

/// Findings that are shown at once.
const MOST: usize = 100;

pub fn found(all: &[Finding]) -> Markup {
    html! {
        ul.plain {
            @for f in all.iter().take(MOST) { li {
                @match f.severity {
                    Severity::Error => span.chip.tone-over { "error" },
                    Severity::Warning => span.chip.tone-near { "warning" },
                    Severity::Note => span.chip { "note" },
                }
                " " (parts::told(&f.what))
                p.note {
                    @if let Some(spot) = &f.spot { code { (spot) } " " }
                    (parts::told(&f.help))
                }
            } }
        }
        @if all.len() > MOST { p.note { (all.len() - MOST) " more: " code { "plimsoll catalog check" } } }
    }
}

pub fn runbooks(books: &Books) -> Markup {
    let c = &books.loaded.catalog;
    let headings = [("Runbook", false), ("Steps", true), ("Last run", false)];
    html! {
        @if c.runbooks.is_empty() { (parts::empty("No runbook yet", "One is a Markdown file in the folder runbooks.")) }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Runbooks" { table {
                (parts::headings(&headings))
                tbody { @for r in c.runbooks.values() { tr {
                    th scope="row" { a href={ "/catalog/runbooks/" (parts::encode(&r.name)) } { (r.title) } }
                    td.n { (r.blocks.len()) }
                    td { @match last(&c.runs, &r.name) {
                        None => "never",
                        Some(run) => { (minute(run.at)) " by " (run.who) @if !run.ok { " " span.chip.tone-over { "failed" } } },
                    } }
                } } }
            } }
        }
    }
}

pub fn teams(books: &Books) -> Markup {
    let teams = &books.loaded.catalog.teams;
    html! {
        @if teams.is_empty() { (parts::empty("No team yet", "One is a file in the folder teams.")) }
        ul.plain { @for t in teams.values() { li {
            strong { (t.title.as_ref().unwrap_or(&t.name)) }
            @if let Some(contact) = &t.contact { " " small { (contact) } }
            p.note {
                @if t.members.is_empty() { "nobody is in it" }
                (t.members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", "))
            }
        } } }
    }
}
