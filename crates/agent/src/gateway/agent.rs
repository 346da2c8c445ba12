//! One agent as the gateway knows it: what it has sent, what of that was used, and what it cannot be believed. Pure.

use super::locks::{Flights, Locks};
use super::place::{Part, Track};
use crate::message::{Counter, Instance, Message, Note, Reading, Told};
use base::{InstanceIx, Nanos};
use std::collections::BTreeMap;
use std::time::Duration;
use telemetry::probes::waiters::told;

/// Without a word for so long, an agent is silent.
pub const SILENT: Duration = Duration::from_secs(5);
/// What it saw is missed for so long; then the others speak for the service.
pub const MISSED: Duration = Duration::from_secs(60);
/// A reading may be so far ahead of our clock, and so far behind: windows close after ten seconds.
const AHEAD: Duration = Duration::from_millis(100);
const BEHIND: Duration = Duration::from_secs(9);
/// Trouble is told for so long.
pub const TELL: Duration = Duration::from_secs(60);
/// Seconds kept until their windows close.
const SECONDS: usize = 16;

pub type Key = (String, Option<Instance>);
pub type Known = BTreeMap<Instance, InstanceIx>;

pub struct Agent {
    pub run: u64,
    pub peer: String,
    pub heard: Nanos,
    /// When the last reading that was used was taken.
    pub at: Nanos,
    seq: u64,
    pub off_by: Duration,
    pub seen: Vec<Instance>,
    pub notes: Vec<Note>,
    pub tracks: BTreeMap<Key, Track>,
    locks: Locks,
    /// By second: what is to go into its window.
    cells: BTreeMap<u64, Vec<(Key, Part)>>,
    signals: BTreeMap<u64, Vec<Told>>,
    pub trouble: Option<(Nanos, String)>,
    pub used: u64,
    pub unused: u64,
}

impl Agent {
    pub fn new(run: u64) -> Agent {
        Agent {
            run,
            peer: String::new(),
            heard: Nanos::ZERO,
            at: Nanos::ZERO,
            seq: 0,
            off_by: Duration::ZERO,
            seen: Vec::new(),
            notes: Vec::new(),
            tracks: BTreeMap::new(),
            locks: Locks::default(),
            cells: BTreeMap::new(),
            signals: BTreeMap::new(),
            trouble: None,
            used: 0,
            unused: 0,
        }
    }

    /// Another run of it: its sums and its numbers begin anew. What was placed stays, and what it saw is missed.
    pub fn restart(&mut self, run: u64) {
        (self.run, self.seq) = (run, 0);
        self.locks = Locks::default();
        self.tracks.values_mut().for_each(Track::restart);
    }

    pub fn is_silent(&self, now: Nanos) -> bool {
        now.since(self.heard) >= SILENT
    }

    /// Takes a message of this run; an error says why its reading is not used.
    pub fn take(
        &mut self,
        m: Message,
        gateway: u64,
        now: Nanos,
        known: &Known,
        flights: &Flights,
        mine: &dyn Fn(&Instance) -> bool,
    ) -> Result<(), String> {
        let in_order = m.seq > self.seq;
        if in_order {
            (self.heard, self.seq) = (now, m.seq);
            self.off_by = Duration::from_nanos(m.off_by);
        }
        let Some(reading) = m.reading else {
            return Ok(());
        };
        let problem = match in_order {
            false => Some("it came twice, or after a later one".into()),
            true if m.gateway != gateway => Some("it is on the clock of an earlier gateway".into()),
            true => self.untimely(reading.at, now),
        };
        if let Some(problem) = problem {
            self.unused += 1;
            self.trouble = Some((now, format!("a reading was not used: {problem}")));
            return Err(problem);
        }
        self.used += 1;
        self.use_it(reading, now, known, flights, mine);
        Ok(())
    }

    fn untimely(&self, at: Nanos, now: Nanos) -> Option<String> {
        let seconds = |d: Duration| d.as_secs_f64();
        if at > now + AHEAD {
            let ahead = seconds(at.since(now));
            return Some(format!("it is {ahead:.1} s ahead: a clock has jumped"));
        }
        if at + BEHIND < now {
            let behind = seconds(now.since(at));
            return Some(format!(
                "it came {behind:.1} s late: its windows are closed"
            ));
        }
        (at <= self.at).then(|| "its time went backwards: a clock has jumped".into())
    }

