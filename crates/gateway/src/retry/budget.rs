//! How many retries the recent traffic pays for: a share of the requests of the last ten seconds, plus a floor.
//!
//! Spent when a retry is decided, not when it is sent, so retries that wait in back-off are already counted.
//! Two threads that decide at the same instant may both take the last retry: the overshoot is at most one per
//! traffic thread.

use crate::recent::{Recent, SPAN};
use base::Nanos;

/// State of one route's budget; lives on across reloads.
#[derive(Debug, Default)]
pub struct Budget {
    /// Requests and retries.
    recent: Recent,
}

impl Budget {
    /// Counts a first attempt.
    pub fn earn(&self, now: Nanos) {
        self.recent.add(now, 1, 0);
    }

    /// Takes one retry, when `share` of the requests and `floor_per_s` over the last ten seconds allow one more.
    pub fn spend(&self, share: f64, floor_per_s: f64, now: Nanos) -> bool {
        let allowed = self.has(share, floor_per_s, now);
        if allowed {
            self.recent.add(now, 0, 1);
        }
        allowed
    }

    /// Whether one more retry is allowed.
    pub fn has(&self, share: f64, floor_per_s: f64, now: Nanos) -> bool {
        let (requests, retries) = self.counts(now);
        let allowed = share * requests as f64 + floor_per_s * SPAN as f64;
        (retries + 1) as f64 <= allowed
    }

    /// Requests and retries of the last ten seconds.
    pub fn counts(&self, now: Nanos) -> (u64, u64) {
        self.recent.counts(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s(seconds: f64) -> Nanos {
        Nanos::from_secs_f64(seconds)
    }

    #[test]
    fn a_fifth_of_the_requests_of_ten_seconds_and_the_floor() {
        let b = Budget::default();
        assert!(!b.spend(0.2, 0.0, s(0.0)), "no traffic, no retry");
        for i in 0..100 {
            b.earn(s(i as f64 / 100.0));
        }
        let got = (0..100).filter(|_| b.spend(0.2, 1.0, s(1.0))).count();
        assert_eq!(got, 20 + 10);
        assert_eq!(b.counts(s(9.9)), (100, 30));
        assert_eq!(
            b.counts(s(10.5)),
            (0, 30),
            "the requests are too old, the retries not yet"
        );
        assert_eq!(b.counts(s(11.5)), (0, 0));
    }

    #[test]
    fn quiet_days_leave_nothing_behind() {
        let b = Budget::default();
        b.earn(s(5.0));
        assert_eq!(b.counts(s(5.0 + 86_400.0)), (0, 0));
    }

    proptest! {
        #[test]
        fn retries_never_exceed_the_share_of_any_ten_seconds(
            steps in prop::collection::vec((0u64..300, any::<bool>()), 1..400),
            share in 0.0f64..1.0,
            floor in 0.0f64..3.0,
        ) {
            let b = Budget::default();
            let mut now = 0;
            let mut all: Vec<(u64, bool)> = Vec::new();
            for (gap, ask) in steps {
                now += gap;
                let at = Nanos(now * 1_000_000);
                if ask {
                    if b.spend(share, floor, at) {
                        all.push((now / 1000, true));
                    }
                } else {
                    b.earn(at);
                    all.push((now / 1000, false));
                }
                let recent = |retry: bool| all.iter().filter(|(t, r)| *r == retry && now / 1000 - t < 10).count() as f64;
                prop_assert_eq!(b.counts(at), (recent(false) as u64, recent(true) as u64));
            }
            // At every retry the count so far was allowed by the requests so far.
            let (mut requests, mut retries) = (0.0, 0.0);
            for (_, retry) in &all {
                if *retry { retries += 1.0 } else { requests += 1.0 }
            }
            let decades = 1.0 + (now / 9000) as f64;
            prop_assert!(retries <= share * requests + floor * 10.0 * decades + 1e-9);
        }
    }
}
