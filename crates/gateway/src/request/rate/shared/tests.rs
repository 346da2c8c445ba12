//! The bound, over random traffic, partitions, clocks that jump, nodes that die with leases, and an engine that forgets.

use super::core::{Key, LIFE, LOOK, Plan, TURN, Verdict};
use base::Nanos;
use proptest::prelude::*;
use std::time::Duration;
use store::counter::{self, UNIT};
use store::{Quota, Take, Taken};

/// What can happen at one instant.
#[derive(Clone, Debug)]
enum Event {
    /// So many requests at a node.
    Arrive {
        node: usize,
        requests: u8,
    },
    /// The background of a node looks, and hears the answer so many looks later.
    Look {
        node: usize,
    },
    /// A node and the engine: 0 hear each other, 1 nothing arrives, 2 answers are lost.
    Partition {
        node: usize,
        how: u8,
    },
    Die {
        node: usize,
    },
    /// The engine's clock moves by so many milliseconds.
    Step {
        ms: i32,
    },
    /// The engine comes back as it was a while ago, or empty.
    Forget {
        empty: bool,
    },
    /// It writes down what it knows.
    Save,
}

fn event() -> impl Strategy<Value = Event> {
    let node = 0usize..3;
    prop_oneof![
        12 => (node.clone(), 1u8..12).prop_map(|(node, requests)| Event::Arrive { node, requests }),
        12 => node.clone().prop_map(|node| Event::Look { node }),
        1 => (node.clone(), 0u8..3).prop_map(|(node, how)| Event::Partition { node, how }),
        1 => node.prop_map(|node| Event::Die { node }),
        1 => (-4_000_000i32..4_000_000).prop_map(|ms| Event::Step { ms }),
        1 => any::<bool>().prop_map(|empty| Event::Forget { empty }),
        1 => Just(Event::Save),
    ]
}

struct World {
    quota: Quota,
    nodes: [(Key, u8); 3],
    tat: u64,
    saved: u64,
    /// Of the engine's clock, microseconds ahead of the true time.
    ahead: i64,
    /// True time, nanoseconds.
    now: Nanos,
    /// When what passed, and what was leased just before.
    passed: Vec<(Nanos, u64, u64)>,
    /// When something happened after which a whole burst may be there again.
    reset: Vec<Nanos>,
}

impl World {
    fn engine(&mut self, want: u64, least: u64) -> Taken {
        let unix = 1_000_000_000_000_000i64 + (self.now.0 / 1000) as i64 + self.ahead;
        let (key, group) = ("k".into(), "g".into());
        let take = Take {
            key,
            group,
            quota: self.quota,
            want,
            least,
        };
        let (tat, taken) = counter::take(self.tat, unix as u64, &take);
        self.tat = tat;
        taken
    }

    fn arrive(&mut self, node: usize) {
        let now = self.now;
        let leased = self.nodes.iter().map(|(k, _)| k.leased()).sum();
        let cut = self.nodes[node].1;
        let passes = match self.nodes[node].0.decide(UNIT, now) {
            Verdict::Go => true,
            Verdict::Refuse(wait) => {
                assert!(wait > Duration::ZERO);
                false
            }
            Verdict::Ask if cut == 1 => false,
            Verdict::Ask => {
                let taken = self.engine(UNIT, UNIT);
                cut == 0 && self.nodes[node].0.one(UNIT, &taken, now).is_ok()
            }
        };
        if passes {
            self.passed.push((now, UNIT, leased));
        }
    }

    fn look(&mut self, node: usize) {
        let (now, cut) = (self.now, self.nodes[node].1);
        let plan = self.nodes[node].0.look(&self.quota, now);
        if plan.back > 0 && cut != 1 {
            self.tat = counter::give(self.tat, &self.quota, plan.back);
        }
        if plan.want == 0 {
            return;
        }
        let taken = (cut != 1).then(|| self.engine(plan.want, plan.least));
        match taken.filter(|_| cut == 0) {
            Some(taken) => self.nodes[node].0.answered(&plan, &taken, now, now),
            None => self.nodes[node].0.unanswered(),
        }
    }

    fn happens(&mut self, event: &Event) {
        match *event {
            Event::Arrive { node, requests } => (0..requests).for_each(|_| self.arrive(node)),
            Event::Look { node } => self.look(node),
            Event::Partition { node, how } => self.nodes[node].1 = how,
            Event::Die { node } => self.nodes[node] = (Key::default(), 0),
            Event::Step { ms } => {
                self.ahead = (ms as i64) * 1000;
                self.reset.push(self.now);
            }
            Event::Forget { empty } => {
                self.tat = if empty { 0 } else { self.saved };
                self.reset.push(self.now);
            }
            Event::Save => self.saved = self.tat,
        }
    }

