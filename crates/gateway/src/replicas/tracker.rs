//! How old what a replica shows may be: the last moment at which the primary was no further than the replica is now. Pure;
//! all times are of this gateway's clock, so that no clocks of hosts are compared.

use super::position::Position;
use base::Nanos;
use std::collections::VecDeque;
use std::time::Duration;

/// Moments that are remembered; where there would be more they are further apart, which makes ages coarser, never shorter.
const MOST: usize = 512;

/// Of one replica.
#[derive(Debug, Default)]
pub struct Tracker {
    /// Where the primary was at moments that the replica has not come to yet.
    ahead: VecDeque<(Position, Nanos)>,
    fresh_at: Option<Nanos>,
    /// Between two of them, at least.
    apart: Duration,
}

impl Tracker {
    /// The primary was here, asked at `asked`.
    pub fn primary(&mut self, at: Position, asked: Nanos) {
        match self.ahead.back_mut() {
            // Nothing was written since.
            Some(last) if last.0 == at => return last.1 = asked,
            // Another one has been promoted: the old one's moments mean nothing beyond its end.
            Some(last) if last.0.timeline != at.timeline => self.ahead.clear(),
            Some(last) if asked.since(last.1) < self.apart => return,
            _ => {}
        }
        if self.ahead.len() >= MOST {
            let mut keep = false;
            self.ahead.retain(|_| {
                keep = !keep;
                keep
            });
            let first = self.ahead.front().map_or(asked, |f| f.1);
            self.apart = asked.since(first) / (MOST as u32 / 2);
        }
        self.ahead.push_back((at, asked));
    }

    /// The replica is here: since when it has everything that was there then; `None`: nobody knows.
    pub fn replica(&mut self, at: Position) -> Option<Nanos> {
        while let Some((ahead, asked)) = self.ahead.front() {
            if !at.covers(*ahead) {
                break;
            }
            self.fresh_at = self.fresh_at.max(Some(*asked));
            // The last one stays, to be moved on while nothing is written.
            if self.ahead.len() == 1 {
                break;
            }
            self.ahead.pop_front();
        }
        if self.ahead.len() < MOST / 8 {
            self.apart = Duration::ZERO;
        }
        self.fresh_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(lsn: u64) -> Position {
        Position { timeline: 1, lsn }
    }

    proptest! {
        /// The primary writes one byte each millisecond and is asked each `step`; the replica follows `behind` it.
        #[test]
        fn an_age_is_never_told_too_short(step in 1u64..20, behind in 0u64..3000) {
            let mut t = Tracker::default();
            for ms in (5000u64..9000).step_by(step as usize) {
                t.primary(at(ms), Nanos(ms));
                if let Some(fresh) = t.replica(at(ms - behind)) {
                    prop_assert!(fresh.0 <= ms - behind, "{fresh:?} at {ms}");
                    prop_assert!(t.ahead.len() <= MOST);
                }
            }
            let last = t.replica(at(9000 - behind)).unwrap();
            // Coarser by what was left out.
            prop_assert!(9000 - last.0 <= behind + 40 + behind / 100, "{last:?}");
        }
    }

    #[test]
    fn while_nothing_is_written_a_replica_does_not_age() {
        let mut t = Tracker::default();
        t.primary(at(5), Nanos(1));
        assert_eq!(t.replica(at(4)), None);
        assert_eq!(t.replica(at(5)), Some(Nanos(1)));
        t.primary(at(5), Nanos(900));
        assert_eq!(t.replica(at(5)), Some(Nanos(900)));
        let promoted = Position {
            timeline: 2,
            lsn: 6,
        };
        t.primary(promoted, Nanos(1000));
        assert_eq!(
            t.replica(at(7)),
            Some(Nanos(900)),
            "it does not follow the new one"
        );
        assert_eq!(t.replica(promoted), Some(Nanos(1000)));
    }
}
