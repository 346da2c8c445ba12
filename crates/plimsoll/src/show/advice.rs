//! Proposals as a table, numbered as `plimsoll try` takes them.

use super::number::{cost, percent, rate, rate_in, times};
use super::page::Page;
use control::proposal::{Change, Proposal};
use model::advice::Advice;

const COLUMNS: [&str; 6] = ["#", "change", "load line", "size", "cost", "why"];
const SIZE: &str = "size: 1 config, now … 5 redesign · intervals hold 90 %";

/// Advice from a recording.
pub fn offline(advice: &Advice, width: u16) -> String {
    let mut page = Page::new(width);
    let (line, target) = (&advice.line, advice.target);
    let need = match advice.needed {
        true => format!("to carry {} the line has to rise", rate(target)),
        false => format!("{} is carried already: nothing has to change", rate(target)),
    };
    page.line(&format!(
        "load line {}, safe {}; {need}",
        rate(line.line),
        rate(line.safe)
    ));
    let rows = advice.proposals.iter().enumerate().map(|(i, p)| {
        let (b, a) = (&p.predicted.before, &p.predicted.after);
        let effect = match p.protects {
            true => "protects, does not lift".to_owned(),
            false => format!(
                "{} → {}, {}{}",
                rate(b.value),
                rate_in(a.value, a.low, a.high),
                times(p.predicted.gain.value),
                if p.reaches_target {
                    ""
                } else {
                    "; not enough alone"
                }
            ),
        };
        let why = [p.evidence.clone()]
            .into_iter()
            .chain(p.guards.iter().map(|g| format!("mind: {g}")));
        let cost = cost(p.cost_per_hour);
        vec![
            (i + 1).to_string(),
            p.title.clone(),
            effect,
            p.size.to_string(),
            cost,
            why.collect::<Vec<_>>().join("; "),
        ]
    });
    page.table("proposals, best first", &COLUMNS, &[0, 3], rows.collect());
    if advice.proposals.is_empty() {
        page.line("no change that is known would lift the line");
    } else {
        page.line(&format!("\n{SIZE}"));
    }
    let early = advice.proposals.first().map_or(&[][..], |p| &p.premature);
    let early = early
        .iter()
        .map(|p| format!("{} (size {}): {}", p.title, p.size, p.why));
    page.labelled("not yet", early);
    page.labelled("no use", &advice.useless);
    let after = advice
        .proposals
        .first()
        .and_then(|p| p.next_constraint.as_ref());
    page.labelled(
        "then",
        after.map(|l| {
            format!(
                "{} sets the line, full at {}",
                l.resource,
                rate(l.saturation)
            )
        }),
    );
    if advice.provisional {
        page.line("provisional: not all was compared within the budget");
    }
    page.done()
}

/// Proposals of a running Plimsoll; `before`: its load line now, when known.
pub fn live(proposals: &[Proposal], before: Option<f64>, progress: &str, width: u16) -> String {
    let mut page = Page::new(width);
    if proposals.is_empty() {
        page.line(&format!("no proposal: {progress}"));
        return page.done();
    }
    let rows = proposals.iter().enumerate().map(|(i, p)| {
        let e = &p.predicted;
        let line = p.line.map(|l| {
            let before = before.map_or(String::new(), |b| format!("{} → ", rate(b)));
            let safe = p
                .line_safe
                .map_or(String::new(), |s| format!(" (safe {})", rate(s)));
            format!("{before}{}{safe}; ", rate(l))
        });
        let effect = format!(
            "{}{}: {} better ({} to {})",
            line.unwrap_or_default(),
            p.measures,
            percent(e.mean),
            percent(e.low),
            percent(e.high)
        );
        let (n, size) = ((i + 1).to_string(), p.size.to_string());
        vec![
            n,
            p.title.clone(),
            effect,
            size,
            cost(p.cost_per_hour),
            p.evidence.clone(),
        ]
    });
    page.table("proposals, best first", &COLUMNS, &[0, 3], rows.collect());
    page.line(&format!("\n{SIZE}\n{}", next(&proposals[0])));
    page.done()
}

/// The command for the first proposal.
fn next(p: &Proposal) -> String {
    let id = &p.id;
    match p.change {
        Change::Instruction { .. } => {
            format!("next: `plimsoll try {id}` says what to do, and how the effect is measured")
        }
        _ => {
            format!("next: `plimsoll try {id}` applies it, compares, and keeps it or rolls it back")
        }
    }
}
