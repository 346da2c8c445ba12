//! What a breaker decides. Pure: time and chance are arguments.
//!
//! Two things are kept apart. Answers that fail say that the service has trouble with the work: a share of the work is
//! refused, as large as the trouble, and what is let through tells when it is over. Connects that fail say that nobody
//! is there: everything is refused but a probe now and then, and after an answer the work comes back by degrees.

use base::Nanos;
use config::sections::Breaker as Rules;
use std::time::Duration;

/// Share of attempts to refuse when `failed` of the last `all` that were let through have failed:
/// `(all - good / threshold) / (all + 1)`, the client-side throttling of the SRE book (chapter 21) with `K = 1 / threshold`.
pub fn share(rules: &Rules, all: u64, failed: u64) -> f64 {
    if all < u64::from(rules.at_least) {
        return 0.0;
    }
    let good = all.saturating_sub(failed) as f64;
    let share = (all as f64 - good / rules.threshold) / (all as f64 + 1.0);
    share.clamp(0.0, rules.most)
}

/// Connects must have failed for this long: a restart that takes a moment is no reason.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
/// The share that is let through right after the first answer.
const FIRST: f64 = 0.1;

/// Whether anybody is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Phase {
    #[default]
    Closed,
    /// Nobody is. The next attempt from `probe_at` on is let through.
    Open { probe_at: Nanos },
    /// Somebody has answered since `began`.
    Back { began: Nanos },
}

/// What is known of a service's being there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Presence {
    pub phase: Phase,
    /// Connects that failed in a row.
    pub failures: u32,
    /// The first of them.
    pub since: Nanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    ConnectFailed,
    /// A response, whatever its status.
    Answered,
}

impl Presence {
    /// Nothing has failed since the last answer: the common case.
    pub fn calm(&self) -> bool {
        self.phase == Phase::Closed && self.failures == 0
    }

    /// Whether an attempt is let through; `random` is uniform in 0 to 1.
    pub fn admit(&mut self, rules: &Rules, now: Nanos, random: f64) -> bool {
        match self.phase {
            Phase::Closed => true,
            Phase::Open { probe_at } if now >= probe_at => {
                self.phase = Phase::Open {
                    probe_at: now + rules.probe,
                };
                true
            }
            Phase::Open { .. } => false,
            Phase::Back { began } => {
                let part = now.since(began).as_secs_f64() / rules.ramp.as_secs_f64().max(1e-3);
                if part >= 1.0 {
                    self.phase = Phase::Closed;
                }
                random < part.max(FIRST)
            }
        }
    }

    pub fn learn(&mut self, event: Event, rules: &Rules, now: Nanos) {
        if event == Event::Answered {
            self.failures = 0;
            if let Phase::Open { .. } = self.phase {
                self.phase = Phase::Back { began: now };
            }
            return;
        }
        if self.failures == 0 {
            self.since = now;
        }
        self.failures = self.failures.saturating_add(1);
        let dead = match self.phase {
            Phase::Closed => {
                self.failures >= rules.dead_after && now.since(self.since) >= LONG_ENOUGH
            }
            Phase::Back { .. } => true,
            Phase::Open { .. } => false,
        };
        if dead {
            self.phase = Phase::Open {
                probe_at: now + rules.probe,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    #[test]
    fn what_is_refused_grows_with_what_fails_and_a_handful_decides_nothing() {
        let rules = Rules::default();
        assert_eq!(share(&rules, 19, 19), 0.0, "too few");
        assert_eq!(share(&rules, 1000, 0), 0.0);
        assert_eq!(share(&rules, 1000, 500), 0.0, "half of it works");
        assert!((share(&rules, 1000, 750) - 0.5).abs() < 0.01);
        assert_eq!(
            share(&rules, 1000, 1000),
            0.9,
            "some are always let through"
        );
    }

    fn dead(rules: &Rules) -> Presence {
        let mut p = Presence::default();
        for i in 0..10 {
            assert!(p.admit(rules, ms(i * 150), 0.5));
            p.learn(Event::ConnectFailed, rules, ms(i * 150));
        }
        p
    }

    #[test]
    fn nobody_there_means_probes_only_and_work_comes_back_by_degrees() {
        let rules = Rules::default();
        let mut p = dead(&rules);
        assert_eq!(p.phase, Phase::Open { probe_at: ms(1850) });
        let probes = (1400..3400)
            .filter(|t| p.admit(&rules, ms(*t), 0.0))
            .count();
        assert_eq!(probes, 4, "one each half second");
        p.learn(Event::ConnectFailed, &rules, ms(3400));
        assert!(
            !p.admit(&rules, ms(3401), 0.0),
            "a probe that fails changes nothing"
        );
        p.learn(Event::Answered, &rules, ms(4000));
        let let_in = |p: &mut Presence, t| {
            (0..100)
                .filter(|i| p.admit(&rules, ms(t), f64::from(*i) / 100.0))
                .count()
        };
        assert_eq!((let_in(&mut p, 4000), let_in(&mut p, 6500)), (10, 50));
        assert_eq!(let_in(&mut p, 9000), 100);
        assert_eq!(
            p,
            Presence {
                since: p.since,
                ..Presence::default()
            }
        );
        let mut again = dead(&rules);
        again.learn(Event::Answered, &rules, ms(2000));
        again.learn(Event::ConnectFailed, &rules, ms(2100));
        assert_eq!(again.phase, Phase::Open { probe_at: ms(2600) });
    }

    #[test]
    fn a_moment_is_not_enough_and_an_answer_in_between_starts_over() {
        let rules = Rules::default();
        let mut p = Presence::default();
        for i in 0..100 {
            p.learn(Event::ConnectFailed, &rules, ms(i * 9));
        }
        assert_eq!(p.phase, Phase::Closed, "a hundred in less than a second");
        let mut p = Presence::default();
        for i in 0..100 {
            let event = match i % 9 {
                8 => Event::Answered,
                _ => Event::ConnectFailed,
            };
            p.learn(event, &rules, ms(i * 1000));
        }
        assert_eq!(p.phase, Phase::Closed);
    }

    proptest! {
        #[test]
        fn whatever_happens_a_probe_comes_in_time(
            events in prop::collection::vec((any::<bool>(), 0u64..400), 1..200),
        ) {
            let rules = Rules::default();
            let (mut p, mut now, mut last) = (Presence::default(), 0, 0);
            for (fails, gap) in events {
                now += gap;
                if p.admit(&rules, ms(now), 0.0) {
                    last = now;
                    let event = if fails { Event::ConnectFailed } else { Event::Answered };
                    p.learn(event, &rules, ms(now));
                }
                prop_assert!(now - last < 500, "refused for {} ms", now - last);
            }
        }
    }
}
