//! The proposals, best first, and what is refused.

use crate::access::Who;
use crate::pages::parts;
use base::number::{cost, rate};
use control::Control;
use control::loops::Stage;
use control::ports::Counsel;
use control::proposal::{Change, Proposal};
use control::words::{change, effect, how};
use maud::{Markup, html};
use model::loadline::LoadLine;

/// Shares of the users that a canary may be shown to, percent.
const SHARES: &[u8] = &[5, 20, 50];

pub fn all(
    c: &Control,
    counsel: &Counsel,
    line: Option<&LoadLine>,
    stage: &Stage,
    who: &Who,
) -> Markup {
    let busy = c.status().trial.is_some();
    html! {
        @if counsel.proposals.is_empty() {
            section.panel {
                @match stage {
                    Stage::Ready => (parts::empty("No proposal", "No change that is known would lift the load line.")),
                    other => (parts::not_yet(other)),
                }
            }
        }
        ol.proposals { @for (i, p) in counsel.proposals.iter().enumerate() { (one(i + 1, p, line, &form(c, p, busy, who))) } }
    }
}

fn one(number: usize, p: &Proposal, line: Option<&LoadLine>, form: &Markup) -> Markup {
    html! {
        li.panel.proposal id=(p.id) {
            div.panel-head {
                h2 { span.number aria-hidden="true" { (number) } (parts::upper(&p.title)) }
                span.chip { (p.kind) }
            }
            p.lead { (p.evidence) }
            div.split {
                dl.rows {
                    dt { "Load line" } dd { (lift(p, line)) }
                    dt { "Predicted" } dd { (p.measures) " " (effect(&p.measures, &p.predicted)) }
                    dt { "Cost" } dd { (cost(p.cost_per_hour)) }
                    dt { "Size" } dd { (p.size) " of 5 (1: config, now; 5: redesign)" }
                    dt { "Undone by" } dd { (p.reverse) }
                }
                div {
                    pre { @for line in change(p) { (line) "\n" } }
                    p.note { (parts::upper(how(&p.change))) "." }
                    (form)
                }
            }
        }
    }
}

fn lift(p: &Proposal, line: Option<&LoadLine>) -> Markup {
    html! {
        @if let Some(l) = line { (rate(l.line)) " → " }
        @match p.line { Some(after) => strong { (rate(after)) }, None => "not simulated" }
        @if let Some(safe) = p.line_safe { " (safe " (rate(safe)) ")" }
    }
}

fn form(c: &Control, p: &Proposal, busy: bool, who: &Who) -> Markup {
    let held = c.held_back(p);
    let instruction = matches!(p.change, Change::Instruction { .. });
    html! {
        @if !who.may_operate() { (parts::only_looks(who)) }
        @else if busy { p.note { "One trial at a time: wait for its verdict, or roll it back." } }
        @else {
            @if let Some(f) = &held { p.note { strong { "Held back: " } (parts::told(&f.what)) } }
            form.act method="post" action="/advice/try" {
                input type="hidden" name="which" value=(p.id);
                @if matches!(p.change, Change::Patch { .. }) {
                    label { "Shown to " select name="share" { @for s in SHARES { option value=(s) selected[*s == 20] { (s) " % of users" } } } }
                }
                (parts::your_name(who))
                @if held.is_some() { label.grow { "All the same, because " input name="override" required maxlength="500"; } }
                @if instruction { input type="hidden" name="done" value="yes"; }
                button.primary { @if instruction { "It is done: compare" } @else { "Try it" } }
            }
        }
    }
}

pub fn refused(counsel: &Counsel) -> Markup {
    html! {
        @if counsel.premature.is_empty() && counsel.useless.is_empty() { p.note { "Nothing was refused." } }
        @if !counsel.premature.is_empty() {
            h3 { "Premature" }
            ul.plain { @for p in &counsel.premature { li { strong { (p.title) } " " span.chip { "size " (p.size) } br; (p.why) } } }
        }
        @if !counsel.useless.is_empty() {
            h3 { "No use" }
            ul.plain { @for u in &counsel.useless { li { (u) } } }
        }
    }
}
