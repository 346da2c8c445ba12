//! What is known of one name, and when to ask again. Pure.

use base::Nanos;
use std::net::IpAddr;
use std::time::Duration;

/// Addresses of one name that are used; more are left out.
pub const MOST: usize = 64;
/// An answer holds at least and at most so long, whatever it says.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// Asked again when so much of an answer's time is over.
const EARLY: f64 = 0.8;
/// After failures: doubled from the shortest to this.
const BACKOFF: Duration = Duration::from_secs(30);

/// Addresses of one kind, and how long they may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub addresses: Vec<IpAddr>,
    pub ttl: Duration,
}

/// One name. IPv4 and IPv6 are asked for apart: one may fail while the other does not.
#[derive(Clone, Debug, Default)]
pub struct Known {
    kinds: [Vec<IpAddr>; 2],
    failures: u32,
    /// When to ask again.
    pub due: Nanos,
}

/// What an answer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The same addresses as before.
    Same,
    Changed,
    /// What was known stays.
    Failed,
}

impl Known {
    /// All addresses, sorted, so that their order is no news.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut all = self.kinds.concat();
        all.sort();
        all.dedup();
        all.truncate(MOST);
        all
    }

    /// Takes the answers for both kinds; `None`: that one failed. No address at all is a failure, too: an empty
    /// answer is more often a mistake of DNS than the wish to serve nobody.
    pub fn learn(&mut self, answers: [Option<Answer>; 2], now: Nanos) -> News {
        let before = self.addresses();
        let some = answers.iter().flatten().any(|a| !a.addresses.is_empty());
        if !some {
            self.failures = self.failures.saturating_add(1);
            let doubled = SHORTEST * (1 << (self.failures - 1).min(10));
            self.due = now + doubled.min(BACKOFF);
            return News::Failed;
        }
        self.failures = 0;
        let used = answers.iter().flatten().filter(|a| !a.addresses.is_empty());
        let ttl = used.map(|a| a.ttl).min().unwrap_or(SHORTEST);
        for (kind, answer) in self.kinds.iter_mut().zip(answers) {
            if let Some(answer) = answer {
                *kind = answer.addresses;
            }
        }
        self.due = now + ttl.clamp(SHORTEST, LONGEST).mul_f64(EARLY);
        match self.addresses() == before {
            true => News::Same,
            false => News::Changed,
        }
    }

    /// The last answer was none.
    pub fn fails(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(last: &[u8], ttl: u64) -> Option<Answer> {
        Some(Answer {
            addresses: last.iter().map(|n| IpAddr::from([10, 0, 0, *n])).collect(),
            ttl: Duration::from_secs(ttl),
        })
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn an_answer_is_asked_for_again_before_it_runs_out_within_bounds() {
        let mut known = Known::default();
        for (ttl, due) in [
            (10, 8 * SECOND),
            (0, 8 * SECOND / 10),
            (86_400, 240 * SECOND),
        ] {
            known.learn([answer(&[1], ttl), answer(&[], 5)], Nanos(0));
            assert_eq!(known.due, Nanos(due), "{ttl}");
        }
    }

    #[test]
    fn order_is_no_news_and_a_failure_keeps_what_was_known() {
        let mut known = Known::default();
        let mut learn = |a, b| {
            (
                known.learn([a, b], Nanos(0)),
                known.addresses().len(),
                known.due,
            )
        };
        assert_eq!(learn(answer(&[1, 2], 10), None).0, News::Changed);
        assert_eq!(learn(answer(&[2, 1], 10), None).0, News::Same);
        assert_eq!(learn(None, None), (News::Failed, 2, Nanos(SECOND)));
        let empty = learn(answer(&[], 10), answer(&[], 10));
        assert_eq!(
            empty,
            (News::Failed, 2, Nanos(2 * SECOND)),
            "nothing is no answer"
        );
        for _ in 0..20 {
            learn(None, None);
        }
        assert_eq!(learn(None, None).2, Nanos(30 * SECOND));
        assert_eq!(learn(answer(&[3], 10), answer(&[4], 10)).1, 2);
        assert_eq!(learn(answer(&[3], 10), None).1, 2, "the other kind stays");
    }

    #[test]
    fn a_flood_of_addresses_is_cut() {
        let mut known = Known::default();
        let all: Vec<u8> = (0..=255).collect();
        known.learn([answer(&all, 10), None], Nanos(0));
        assert_eq!(known.addresses().len(), MOST);
    }
}
