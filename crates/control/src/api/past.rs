//! One generation of the past: what came with it, who asked for it and why.

use super::{Answer, Control, DiffLine, HistoryLine, diff_lines};
use crate::ledger::{Entry, Event};
use base::Finding;
use config::Overlay;
use serde::Serialize;

/// Entries of the ledger that are looked through.
const LOOK: usize = 1000;

#[derive(Clone, Debug, Serialize)]
pub struct GenerationView {
    pub number: u64,
    pub hash: String,
    /// UTC, for people.
    pub time: String,
    pub who: String,
    pub why: String,
    pub overlays: Vec<String>,
    /// Beside the generation before it.
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// What its overlays change in the file, as far as the ledger that was looked through tells.
    pub diff: Vec<DiffLine>,
    /// What was written down since the generation before it, oldest first.
    pub events: Vec<HistoryLine>,
    /// The generations beside it that can be shown.
    pub before: Option<u64>,
    pub after: Option<u64>,
}

impl Control {
    /// The generation of this number, when it is among the last thousand entries of the ledger.
    pub fn generation_view(&self, number: u64) -> Answer<GenerationView> {
        let mut lines = self.history(LOOK)?;
        lines.reverse();
        let now = self.overlays();
        view(&lines, &now, number).ok_or_else(|| {
            let what =
                format!("generation {number} is not in the last {LOOK} entries of the ledger");
            vec![
                Finding::error("generation-unknown", what)
                    .help("`plimsoll history` lists those that there are"),
            ]
        })
    }
}

/// Number, hash and overlays of a generation.
type Published<'a> = (u64, &'a str, &'a [String]);

fn published(entry: &Entry) -> Option<Published<'_>> {
    match &entry.event {
        Event::GenerationPublished {
            number,
            hash,
            overlays,
        } => Some((*number, hash, overlays)),
        _ => None,
    }
}

/// From the ledger's lines, oldest first.
fn view(lines: &[HistoryLine], now: &[Overlay], number: u64) -> Option<GenerationView> {
    let all: Vec<(usize, Published<'_>)> = (lines.iter().enumerate())
        .filter_map(|(i, l)| Some((i, published(&l.entry)?)))
        .collect();
    let place = all.iter().rposition(|(_, p)| p.0 == number)?;
    let (at, (_, hash, overlays)) = all[place];
    let before = place.checked_sub(1).map(|p| all[p]);
    let old: &[String] = before.map_or(&[], |b| b.1.2);
    let not_in = |a: &[String], b: &[String]| {
        let new = a.iter().filter(|id| !b.contains(id));
        new.cloned().collect::<Vec<_>>()
    };
    let since = before.map_or(0, |b| b.0 + 1);
    let until = all.get(place + 1).map_or(lines.len(), |a| a.0);
    let known = |id: &String| {
        let added = lines[..until]
            .iter()
            .rev()
            .find_map(|l| match &l.entry.event {
                Event::OverlayAdded { overlay } if overlay.id == *id => Some(overlay),
                _ => None,
            });
        added.or_else(|| now.iter().find(|o| o.id == *id))
    };
    let line = &lines[at];
    Some(GenerationView {
        number,
        hash: hash.to_owned(),
        time: line.time.clone(),
        who: line.entry.who.clone(),
        why: line.entry.why.clone(),
        overlays: overlays.to_vec(),
        added: not_in(overlays, old),
        removed: not_in(old, overlays),
        diff: overlays
            .iter()
            .filter_map(known)
            .flat_map(diff_lines)
            .collect(),
        events: lines[since..=at].to_vec(),
        before: before.map(|b| b.1.0),
        after: all.get(place + 1).map(|a| a.1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(who: &str, event: Event) -> HistoryLine {
        HistoryLine {
            time: "then".into(),
            text: event.line(),
            entry: Entry {
                version: 1,
                at_ms: 0,
                who: who.into(),
                why: "because".into(),
                event,
            },
        }
    }

    fn generation(number: u64, overlays: &[&str]) -> HistoryLine {
        let overlays = overlays.iter().map(ToString::to_string).collect();
        line(
            "ann",
            Event::GenerationPublished {
                number,
                hash: "h".into(),
                overlays,
            },
        )
    }

    #[test]
    fn a_generation_says_what_came_with_it_and_what_it_replaced() {
        let overlay: Overlay = serde_json::from_value(json!({
            "id": "c", "owner": "ann", "reason": "", "evidence": "", "created_at": 0,
            "expires_at": null, "share": 0.5,
            "ops": [{ "path": ["routes", "product", "cache"], "value": { "ttl": "1s" }, "base": null }],
        }))
        .unwrap();
        let lines = [
            generation(1, &[]),
            line("ann", Event::OverlayAdded { overlay }),
            generation(2, &["c"]),
            line("bob", Event::OverlayRemoved { id: "c".into() }),
            generation(3, &[]),
        ];
        let two = view(&lines, &[], 2).unwrap();
        assert_eq!(
            (two.added.len(), two.removed.len(), two.events.len()),
            (1, 0, 2)
        );
        assert_eq!(two.diff[0].path, "routes.product.cache");
        assert_eq!((two.before, two.after), (Some(1), Some(3)));
        let three = view(&lines, &[], 3).unwrap();
        assert_eq!((three.removed, three.after), (vec!["c".to_owned()], None));
        assert!(view(&lines, &[], 9).is_none());
    }
}
