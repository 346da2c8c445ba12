//! Judges each hour once it is whole, and looks up what was changed when it turned.

use ::cost::anomaly::{Anomaly, judge};
use ::cost::{Book, Grain};
use control::Control;
use control::ledger::Event;
use serde::{Deserialize, Serialize};

/// Anomalies that are kept, newest first.
const KEPT: usize = 100;
/// The last windows of an hour close late.
const LATE_S: u64 = 30;
/// Entries of the ledger that are looked at for a change.
const LOOK: usize = 200;
/// A change shows in the minute after it, or a few later.
const BEFORE_MS: u64 = 300_000;
const AFTER_MS: u64 = 60_000;

/// What has been judged, as it is stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Judged {
    /// Hours that begin before this have been.
    next_s: u64,
    pub anomalies: Vec<Anomaly>,
}

impl Judged {
    /// Whether anything has been judged.
    pub fn turn(&mut self, book: &Book, control: Option<&Control>, now_s: u64) -> bool {
        let open_s = Grain::Hour.floor(now_s.saturating_sub(LATE_S));
        if self.next_s >= open_s {
            return false;
        }
        let hours = book.slots(Grain::Hour);
        let minutes = book.slots(Grain::Minute);
        for hour in hours.range(self.next_s..open_s).map(|(_, slot)| slot) {
            for mut a in judge(hour, hours, minutes) {
                a.change = control.and_then(|c| change(c, a.since_s * 1000));
                tracing::warn!(
                    "a request cost ${:.9} in the hour, ${:.9} is usual: see `plimsoll cost`",
                    a.cost,
                    a.usual
                );
                self.anomalies.insert(0, a);
            }
        }
        self.anomalies.truncate(KEPT);
        self.next_s = open_s;
        true
    }
}

/// The change nearest before that minute.
fn change(control: &Control, at_ms: u64) -> Option<String> {
    let span = at_ms.saturating_sub(BEFORE_MS)..at_ms + AFTER_MS;
    let lines = control.history(LOOK).unwrap_or_default();
    let line = lines.into_iter().find(|l| {
        // A generation is what follows from a change, and a proposal is none.
        let follows = matches!(
            l.entry.event,
            Event::GenerationPublished { .. } | Event::ProposalMade { .. }
        );
        !follows && span.contains(&l.entry.at_ms)
    })?;
    Some(format!("{}, {} ({})", line.text, line.time, line.entry.who))
}
