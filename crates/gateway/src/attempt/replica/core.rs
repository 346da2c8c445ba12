//! The choice. Pure: what is known of the databases is an argument, and so are time and randomness.

use crate::replicas::{Position, Seen};
use config::sections::Consistency;
use std::time::Duration;

/// One database, as far as it matters here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    pub at: Position,
    /// How old what it shows may be; `None`: nobody knows.
    pub lag: Option<Duration>,
    /// It answers as a replica, and there is an instance that reads from it.
    pub usable: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub level: Consistency,
    pub writes: bool,
    pub seen: Seen,
    /// It may still wait for a replica.
    pub patient: bool,
    /// This one has failed already.
    pub avoid: Option<usize>,
    /// Uniform over all of `u64`.
    pub random: u64,
}

/// Why the primary answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was asked for.
    Asked,
    /// No replica has come so far.
    Behind,
    /// No replica can be used.
    Away,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Replica(usize),
    Primary(usize, Why),
    /// One of these (bits) may soon have come so far.
    Wait(u32),
    /// Nobody can give what was promised.
    Refuse,
}

/// `primary` is who takes writes now, `last` who did last.
pub fn choose(asked: &Asked, all: &[Look], primary: Option<usize>, last: usize) -> Choice {
    if asked.writes {
        return Choice::Primary(primary.unwrap_or(last), Why::Asked);
    }
    // A primary that is older than what the session has seen is one no more.
    let primary =
        primary.filter(|p| asked.seen.unknown || all[*p].at.timeline >= asked.seen.at.timeline);
    let to_primary = |why| primary.map_or(Choice::Refuse, |p| Choice::Primary(p, why));
    let usable = |i: usize| all[i].usable;
    let any = (0..all.len()).any(usable);
    let why = if any { Why::Behind } else { Why::Away };
    let pick = |may: &dyn Fn(usize) -> bool| {
        let may = |i: usize| usable(i) && may(i);
        let kept = asked.seen.from.map(|f| f.database as usize);
        let kept = kept.filter(|i| *i < all.len() && may(*i) && Some(*i) != asked.avoid);
        kept.or_else(|| {
            drawn(
                all.len(),
                |i| may(i) && Some(i) != asked.avoid,
                asked.random,
            )
        })
        .or_else(|| drawn(all.len(), may, asked.random))
    };
    match asked.level {
        Consistency::Strong => to_primary(Why::Asked),
        Consistency::Session if asked.seen.unknown => to_primary(Why::Behind),
        Consistency::Session => {
            // What was read there may be beyond the position: only the same one, or the primary, surely has it.
            let only = asked
                .seen
                .from
                .filter(|f| !f.covered)
                .map(|f| f.database as usize);
            let one = |i: usize| only.is_none_or(|o| o == i);
            if let Some(i) = pick(&|i| one(i) && all[i].at.covers(asked.seen.at)) {
                return Choice::Replica(i);
            }
            let wait = (0..all.len()).filter(|i| usable(*i) && one(*i));
            let wait = wait.fold(0u32, |bits, i| bits | 1 << i);
            match asked.patient && wait != 0 {
                true => Choice::Wait(wait),
                false => to_primary(why),
            }
        }
        Consistency::Bounded(bound) => {
            match pick(&|i| all[i].lag.is_some_and(|lag| lag <= bound)) {
                Some(i) => Choice::Replica(i),
                None => to_primary(why),
            }
        }
        Consistency::Eventual => match pick(&|_| true) {
            Some(i) => Choice::Replica(i),
            // Any answer is better than none.
            None => Choice::Primary(primary.unwrap_or(last), Why::Away),
        },
    }
}