    /// In any span: what the rate gives in it, a burst, what was leased at its beginning, and a burst for each reset.
    fn check(&self) -> Result<(), TestCaseError> {
        let burst = self.quota.burst as f64;
        for (i, (from, _, leased)) in self.passed.iter().enumerate() {
            let mut sum = 0;
            for (to, units, _) in &self.passed[i..] {
                sum += units;
                let resets = self.reset.iter().filter(|r| *r >= from && *r <= to).count();
                let t_us = to.since(*from).as_micros() as f64 + 2.0;
                let rate = t_us * 1e3 / self.quota.spacing_ns as f64;
                let most = burst * (1 + resets) as f64 + rate + *leased as f64 / 1e3;
                prop_assert!(
                    sum as f64 / 1e3 <= most + 1e-3,
                    "{sum} in {t_us} us, at most {most}"
                );
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn all_nodes_together_stay_within_the_bound(
        rate in 1.0f64..3000.0,
        burst in 1u32..60,
        events in prop::collection::vec((0u64..40_000_000, event()), 50..400),
    ) {
        let mut world = World {
            quota: Quota::new(rate, burst),
            nodes: Default::default(),
            tat: 0,
            saved: 0,
            ahead: 0,
            now: Nanos(1),
            passed: Vec::new(),
            reset: Vec::new(),
        };
        for (gap, event) in &events {
            world.now = Nanos(world.now.0 + gap);
            world.happens(event);
        }
        world.check()?;
    }
}

/// One node alone, asked for `per_turn` requests each turn, whose background looks as it does: what passes in 10 s, and how
/// often the engine was called.
fn steady(quota: Quota, gap: Duration) -> (u64, u64) {
    let (mut key, mut tat, mut calls, mut passed) = (Key::default(), 0, 0, 0);
    let (mut now, mut look) = (Nanos(1), Nanos(1));
    let mut ask = |now: Nanos, want, least| {
        calls += 1;
        let (k, group) = ("k".into(), "g".into());
        let take = Take {
            key: k,
            group,
            quota,
            want,
            least,
        };
        let (next, taken) = counter::take(tat, 1_000_000 + now.0 / 1000, &take);
        tat = next;
        taken
    };
    while now < Nanos::from_secs_f64(10.0) {
        if now >= look {
            look = now + LOOK;
            let plan = key.look(&quota, now);
            if plan.want > 0 {
                let taken = ask(now, plan.want, plan.least);
                key.answered(&plan, &taken, now, now);
            }
        }
        passed += match key.decide(UNIT, now) {
            Verdict::Go => 1,
            Verdict::Refuse(_) => 0,
            Verdict::Ask => key.one(UNIT, &ask(now, UNIT, UNIT), now).is_ok() as u64,
        };
        now = now + gap;
    }
    (passed, calls)
}

#[test]
fn below_the_limit_everything_passes_and_the_engine_is_asked_seldom() {
    let quota = Quota::new(1000.0, 100);
    let (passed, calls) = steady(quota, Duration::from_micros(1111));
    assert_eq!(passed, 9001, "900/s");
    assert!(calls < 600, "{calls} calls for 9000 requests");
}

#[test]
fn above_the_limit_the_rate_passes_and_no_storm_of_questions_comes() {
    let quota = Quota::new(1000.0, 100);
    let (passed, calls) = steady(quota, Duration::from_micros(500));
    assert!((9_700..=10_101).contains(&passed), "{passed}");
    assert!(calls < 1000, "{calls} calls for 20000 requests");
}

#[test]
fn a_cold_key_is_exact() {
    let quota = Quota::new(2.0, 3);
    // Five a second, limit two a second.
    let (passed, calls) = steady(quota, Duration::from_millis(200));
    assert!((22..=23).contains(&passed), "{passed}");
    assert!(calls <= 51);
}

#[test]
fn what_is_left_of_a_lease_goes_back_when_it_expires() {
    let quota = Quota::new(1000.0, 100);
    let (mut key, mut now) = (Key::default(), Nanos(1));
    let granted = |want| Taken {
        granted: want,
        ..Taken::default()
    };
    for _ in 0..10 {
        assert_eq!(key.decide(UNIT, now), Verdict::Ask);
        assert!(key.one(UNIT, &granted(UNIT), now).is_ok());
    }
    let plan = key.look(&quota, now);
    assert_eq!((plan.want, plan.back), (10 * UNIT, 0));
    key.answered(&plan, &granted(plan.want), now, now);
    assert_eq!(key.decide(UNIT, now), Verdict::Go);
    now = now + LIFE;
    assert_eq!(key.decide(UNIT, now), Verdict::Ask, "it has expired");
    assert_eq!(key.look(&quota, now).back, 9 * UNIT);
    key.unanswered();
    for _ in 0..20 {
        now = now + TURN;
        let plan = key.look(&quota, now);
        if plan.want > 0 {
            key.unanswered();
        }
    }
    assert!(key.is_idle(now));
}

#[test]
fn what_was_used_beyond_what_was_taken_is_paid_by_the_next_lease() {
    let (mut key, now) = (Key::default(), Nanos(1));
    let plan = Plan {
        back: 0,
        want: 5 * UNIT,
        least: UNIT,
    };
    let five = Taken {
        granted: 5 * UNIT,
        ..Taken::default()
    };
    key.settle(2 * UNIT as i64, now);
    key.answered(&plan, &five, now, now);
    assert_eq!(key.leased(), 3 * UNIT);
    key.settle(-(UNIT as i64), now);
    assert_eq!(key.leased(), 4 * UNIT);
}

#[test]
fn a_share_is_what_the_engine_said_last_in_this_process_or_the_one_before() {
    let (shared, group) = (super::Shared::default(), super::Group::of("buy"));
    assert_eq!(shared.known(&group), None);
    assert_eq!(shared.share(&group), 1.0, "it may be alone");
    let before = [("buy".to_owned(), 0.25), ("other".to_owned(), f64::NAN)];
    shared.remember(before.into());
    assert_eq!(shared.share(&group), 0.25);
    assert_eq!(shared.known(&super::Group::of("other")), None);
    let said = |granted, all: f64| Taken {
        granted,
        group: all,
        ..Taken::default()
    };
    group.learn(&said(0, 5000.0), 1);
    let none = shared.share(&group);
    assert!(none > 0.0 && none < 0.01, "others have it all: {none}");
    group.learn(&said(2500, 5000.0), 1);
    assert_eq!(shared.share(&group), 0.5);
}
