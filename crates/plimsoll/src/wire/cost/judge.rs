//! Judges each hour once it is whole, and looks up what was changed when it turned.

use ::cost::anomaly::{Anomaly, judge};
use ::cost::{Book, Grain};
use control::Control;
use control::api::HistoryLine;
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
    nearest(control.history(LOOK).unwrap_or_default(), at_ms)
}

/// `lines` are newest first.
fn nearest(lines: Vec<HistoryLine>, at_ms: u64) -> Option<String> {
    let span = at_ms.saturating_sub(BEFORE_MS)..at_ms + AFTER_MS;
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

#[cfg(test)]
mod tests {
    use super::*;
    use ::cost::{Item, Kind, Part, Slot};
    use control::ledger::Entry;

    const HOUR: u64 = 3600;
    const NOW: u64 = 490_000 * HOUR;

    /// An hour of a hundred thousand requests, each of which uses so much of a dollar in ten.
    fn hour(start_s: u64, dollars: f64) -> Slot {
        let part = Part {
            seconds: dollars,
            dollars,
        };
        let item = Item {
            kind: Kind::Service,
            dollars: 10.0,
            background: 0.0,
            routes: [("buy".to_owned(), part)].into(),
            measured: true,
        };
        Slot {
            start_s,
            seconds: 3600.0,
            requests: [("buy".to_owned(), 100_000.0)].into(),
            items: [("cpu.app".to_owned(), item)].into(),
            ..Slot::default()
        }
    }

    /// A month of hours up to now; in these a request used three times as much.
    fn book(odd: &[u64]) -> Book {
        let mut book = Book::default();
        for at in (NOW - 30 * 24 * HOUR..NOW).step_by(HOUR as usize) {
            let dollars = if odd.contains(&at) { 3.0 } else { 1.0 };
            book.restore(Grain::Hour, hour(at, dollars));
        }
        book
    }

    #[test]
    fn each_hour_is_judged_once_when_its_last_windows_have_closed() {
        let (mut judged, odd) = (Judged::default(), [NOW - 2 * HOUR, NOW - HOUR]);
        let book = book(&odd);
        assert!(judged.turn(&book, None, NOW + LATE_S - 1));
        let hours = |j: &Judged| j.anomalies.iter().map(|a| a.hour_s).collect::<Vec<_>>();
        assert_eq!(
            hours(&judged),
            [NOW - 2 * HOUR],
            "the last hour may still grow"
        );
        assert!(!judged.turn(&book, None, NOW + LATE_S - 1), "not twice");
        assert!(judged.turn(&book, None, NOW + LATE_S));
        assert_eq!(hours(&judged), [NOW - HOUR, NOW - 2 * HOUR], "newest first");
        assert!(judged.anomalies.iter().all(|a| a.change.is_none()));
        // As it is stored: nothing is judged anew after a restart.
        let stored = serde_json::to_vec(&judged).unwrap();
        let mut again: Judged = serde_json::from_slice(&stored).unwrap();
        assert!(!again.turn(&book, None, NOW + HOUR - 1));
        assert_eq!(hours(&again), hours(&judged));
    }

    #[test]
    fn a_hundred_are_kept() {
        let odd: Vec<u64> = (1..=120).map(|n| NOW - n * HOUR).collect();
        let mut judged = Judged::default();
        judged.turn(&book(&odd), None, NOW + LATE_S);
        assert_eq!(judged.anomalies.len(), KEPT);
        assert_eq!(judged.anomalies[0].hour_s, odd[0]);
    }

    #[test]
    fn the_change_beside_it_is_one_of_that_minute_and_no_consequence() {
        let line = |at_ms: u64, event: Event| HistoryLine {
            text: event.line(),
            time: format!("at {at_ms}"),
            entry: Entry {
                version: 1,
                at_ms,
                who: "ann".into(),
                why: String::new(),
                event,
            },
        };
        let done = |what: &str| Event::Done { what: what.into() };
        let at = 10_000_000;
        let generation = Event::GenerationPublished {
            number: 7,
            hash: String::new(),
            overlays: vec![],
        };
        let lines = vec![
            line(at + AFTER_MS, done("too late")),
            line(at + 1000, generation),
            line(at - 2000, done("purged all")),
            line(at - 9000, done("earlier")),
        ];
        let said = nearest(lines, at);
        assert_eq!(said.as_deref(), Some("purged all, at 9998000 (ann)"));
        let old = vec![line(at - BEFORE_MS - 1, done("long ago"))];
        assert_eq!(nearest(old, at), None);
    }
}
