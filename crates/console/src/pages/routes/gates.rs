//! What gates did out of the ordinary, and why they do such a thing.

use crate::Decision;
use crate::pages::parts::headings;
use maud::{Markup, html};

/// Those of a route, and of the service that it goes to.
pub fn decisions(all: &[Decision], route: &str, service: &str) -> Markup {
    let mine: Vec<&Decision> = (all.iter())
        .filter(|d| d.concerns(route, service))
        .collect();
    html! {
        @if mine.is_empty() { p.note { "No gate did anything out of the ordinary since the start." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Decisions of gates" {
                table {
                    (headings(&[("Gate", false), ("Decision", false), ("Since the start", true), ("Why", false)]))
                    tbody {
                        @for d in mine {
                            tr {
                                td { (d.gate) @if d.of != route { " " small { "of " (d.of) } } }
                                td { (d.what.replace('_', " ")) } td.n { (d.count) } td { (d.why) }
                            }
                        }
                    }
                }
            }
        }
    }
}
