//! What is in service beside the file, and the way back.

use crate::pages::parts;
use base::number::percent;
use control::Control;
use maud::{Markup, html};

pub fn all(c: &Control) -> Markup {
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
                    form.act method="post" action="/advice/rollback" {
                        input type="hidden" name="overlay" value=(o.id);
                        label { "Your name " input name="who" autocomplete="username" maxlength="80" size="12"; }
                        button.danger { "Roll back" }
                    }
                }
            }
        }
    }
}
