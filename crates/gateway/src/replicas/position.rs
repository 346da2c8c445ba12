//! How far a database is: a place in its log, on one timeline. Pure.

use std::fmt;

/// Ordered by timeline, then by place: whoever has been promoted goes on from what was replayed before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Goes up with every promotion.
    pub timeline: u32,
    /// Bytes of the log, as PostgreSQL counts them.
    pub lsn: u64,
}

impl Position {
    /// Whether who is here has everything that was there at `other`. On a younger timeline the place must be reached as
    /// well: what the old one had beyond the fork is not here, and nobody says where the fork was.
    pub fn covers(self, other: Position) -> bool {
        self.timeline >= other.timeline && self.lsn >= other.lsn
    }

    /// From `0/16B3748`, as PostgreSQL writes it.
    pub fn lsn(text: &str) -> Option<u64> {
        let (high, low) = text.split_once('/')?;
        let part = |t: &str| {
            let good = (1..=8).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_hexdigit());
            good.then(|| u64::from_str_radix(t, 16).ok()).flatten()
        };
        Some(part(high)? << 32 | part(low)?)
    }

    /// From `pg/1/0/16B3748`: how a service says exactly what it has committed.
    pub fn told(value: &[u8]) -> Option<Position> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let (timeline, lsn) = text.strip_prefix("pg/")?.split_once('/')?;
        let good =
            (1..=10).contains(&timeline.len()) && timeline.bytes().all(|b| b.is_ascii_digit());
        let timeline = good.then(|| timeline.parse().ok()).flatten()?;
        Some(Position {
            timeline,
            lsn: Position::lsn(lsn)?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.lsn >> 32, self.lsn as u32);
        write!(f, "pg/{}/{high:X}/{low:X}", self.timeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_panics(timeline: u32, lsn: u64, junk: Vec<u8>) {
            let at = Position { timeline, lsn };
            prop_assert_eq!(Position::told(at.to_string().as_bytes()), Some(at));
            let _ = Position::told(&junk);
            let _ = Position::told(&[b"pg/1/", &junk[..]].concat());
        }
    }

    #[test]
    fn a_younger_timeline_must_have_come_as_far() {
        let at = |timeline, lsn| Position { timeline, lsn };
        assert!(at(1, 10).covers(at(1, 10)) && !at(1, 9).covers(at(1, 10)));
        assert!(!at(1, 99).covers(at(2, 10)), "it has not followed");
        assert!(at(2, 10).covers(at(1, 10)) && !at(2, 9).covers(at(1, 10)));
        for bad in [
            "",
            "pg",
            "pg/",
            "pg/1/",
            "pg/1/0",
            "pg/x/0/1",
            "pg/1/0/",
            "pg/1/0/123456789",
            "pg/-1/0/1",
            "my/1/0/1",
        ] {
            assert_eq!(Position::told(bad.as_bytes()), None, "{bad}");
        }
    }
}
