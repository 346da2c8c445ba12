//! The trial under way.

use crate::State;
use crate::access::Who;
use crate::pages::parts;
use control::trial::{Phase, Progress};
use control::words::{effect, now, phase};
use maud::{Markup, html};

const PHASES: &[(Phase, &str)] = &[
    (Phase::Applying, "apply"),
    (Phase::Settling, "settle"),
    (Phase::Watching, "watch"),
    (Phase::Confirming, "confirm"),
];

/// Its place is always there, so that it can appear.
pub fn under_way(s: &State, running: Option<&Progress>, who: &Who) -> Markup {
    html! { div id="trial" data-part="trial" { @if let Some(p) = running { (panel(s, p, who)) } } }
}

fn panel(s: &State, p: &Progress, who: &Who) -> Markup {
    let record = s.control.trial(&p.id).ok().map(|t| t.record);
    let title = record
        .as_ref()
        .map_or(p.id.as_str(), |r| r.proposal.title.as_str());
    let measures = record.as_ref().map_or("", |r| r.proposal.measures.as_str());
    let at = PHASES.iter().position(|x| x.0 == p.trial.phase);
    html! {
        section.panel.trial {
            div.panel-head { h2 { "Trying: " (title) } span.chip.tone-near { (p.id) } }
            ol.phases {
                @for (i, (_, name)) in PHASES.iter().enumerate() {
                    li class=[at.is_some_and(|a| i < a).then_some("past")] aria-current=[(at == Some(i)).then_some("step")] { (name) }
                }
            }
            p.lead { (phase(p)) }
            dl.rows {
                dt { "Predicted" } dd { (measures) " " (effect(measures, &p.trial.predicted)) }
                dt { "Measured so far" }
                dd { @match &p.trial.reading.effect {
                    Some(e) => (effect(measures, e)),
                    None => "nothing that can be told apart from chance",
                } }
                dt { "Seen" } dd { (now(p)) }
            }
            @if who.may_operate() {
                form.act method="post" action="/advice/rollback" {
                    input type="hidden" name="overlay" value=(p.id);
                    (parts::your_name(who))
                    button.danger { "Roll it back" }
                }
            } @else { (parts::only_looks(who)) }
        }
    }
}