    fn use_it(
        &mut self,
        reading: Reading,
        now: Nanos,
        known: &Known,
        flights: &Flights,
        mine: &dyn Fn(&Instance) -> bool,
    ) {
        let at = reading.at;
        self.at = at;
        self.notes = reading.notes;
        self.seen = reading.seen;
        self.seen.retain(|i| known.contains_key(i));
        for c in &reading.counters {
            if may_tell(&c.resource, c.instance.as_ref(), known)
                && c.instance.as_ref().is_none_or(mine)
            {
                self.place(at, c, now);
            }
        }
        // Long out of sight, or of an instance that is no more.
        self.tracks.retain(|(_, instance), t| {
            let lately = t.last().is_some_and(|l| now.since(l) < MISSED);
            lately && instance.as_ref().is_none_or(|i| known.contains_key(i))
        });
        let ended = (at.0 + 500_000_000) / 1_000_000_000;
        let may = |s: &Told| {
            may_tell(&s.resource, s.instance.as_ref(), known)
                && s.instance.as_ref().is_none_or(mine)
        };
        let mut signals = reading.signals;
        signals.retain(may);
        // A second reading of one second says the same again.
        let second = self.signals.entry(ended.saturating_sub(1));
        second.or_insert(signals);
        while self.signals.len() > SECONDS {
            self.signals.pop_first();
        }
        for (i, waiting, locks) in self.locks.take(&reading.looks, flights, known) {
            if !mine(&i) {
                continue;
            }
            let part = Part {
                second: ended.saturating_sub(1),
                waiting: Some(waiting),
                ..Part::default()
            };
            let key = (format!("lock.{}.futex", i.service), Some(i.clone()));
            self.keep(key, part);
            self.notes.extend(told(locks).map(|text| Note {
                probe: "waiters".into(),
                about: i.address,
                text,
                blind: false,
            }));
        }
        while self.cells.len() > SECONDS {
            self.cells.pop_first();
        }
    }

    fn place(&mut self, at: Nanos, c: &Counter, now: Nanos) {
        let key = (c.resource.clone(), c.instance.clone());
        let placed = self.tracks.entry(key.clone()).or_default().take(at, c);
        match placed {
            Ok(parts) => parts.into_iter().for_each(|p| self.keep(key.clone(), p)),
            Err(_) => {
                let text = format!("{} went backwards: it is counted anew", c.resource);
                self.trouble = Some((now, text));
            }
        }
    }

    fn keep(&mut self, key: Key, part: Part) {
        let second = self.cells.entry(part.second).or_default();
        // A second look at the same thing would be added to the first.
        if second.iter().all(|(k, _)| *k != key) {
            second.push((key, part));
        }
    }

    /// What the kernel told there of a second. Earlier ones are given up.
    pub fn signals(&mut self, second: u64) -> Vec<Told> {
        self.signals = self.signals.split_off(&second);
        self.signals.remove(&second).unwrap_or_default()
    }

    /// What this agent has for a second, and which of what it should have is missing. Earlier seconds are given up.
    pub fn close(&mut self, second: u64) -> (Vec<(Key, Part)>, Vec<Key>) {
        self.cells = self.cells.split_off(&second);
        let parts = self.cells.remove(&second).unwrap_or_default();
        let end = Nanos((second + 1) * 1_000_000_000);
        let due = |t: &Track| t.last().is_some_and(|l| end.since(l) < MISSED) && t.began(second);
        let there = |key: &Key| parts.iter().any(|(k, _)| k == key);
        let missing = self.tracks.iter().filter(|(k, t)| due(t) && !there(k));
        let missing = missing.map(|(k, _)| k.clone()).collect();
        (parts, missing)
    }
}

/// Agents tell of what their probes see, and of nothing else: CPU, memory and limited disks of instances that the config has, and
/// memory, disks and links of their own host.
fn may_tell(resource: &str, instance: Option<&Instance>, known: &Known) -> bool {
    match instance {
        Some(i) => {
            let own = resource.split_once('.');
            known.contains_key(i)
                && matches!(own, Some(("cpu" | "mem" | "disk", s)) if s == i.service)
        }
        None => {
            let device = |rest: &str| crate::message::is_name(rest);
            resource == "mem.host"
                || ["disk.host.", "net.host."]
                    .iter()
                    .any(|p| resource.strip_prefix(p).is_some_and(device))
        }
    }
}

/// What the resource is called here: that of a host carries the agent's name.
pub fn named(resource: &str, agent: &str) -> String {
    match resource.split_once(".host") {
        Some((class, device)) => format!("{class}.host.{agent}{device}"),
        None => resource.to_owned(),
    }
}
