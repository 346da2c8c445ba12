//! The one request of a signal that is on its way: tried until it is taken or given up. Pure; the time is passed in.

use super::answer::Said;
use super::retry::{self, Next};
use base::Nanos;
use serde::Serialize;
use std::time::SystemTime;

/// What became of spans or data points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub sent: u64,
    /// The collector took the request, but not these.
    pub rejected: u64,
    /// It refused the request for good.
    pub refused: u64,
    /// Tried in vain for too long.
    pub given_up: u64,
    /// Tries that failed, whatever came of them.
    pub failed_tries: u64,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Sent,
    /// With so many left out, and why.
    Partly(u64, String),
    /// It is tried again.
    Waits(String),
    Lost(String),
}

#[derive(Default)]
pub struct Lane {
    batch: Option<Batch>,
    /// Not before.
    due: Nanos,
    pub counts: Counts,
    /// Why the last try failed; `None`: it did not.
    pub wrong: Option<String>,
}

struct Batch {
    body: Vec<u8>,
    items: u64,
    first: Option<Nanos>,
    tries: u32,
}

impl Lane {
    pub fn is_free(&self) -> bool {
        self.batch.is_none()
    }

    /// To be sent next; what waits is replaced, as metrics say the same and more. When the next try is due stays.
    pub fn load(&mut self, body: Vec<u8>, items: u64) {
        let (first, tries) = match &self.batch {
            Some(before) => (before.first, before.tries),
            None => (None, 0),
        };
        self.batch = Some(Batch {
            body,
            items,
            first,
            tries,
        });
    }

    /// What is to be sent now.
    pub fn ready(&self, now: Nanos) -> Option<&[u8]> {
        let batch = self.batch.as_ref().filter(|_| now >= self.due)?;
        Some(&batch.body)
    }

    /// When the next try is due; `None`: nothing waits.
    pub fn due(&self) -> Option<Nanos> {
        self.batch.as_ref().map(|_| self.due)
    }

    /// A try has ended like this.
    pub fn told(&mut self, said: &Said, now: Nanos, random: f64, wall: SystemTime) -> Option<Told> {
        let batch = self.batch.as_mut()?;
        batch.tries += 1;
        let first = *batch.first.get_or_insert(now);
        let (tries, items) = (batch.tries, batch.items);
        let next = retry::next(said, tries, now.since(first), random, wall);
        if next == Next::Done {
            self.batch = None;
            self.due = Nanos::ZERO;
            return Some(self.taken(said, items));
        }
        let why = retry::why(said);
        self.counts.failed_tries += 1;
        self.wrong = Some(why.clone());
        match next {
            Next::Again(wait) => {
                self.due = Nanos(now.0.saturating_add(wait.as_nanos() as u64));
                Some(Told::Waits(why))
            }
            Next::Drop(why) => {
                match retry::passes(said) {
                    true => self.counts.given_up += items,
                    false => self.counts.refused += items,
                }
                self.batch = None;
                Some(Told::Lost(why))
            }
            Next::Done => None,
        }
    }

    fn taken(&mut self, said: &Said, items: u64) -> Told {
        self.wrong = None;
        let Said::Taken { rejected, message } = said else {
            return Told::Sent;
        };
        let rejected = (*rejected).min(items);
        self.counts.sent += items - rejected;
        self.counts.rejected += rejected;
        match rejected {
            0 => Told::Sent,
            n => Told::Partly(n, message.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(s: u64) -> Nanos {
        Nanos(s * 1_000_000_000)
    }

    fn status(status: u16) -> Said {
        Said::Status {
            status,
            after: None,
            message: String::new(),
        }
    }

    #[test]
    fn a_batch_is_tried_until_it_is_taken() {
        let mut lane = Lane::default();
        assert!(lane.is_free() && lane.ready(at(0)).is_none());
        lane.load(vec![1], 5);
        assert_eq!(lane.ready(at(0)), Some(&[1][..]));
        let told = lane.told(&status(503), at(0), 1.0, WALL);
        assert_eq!(told, Some(Told::Waits("it answered 503".into())));
        assert_eq!((lane.ready(at(0)), lane.due()), (None, Some(at(1))));
        assert_eq!(lane.ready(at(1)), Some(&[1][..]));
        let partly = Said::Taken {
            rejected: 2,
            message: "odd".into(),
        };
        let told = lane.told(&partly, at(1), 1.0, WALL);
        assert_eq!(told, Some(Told::Partly(2, "odd".into())));
        assert!(lane.is_free() && lane.wrong.is_none());
        let counts = (
            lane.counts.sent,
            lane.counts.rejected,
            lane.counts.failed_tries,
        );
        assert_eq!(counts, (3, 2, 1));
    }

    #[test]
    fn what_is_refused_is_counted_and_what_is_too_old_as_well() {
        let mut lane = Lane::default();
        lane.load(vec![1], 5);
        let told = lane.told(&status(400), at(0), 1.0, WALL);
        assert_eq!(told, Some(Told::Lost("it answered 400".into())));
        assert_eq!((lane.counts.refused, lane.is_free()), (5, true));
        lane.load(vec![2], 7);
        let (mut now, mut tries) = (Nanos::ZERO, 0);
        while !lane.is_free() {
            now = lane.due().unwrap().max(now);
            lane.told(&Said::Silent("away".into()), now, 1.0, WALL);
            tries += 1;
        }
        assert_eq!((lane.counts.given_up, lane.counts.refused), (7, 5));
        assert!(
            (300.0..400.0).contains(&now.secs_f64()) && tries < 20,
            "{now:?}, {tries} tries"
        );
        assert_eq!(lane.wrong.as_deref(), Some("away"));
    }

    #[test]
    fn newer_metrics_take_the_place_of_older_ones_and_wait_as_they_did() {
        let mut lane = Lane::default();
        lane.load(vec![1], 5);
        lane.told(&status(503), at(0), 1.0, WALL);
        lane.load(vec![2], 6);
        assert_eq!(
            (lane.ready(at(0)), lane.ready(at(1))),
            (None, Some(&[2][..]))
        );
        lane.told(&status(503), at(1), 1.0, WALL);
        assert_eq!(lane.due(), Some(at(3)), "the second wait is longer");
    }
}
