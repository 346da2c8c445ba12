//! One runbook: what it is for, its steps, and how to run them.

use super::{PAGE, minute, shown};
use crate::State;
use crate::api::Problem;
use crate::books::Books;
use crate::pages::parts;
use crate::pages::shell::Shown;
use catalog::runbook::run::last;
use maud::html;

pub fn render(s: &State, name: &str) -> Result<Shown, Problem> {
    let books = Books::read(s)?;
    let r = books.runbook(name)?;
    let names = |all: &[catalog::Named]| {
        all.iter()
            .map(|n| n.name.clone())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let body = html! {
        header.hero { div.headline {
            p.eyebrow { a href="/catalog" { "Catalog" } " · " code { (r.spot.file) } }
            h1 { (r.title) }
            p.lead {
                @match last(&books.loaded.catalog.runs, &r.name) {
                    None => "It was never run.",
                    Some(run) => { "Last run " (minute(run.at)) " UTC by " (run.who) @if run.ok { "." } @else { ": it failed." } },
                }
            }
        } }
        div.grid {
            section.panel.full {
                dl.rows {
                    @if let Some(owner) = &r.owner { dt { "Owner" } dd { (owner.name) } }
                    @if !r.services.is_empty() { dt { "Services" } dd { (names(&r.services)) } }
                    @if !r.routes.is_empty() { dt { "Routes" } dd { (names(&r.routes)) } }
                    @if !r.alerts.is_empty() { dt { "Alerts" } dd { (names(&r.alerts)) } }
                    dt { "Run it" } dd { code { "plimsoll runbook run " (r.name) } }
                }
            }
            @if r.blocks.is_empty() {
                section.panel.full { (parts::empty("It has no steps that can be run", "A step is a fenced block with a name.")) }
            }
            @for (i, b) in r.blocks.iter().enumerate() {
                section.panel.full {
                    div.panel-head {
                        h2 { (i + 1) ". " (b.name) }
                        span.note {
                            @if b.interactive { "asks somebody · " }
                            @if b.only_by_name { "only when it is asked for: " code { "--step " (b.name) } " · " }
                            "line " (b.line)
                        }
                    }
                    pre { (b.script) }
                }
            }
        }
    };
    Ok(shown(&PAGE, &r.title, &r.name, body, s))
}
