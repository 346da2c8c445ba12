//! One generation: what came with it, who asked for it and why.

use super::{PAGE, entry};
use crate::State;
use crate::api::Problem;
use crate::pages::Ask;
use crate::pages::parts;
use crate::pages::shell::Shown;
use maud::{Markup, html};

pub fn render(s: &State, number: u64) -> Result<Shown, Problem> {
    let g = s.control.generation_view(number)?;
    let now = parts::now_ms();
    let beside = |to: Option<u64>, name: &str| -> Markup {
        html! { @if let Some(n) = to { a href={ "/history/" (n) } { (name) " " (n) } " " } }
    };
    let body = html! {
        header.hero { div.headline {
            p.eyebrow { a href="/history" { "History" } " · " (g.time) }
            h1 { "Generation " (g.number) }
            p.lead { "By " (g.who) @if !g.why.is_empty() { ": " (g.why) } "." }
            p { (beside(g.before, "← Before it:")) (beside(g.after, "After it: →")) }
        } }
        div.grid {
            section.panel.full {
                div.panel-head { h2 { "What changed" } }
                @if g.added.is_empty() && g.removed.is_empty() {
                    p.note { "No overlay came or went: the file itself changed, or its instances did." }
                }
                @for id in &g.added { p { span.chip.tone-ok { "came" } " " (id) } }
                @for id in &g.removed { p { span.chip.tone-over { "went" } " " (id) } }
            }
            section.panel.full {
                div.panel-head { h2 { "Beside the file" } }
                @if g.diff.is_empty() { p.note { "Nothing: it is the file alone." } } @else { (parts::diff(g.diff.iter())) }
                p.note { "Hash " code { (g.hash.chars().take(12).collect::<String>()) } }
            }
            section.panel.full {
                div.panel-head { h2 { "What was written down with it" } }
                ol.timeline { @for l in &g.events { (entry(l, now)) } }
            }
        }
    };
    Ok(Shown {
        title: format!("Generation {number}"),
        body,
        ask: Ask {
            page: PAGE.path.into(),
            of: number.to_string(),
            ..Ask::default()
        },
        version: parts::version(&s.control),
    })
}
