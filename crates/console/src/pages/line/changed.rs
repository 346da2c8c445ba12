//! The last entries of the ledger.

use crate::pages::history::entry;
use crate::pages::parts;
use control::Control;
use control::ledger::Event;
use maud::{Markup, html};

const LINES: usize = 8;
/// Looked through for them: proposals are not changes.
const LOOK: usize = 60;

pub fn changed(c: &Control) -> Markup {
    let lines = match c.history(LOOK) {
        Ok(lines) => lines,
        Err(findings) => {
            return html! { @for f in &findings { p { (parts::told(&f.what)) } } };
        }
    };
    let is_change = |e: &Event| !matches!(e, Event::ProposalMade { .. });
    let now = parts::now_ms();
    html! {
        ol.timeline {
            @for l in lines.iter().filter(|l| is_change(&l.entry.event)).take(LINES) { (entry(l, now)) }
        }
    }
}
