//! What is in service beside the file, and the way back.

use crate::access::Who;
use crate::pages::parts;
use base::number::percent;
use control::Control;
use maud::{Markup, html};

pub fn all(c: &Control, who: &Who) -> Markup {
    let (overlays, diff) = (c.overlays(), c.diff());
    if overlays.is_empty() {
        return parts::empty(
            "What runs is what the file says",
            "Changes that a trial has kept are shown here until `plimsoll adopt` writes them into the file.",
        );
    }
    html! {
        ul.overlays {
            @for o in &overlays {
                li {
                    div {
                        p {
                            strong { (o.id) }
                            @if let Some(s) = o.share { " " span.chip.tone-near { (percent(s)) " of users" } }
                            " by " (o.owner)
                        }
                        p.note { (o.reason) }
                        (parts::diff(diff.iter().filter(|d| d.overlay == o.id)))
                    }
                    @if who.may_operate() {
                        form.act method="post" action="/advice/rollback" {
                            input type="hidden" name="overlay" value=(o.id);
                            (parts::your_name(who))
                            button.danger { "Roll back" }
                        }
                    }
                }
            }
        }
    }
}
