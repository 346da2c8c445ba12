//! What one session has written and seen, as its client carries it. Pure.
//!
//! 24 characters: timeline and place in hexadecimal digits. Behind them, where it matters, the database that the session
//! read from last: `+r1` when the position covers what it saw there, `-r1` when only that database surely does.
//! Nothing is signed: who claims too much waits, and then reads from the primary, as anybody may.

use super::position::Position;

/// Characters of a position.
const DIGITS: usize = 24;
/// Longest value that is looked at.
const MOST: usize = DIGITS + 1 + 64;

/// Who answered the session's last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From {
    pub database: u8,
    /// `at` covers what was seen there.
    pub covered: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub at: Position,
    /// `None`: nobody, or it does not matter.
    pub from: Option<From>,
    /// It has written, and nobody knows how far: only the primary will do.
    pub unknown: bool,
}

impl Seen {
    /// `place` knows databases by name. `None`: this is nothing that `write` wrote.
    pub fn read(value: &[u8], place: impl Fn(&str) -> Option<usize>) -> Option<Seen> {
        let text = std::str::from_utf8(value)
            .ok()
            .filter(|t| t.len() <= MOST)?;
        let (digits, from) = text.split_at_checked(DIGITS)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let (timeline, lsn) = digits.split_at(8);
        let at = Position {
            timeline: u32::from_str_radix(timeline, 16).ok()?,
            lsn: u64::from_str_radix(lsn, 16).ok()?,
        };
        let mut seen = Seen {
            unknown: at.lsn == u64::MAX,
            at,
            from: None,
        };
        if from.is_empty() {
            return Some(seen);
        }
        let (mark, name) = from.split_at_checked(1)?;
        let covered = match mark {
            "+" => true,
            "-" => false,
            _ => return None,
        };
        match place(name) {
            Some(database) => {
                seen.from = Some(From {
                    database: database as u8,
                    covered,
                })
            }
            // It is not there any more: what it had, the primary has.
            None => seen.unknown |= !covered,
        }
        Some(seen)
    }

    pub fn write(&self, name: impl Fn(usize) -> Option<String>) -> String {
        let (timeline, lsn) = match self.unknown {
            true => (u32::MAX, u64::MAX),
            false => (self.at.timeline, self.at.lsn),
        };
        let mut out = format!("{timeline:08x}{lsn:016x}");
        if let Some(from) = self.from
            && let Some(name) = name(from.database as usize)
        {
            out.push(if from.covered { '+' } else { '-' });
            out.push_str(&name);
        }
        out
    }

    /// Of two that one session has, the one that has seen more; never less than either.
    pub fn join(self, other: Seen) -> Seen {
        let (more, less) = match self.at >= other.at {
            true => (self, other),
            false => (other, self),
        };
        let loose = |s: Seen| s.from.is_some_and(|f| !f.covered);
        Seen {
            // Two databases may both be the only one that surely has what was seen.
            unknown: more.unknown
                || less.unknown
                || (loose(more) && loose(less) && more.from != less.from),
            from: if loose(less) {
                less.from
            } else {
                more.from.or(less.from)
            },
            at: more.at,
        }
    }

    /// After a sample of the primary that began later: it has everything, and what claims more is not true.
    pub fn sampled(self, at: Position) -> Seen {
        if at.timeline < self.at.timeline && !self.unknown {
            return self;
        }
        Seen {
            at,
            from: self.from.map(|f| From { covered: true, ..f }),
            unknown: false,
        }
    }

    /// After an answer that says itself what was committed.
    pub fn committed(self, at: Position) -> Seen {
        Seen {
            at: self.at.max(at),
            ..self
        }
    }

    /// After a read from a replica that covers `at`.
    pub fn read_from(self, database: usize) -> Seen {
        Seen {
            from: Some(From {
                database: database as u8,
                covered: false,
            }),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(name: &str) -> Option<usize> {
        ["primary", "r1", "r2"].iter().position(|n| *n == name)
    }
    fn name(i: usize) -> Option<String> {
        ["primary", "r1", "r2"].get(i).map(|n| n.to_string())
    }
    fn at(lsn: u64) -> Position {
        Position { timeline: 1, lsn }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_junk_is_nothing(timeline in 0u32..9, lsn in 0u64..u64::MAX, from in 0u8..3, covered: bool, junk: Vec<u8>) {
            let seen = Seen { at: Position { timeline, lsn }, from: Some(From { database: from, covered }), unknown: false };
            prop_assert_eq!(Seen::read(seen.write(name).as_bytes(), place), Some(seen));
            let _ = Seen::read(&junk, place);
        }

        #[test]
        fn joining_never_forgets(a in 0u64..99, b in 0u64..99) {
            let (a, b) = (Seen { at: at(a), ..Seen::default() }, Seen { at: at(b), ..Seen::default() });
            let joined = a.join(b);
            prop_assert!(joined.at.covers(a.at) && joined.at.covers(b.at));
            prop_assert_eq!(joined, b.join(a));
        }
    }

    #[test]
    fn who_is_gone_or_two_at_once_leave_the_primary_only() {
        let seen = Seen::default().read_from(1);
        let written = seen.write(name);
        assert_eq!(written.len(), 24 + 3);
        let gone = Seen::read(written.as_bytes(), |_| None).unwrap();
        assert!(gone.unknown && gone.from.is_none());
        assert!(seen.join(Seen::default().read_from(2)).unknown);
        assert!(!seen.join(seen).unknown);
        let unknown = Seen {
            unknown: true,
            ..Seen::default()
        };
        let read = Seen::read(unknown.write(name).as_bytes(), place).unwrap();
        assert!(read.unknown);
        assert_eq!(
            read.sampled(at(7)),
            Seen {
                at: at(7),
                ..Seen::default()
            }
        );
    }

    #[test]
    fn a_sample_ends_a_claim_of_the_future_but_not_of_a_younger_timeline() {
        let future = Seen {
            at: at(1 << 60),
            ..Seen::default()
        };
        assert_eq!(future.sampled(at(5)).at, at(5));
        let younger = Seen {
            at: Position {
                timeline: 2,
                lsn: 3,
            },
            ..Seen::default()
        };
        assert_eq!(younger.sampled(at(5)), younger);
        assert_eq!(younger.committed(at(9)), younger);
    }
}
