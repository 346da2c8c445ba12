//! What is noted of one request for its line. Bounded, and kept for the next request where it was not written.

use super::tap::End;
use crate::exchange::{Facts, Head};
use base::{Decided, InstanceIx, Nanos, Outcome, Sample};
use http1::Kind;
use std::ops::Range;

/// Decisions of gates, and attempts, that one line tells; more are left out.
const DECISIONS: usize = 12;
const ATTEMPTS: usize = 8;
/// Longest path, query, host, user agent and name of a tenant, bytes; the rest is cut.
const LONGEST: usize = 1024;

/// What is kept as text.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Method,
    Path,
    Query,
    Host,
    Agent,
    Tenant,
}

/// One attempt, as its sample tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    pub number: u8,
    pub instance: InstanceIx,
    pub status: u16,
    pub outcome: Outcome,
    pub start: Nanos,
    pub end: Nanos,
    pub first_byte_us: u32,
    pub wait_us: u32,
    pub failure: Option<&'static str>,
}

#[derive(Debug, Default)]
pub struct Notes {
    text: Vec<u8>,
    parts: [Option<Range<usize>>; 6],
    decisions: Vec<Decided>,
    pub(super) attempts: Vec<Tried>,
    /// Of the reply that a gate or the path made.
    pub(super) reason: &'static str,
    /// What the cache said of it (RFC 9211).
    pub(super) cache: Vec<u8>,
    /// On the way to the writer.
    pub(super) end: Option<End>,
}

impl Notes {
    pub fn clear(&mut self) {
        self.text.clear();
        self.parts = Default::default();
        self.decisions.clear();
        self.attempts.clear();
        self.reason = "";
        self.cache.clear();
        self.end = None;
    }

    /// All that a trace tells of it.
    pub fn path(&mut self, head: &Head<'_>) {
        self.part(Part::Path, head.path());
    }

    /// `query`: whether it may be written as it is.
    pub fn head(&mut self, head: &Head<'_>, query: bool) {
        self.part(Part::Method, head.method_name());
        self.path(head);
        if let Some(asked) = head.query() {
            self.part(Part::Query, if query { asked } else { b"REDACTED" });
        }
        if let Some(host) = head.host() {
            self.part(Part::Host, host);
        }
        if let Some(agent) = head.kind(Kind::UserAgent) {
            self.part(Part::Agent, agent);
        }
    }

    /// What is known later replaces what was known before.
    pub fn tenant(&mut self, name: &[u8]) {
        self.part(Part::Tenant, name);
    }

    fn part(&mut self, part: Part, bytes: &[u8]) {
        let start = self.text.len();
        self.text
            .extend_from_slice(&bytes[..bytes.len().min(LONGEST)]);
        self.parts[part as usize] = Some(start..self.text.len());
    }

    pub(super) fn get(&self, part: Part) -> Option<&[u8]> {
        self.text.get(self.parts[part as usize].clone()?)
    }

    /// A gate did something out of the ordinary, during this attempt.
    pub fn decision(&mut self, gate: &'static str, what: &'static str, attempt: u8) {
        if self.decisions.len() < DECISIONS {
            self.decisions.push(Decided {
                gate,
                what,
                attempt,
            });
        }
    }

    pub fn decisions(&self) -> &[Decided] {
        &self.decisions
    }

    pub fn attempt(&mut self, trial: &Sample, facts: &Facts) {
        if self.attempts.len() < ATTEMPTS {
            self.attempts.push(Tried {
                number: trial.attempt,
                instance: trial.instance,
                status: trial.status,
                outcome: trial.outcome,
                start: trial.start,
                end: trial.end,
                first_byte_us: trial.first_byte_us,
                wait_us: trial.wait_us,
                failure: facts.failure.map(|f| f.label()),
            });
        }
    }

    /// What was noted of an attempt that ran beside.
    pub fn join(&mut self, beside: &Notes) {
        let decisions = &beside.decisions;
        let room = DECISIONS.saturating_sub(self.decisions.len());
        (self.decisions).extend(decisions.iter().take(room));
        let room = ATTEMPTS.saturating_sub(self.attempts.len());
        (self.attempts).extend(beside.attempts.iter().take(room));
    }

    pub fn reason(&mut self, reason: &'static str) {
        self.reason = reason;
    }

    /// Lines of an answer from the cache, as they are written.
    pub fn lines(&mut self, lines: &[u8]) {
        for line in lines.split(|b| *b == b'\n') {
            if let Some(i) = line.iter().position(|b| *b == b':') {
                self.header(&line[..i], line[i + 1..].trim_ascii());
            }
        }
    }

    /// One header of the response.
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"cache-status") && self.cache.is_empty() {
            self.cache
                .extend_from_slice(&value[..value.len().min(LONGEST)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ListHead;

    #[test]
    fn what_the_cache_says_is_found_among_its_lines() {
        let mut notes = Notes::default();
        notes.lines(b"Age: 3\r\nCache-Status: plimsoll; hit; ttl=57\r\n");
        assert_eq!(notes.cache, b"plimsoll; hit; ttl=57");
        notes.clear();
        notes.lines(b"\r\n:\nno colon");
        assert!(notes.cache.is_empty());
    }

    #[test]
    fn a_head_is_kept_in_parts_cut_and_without_its_query() {
        let long = format!("/{}?token=secret", "a".repeat(5000));
        let head = ListHead::new("GET", &long, &[("host", "h:1"), ("user-agent", "curl")]);
        let mut notes = Notes::default();
        for _ in 0..2 {
            notes.clear();
            notes.head(&Head::List(&head), false);
            assert_eq!(notes.get(Part::Path).map(<[u8]>::len), Some(LONGEST));
            assert_eq!(notes.get(Part::Query), Some(&b"REDACTED"[..]));
            assert_eq!(notes.get(Part::Host), Some(&b"h:1"[..]));
            assert_eq!(notes.get(Part::Agent), Some(&b"curl"[..]));
        }
        notes.clear();
        assert_eq!(notes.get(Part::Path), None);
        for _ in 0..100 {
            notes.decision("shed", "no_room", 0);
        }
        assert_eq!(notes.decisions().len(), DECISIONS);
    }
}