fn drawn(count: usize, may: impl Fn(usize) -> bool, random: u64) -> Option<usize> {
    let n = (0..count).filter(|i| may(*i)).count();
    let k = ((random as u32 as u64 * n as u64) >> 32) as usize;
    (0..count).filter(|i| may(*i)).nth(k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(lsn: u64) -> Position {
        Position { timeline: 1, lsn }
    }

    /// The primary, and two replicas.
    fn three(r1: u64, r2: u64) -> [Look; 3] {
        let replica = |lsn| Look {
            at: at(lsn),
            lag: Some(Duration::from_millis(100 - lsn.min(100))),
            usable: true,
        };
        [
            Look {
                at: at(100),
                ..Look::default()
            },
            replica(r1),
            replica(r2),
        ]
    }

    fn asked(level: Consistency, lsn: u64) -> Asked {
        let seen = Seen {
            at: at(lsn),
            ..Seen::default()
        };
        Asked {
            level,
            writes: false,
            seen,
            patient: true,
            avoid: None,
            random: 0,
        }
    }

    proptest! {
        #[test]
        fn a_session_is_never_sent_behind_itself(r1 in 0u64..100, r2 in 0u64..100, seen in 0u64..120, random: u64, patient: bool, loose in 0u8..3) {
            let mut a = Asked { random, patient, ..asked(Consistency::Session, seen) };
            if loose > 0 {
                a.seen = a.seen.read_from(loose as usize);
            }
            match choose(&a, &three(r1, r2), Some(0), 0) {
                Choice::Replica(i) => {
                    prop_assert!([100, r1, r2][i] >= seen);
                    prop_assert!(loose == 0 || i == loose as usize);
                }
                Choice::Primary(p, why) => prop_assert!(p == 0 && !patient && why == Why::Behind),
                Choice::Wait(bits) => prop_assert!(patient && bits & 1 == 0 && bits != 0),
                Choice::Refuse => prop_assert!(false),
            }
        }
    }

    #[test]
    fn what_must_be_new_is_refused_and_what_need_not_is_answered() {
        let all = three(50, 60);
        let with = |level, primary| {
            choose(
                &Asked {
                    patient: false,
                    ..asked(level, 80)
                },
                &all,
                primary,
                0,
            )
        };
        let bound = Consistency::Bounded(Duration::from_millis(45));
        assert_eq!(with(Consistency::Strong, None), Choice::Refuse);
        assert_eq!(with(Consistency::Session, None), Choice::Refuse);
        assert_eq!(with(bound, None), Choice::Replica(2));
        assert!(matches!(
            with(Consistency::Eventual, None),
            Choice::Replica(1 | 2)
        ));
        let tight = Consistency::Bounded(Duration::from_millis(10));
        assert_eq!(with(tight, Some(0)), Choice::Primary(0, Why::Behind));
        assert_eq!(with(tight, None), Choice::Refuse);
        let write = Asked {
            writes: true,
            ..asked(Consistency::Strong, 80)
        };
        assert_eq!(
            choose(&write, &all, None, 0),
            Choice::Primary(0, Why::Asked),
            "it answers as the service does"
        );
        let mut younger = asked(Consistency::Strong, 1);
        younger.seen.at.timeline = 2;
        assert_eq!(
            choose(&younger, &all, Some(0), 0),
            Choice::Refuse,
            "it was deposed"
        );
        let gone = all.map(|l| Look { usable: false, ..l });
        assert_eq!(
            choose(&asked(Consistency::Session, 1), &gone, Some(0), 0),
            Choice::Primary(0, Why::Away)
        );
    }

    #[test]
    fn who_failed_is_avoided_while_there_is_another() {
        let again = Asked {
            avoid: Some(1),
            ..asked(Consistency::Eventual, 0)
        };
        for random in [0, u64::MAX] {
            assert_eq!(
                choose(&Asked { random, ..again }, &three(9, 9), Some(0), 0),
                Choice::Replica(2)
            );
        }
        let mut alone = three(9, 9);
        alone[2].usable = false;
        assert_eq!(choose(&again, &alone, Some(0), 0), Choice::Replica(1));
    }
}
