//! The answer in a sentence: what the constraint is, when it breaks the objective, what comes next.

use super::{line_text, share_text};
use crate::pages::parts::{self, upper};
use base::number::{rate, times};
use control::api::Diagnosis;
use control::loops::Stage;
use maud::{Markup, html};
use model::Answer;
use model::diagnose::Verdict;
use model::loadline::LoadLine;

pub fn headline(said: &Diagnosis, answer: Option<&Answer>) -> Markup {
    html! {
        div.headline data-part="headline" {
            @match answer {
                None => {
                    h1 { (upper(&said.progress)) }
                    p.lead { "Plimsoll watches what each kind of request uses, and then says what holds the system down." }
                }
                Some(a) => {
                    p.eyebrow { (verdict(a)) @if said.stage != Stage::Ready { " · " (said.progress) } }
                    h1 { (short(a)) }
                    p.lead { (a.diagnosis.summary) }
                    @for text in then(a) { p.then { (text) } }
                }
            }
        }
    }
}

/// What kind of answer it is.
fn verdict(a: &Answer) -> String {
    let d = &a.diagnosis;
    match d.verdict {
        Verdict::Constraint => format!("Constraint · {}", d.class.label()),
        Verdict::TwoCandidates => "Two candidates".into(),
        Verdict::UnseenResource => "Unseen resource".into(),
        Verdict::NotEnoughEvidence { .. } => "Not enough evidence".into(),
        Verdict::NoConstraint => "No constraint".into(),
    }
}

fn short(a: &Answer) -> String {
    let d = &a.diagnosis;
    let name = |c: &Option<model::constraint::Constraint>| {
        c.as_ref()
            .map_or("nothing".to_owned(), |c| c.resource.clone())
    };
    match d.verdict {
        Verdict::Constraint => format!("{} sets the load line", name(&d.constraint)),
        Verdict::TwoCandidates => format!("{} or {}", name(&d.constraint), name(&d.rival)),
        Verdict::UnseenResource => "Something that is not measured holds it down".into(),
        Verdict::NotEnoughEvidence { .. } => "Not sure yet".into(),
        Verdict::NoConstraint => "Nothing holds it down at today's traffic".into(),
    }
}

/// When the objective breaks, and what comes after.
fn then(a: &Answer) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(l) = &a.line {
        all.push(breaks(l));
    }
    let next = match (
        &a.diagnosis.next,
        a.line.as_ref().and_then(|l| l.next.as_ref()),
    ) {
        (Some(n), _) => Some((&n.resource, n.saturation, Some(n.ratio))),
        (None, Some(n)) => Some((&n.resource, n.saturation, None)),
        (None, None) => None,
    };
    if let Some((resource, saturation, ratio)) = next {
        let further = ratio.map_or(String::new(), |r| format!(": {} further", times(r)));
        all.push(format!(
            "Next: {resource}, full at {}{further}.",
            rate(saturation)
        ));
    }
    all.extend(a.diagnosis.test.clone());
    all
}

fn breaks(l: &LoadLine) -> String {
    let first = l.routes.iter().find(|r| r.breaks_first);
    let what = first.map_or(String::new(), |r| {
        let objective = share_text(r.target, r.latency_s, r.assumed);
        format!("; {} then breaks its objective first, {objective}", r.route)
    });
    let word = if l.provisional {
        " (provisional, too high)"
    } else {
        ""
    };
    format!("The load line is {}{word}{what}.", line_text(l))
}

/// The hull: the water is the traffic, the mark is the line.
pub fn mark(level: Option<f64>) -> Markup {
    let level = level.unwrap_or(0.0).clamp(0.0, 1.3);
    let top = 100.0 - 55.0 * level;
    html! {
        plim-mark class={ "tone-" (parts::tone(level)) } aria-hidden="true" {
            svg viewBox="0 0 100 100" width="112" height="112" {
                rect.water x="0" y=(format!("{top:.1}")) width="100" height="100" {}
                circle.disc cx="50" cy="45" r="27" {}
                path.plim d="M8 45h84" {}
            }
        }
    }
}

/// Evidence, doubts and notes.
pub fn rests(a: &Answer) -> Markup {
    let d = &a.diagnosis;
    let evidence = d.constraint.iter().flat_map(|c| &c.evidence);
    let doubts = a.line.iter().flat_map(|l| &l.reasons);
    let all: Vec<(&str, &String)> = (evidence.map(|e| ("evidence", e)))
        .chain(d.held_up.iter().map(|h| ("held up", &h.text)))
        .chain(doubts.map(|t| ("doubt", t)))
        .chain(d.notes.iter().map(|n| ("note", n)))
        .collect();
    html! {
        p { "Seen over " (base::units::Secs(d.span_s)) "." }
        ul.plain { @for (kind, text) in all { li { span.chip { (kind) } " " (text) } } }
    }
}
