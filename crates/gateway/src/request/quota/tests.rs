//! Quotas over a store in memory that can be away, with several nodes and restarts.

use super::ask::{Said, Wish, refill};
use super::book::{Entry, Quotas};
use super::core::{Key, Seen, Verdict, claim};
use super::gate::make;
use super::scope::Scope;
use crate::exchange::{Exchange, Facts, Head, Outgoing, Reply, ResponseHead};
use crate::gate::{Gate, Step};
use crate::testing::{Bench, Run, edits, header};
use base::Nanos;
use config::sections::{Per, Quota, RateFail, RateKey};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Ack, Entry as Stored, Error, Etag, Kv, Precondition, Put};
use tokio::runtime::{Builder, Runtime};

/// 2026-03-01T00:00:00Z.
const MARCH_MS: u64 = 1_772_323_200_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

const THERE: u8 = 0;
/// It refuses.
const AWAY: u8 = 1;
/// It does what it is asked, and the answer is lost.
const MUTE: u8 = 2;

#[derive(Default)]
struct Fake {
    all: Mutex<BTreeMap<String, (Vec<u8>, u64)>>,
    etags: AtomicU64,
    how: AtomicU8,
}

fn away() -> Error {
    Error::Away {
        engine: "fake".into(),
        why: "a test".into(),
    }
}

impl Fake {
    fn count(&self) -> u64 {
        let all = self.all.lock().unwrap();
        let numbers = all.values().map(|(v, _)| std::str::from_utf8(v).unwrap());
        numbers.map(|v| v.parse::<u64>().unwrap()).sum()
    }
}

impl Kv for Fake {
    fn get(&self, key: &str, _now_ms: u64) -> Result<Option<Stored>, Error> {
        if self.how.load(SeqCst) != THERE {
            return Err(away());
        }
        let all = self.all.lock().unwrap();
        Ok(all.get(key).map(|(value, etag)| Stored {
            key: key.into(),
            value: value.clone(),
            etag: Etag(*etag),
            expires_ms: None,
        }))
    }
    fn put(&self, put: Put, _now_ms: u64) -> Ack<Etag> {
        if self.how.load(SeqCst) == AWAY {
            return Ack::ready(Err(away()));
        }
        let mut all = self.all.lock().unwrap();
        let is = all.get(&put.key).map(|(_, etag)| Etag(*etag));
        let holds = match put.precondition {
            Precondition::Any => true,
            Precondition::Absent => is.is_none(),
            Precondition::Is(etag) => is == Some(etag),
        };
        if !holds {
            let (key, actual) = (put.key, is);
            return Ack::ready(Err(Error::Stale { key, actual }));
        }
        let etag = self.etags.fetch_add(1, SeqCst) + 1;
        all.insert(put.key, (put.value, etag));
        match self.how.load(SeqCst) {
            MUTE => Ack::ready(Err(away())),
            _ => Ack::ready(Ok(Etag(etag))),
        }
    }
    fn delete(&self, _: &str, _: Precondition, _: u64) -> Ack<bool> {
        Ack::ready(Err(away()))
    }
    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        _now_ms: u64,
    ) -> Result<Vec<Stored>, Error> {
        let all = self.all.lock().unwrap();
        let wanted = all
            .iter()
            .filter(|(k, _)| k.starts_with(prefix) && after.is_none_or(|after| k.as_str() > after));
        let entry = |(key, (value, etag)): (&String, &(Vec<u8>, u64))| Stored {
            key: key.clone(),
            value: value.clone(),
            etag: Etag(*etag),
            expires_ms: None,
        };
        Ok(wanted.map(entry).take(limit).collect())
    }
    fn sweep(&self, _limit: usize, _now_ms: u64) -> Ack<usize> {
        Ack::ready(Ok(0))
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// One Plimsoll, with one key of one quota.
struct Node {
    quotas: Quotas,
    scope: Arc<Scope>,
    entry: Arc<Entry>,
}

impl Node {
    fn new(store: &Arc<Fake>) -> Node {
        let quotas = Quotas::default();
        quotas.lend(Some(store.clone()));
        quotas.set_clock(Nanos::ZERO, MARCH_MS);
        let scope = Arc::new(Scope::new("r", "route", Per::Day, TimeZone::UTC));
        quotas.register(&scope);
        let entry = quotas.entry(7, || "k".into());
        Node {
            quotas,
            scope,
            entry,
        }
    }

    /// As a gate does whose `fail` is `closed`: whether the request passes.
    async fn ask(&self, wish: Wish, now: Nanos) -> bool {
        let now_ms = self.quotas.unix_ms(now);
        let period = self.scope.period(now_ms).unwrap();
        let verdict = self.entry.key().decide(period.from_ms, wish.cost, now);
        match verdict {
            Verdict::Go => true,
            Verdict::Refuse => false,
            Verdict::Ask => {
                let store = self.quotas.lent().unwrap();
                let (entry, scope) = (self.entry.clone(), self.scope.clone());
                let said = refill(store, entry, scope, period, wish, (now, now_ms)).await;
                matches!(said, Ok(Said::Go))
            }
        }
    }

    async fn give_back(&self, now: Nanos) {
        let _ = self.quotas.give_back(now, Duration::ZERO).await;
    }
}

#[derive(Clone, Debug)]
enum Do {
    Ask(usize, u32),
    Idle(usize),
    Die(usize),
    Store(u8),
    Wait(u64),
}

fn doings() -> impl Strategy<Value = Vec<Do>> {
    let node = 0usize..3;
    let one = prop_oneof![
        6 => (node.clone(), 1u32..40).prop_map(|(n, times)| Do::Ask(n, times)),
        2 => node.clone().prop_map(Do::Idle),
        1 => node.prop_map(Do::Die),
        1 => (THERE..=MUTE).prop_map(Do::Store),
        2 => Just(Do::Store(THERE)),
        2 => (1u64..3000).prop_map(Do::Wait),
    ];
    prop::collection::vec(one, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn never_more_than_the_limit_whoever_dies_and_whatever_is_lost(
        limit in 1u64..2000,
        cost in 1u64..4,
        all in doings(),
    ) {
        let wish = Wish { limit, cost, keys: 10 };
        let store = Arc::<Fake>::default();
        let mut nodes = [(); 3].map(|()| Node::new(&store));
        let (mut now, mut admitted, mut is_exact) = (Nanos(1), 0, true);
        let rt = runtime();
        for one in all {
            match one {
                Do::Ask(n, times) => for _ in 0..times {
                    admitted += u64::from(rt.block_on(nodes[n].ask(wish, now))) * cost;
                }
                Do::Idle(n) => rt.block_on(nodes[n].give_back(now)),
                Do::Die(n) => {
                    is_exact &= nodes[n].entry.key().is_even();
                    nodes[n] = Node::new(&store);
                }
                Do::Store(how) => {
                    is_exact &= how != MUTE;
                    store.how.store(how, SeqCst);
                }
                Do::Wait(ms) => now = now + Duration::from_millis(ms),
            }
            prop_assert!(admitted <= limit, "{admitted} of {limit}");
        }
        store.how.store(THERE, SeqCst);
        for n in &nodes {
            rt.block_on(n.give_back(now));
        }
        // Nothing is lost either, but by who died with something and by answers that did not come.
        prop_assert!(!is_exact || store.count() == admitted, "{} of {admitted}", store.count());
        prop_assert!(store.count() >= admitted);
    }
}

#[test]
fn a_lease_is_a_hundredth_and_the_last_hundred_are_asked_for_one_by_one() {
    assert_eq!(claim(100_000, 0, 0, 1, false), (1000, 1000));
    assert_eq!(claim(10_000_000, 0, 0, 1, false), (1000, 1000), "the most");
    assert_eq!(claim(1000, 500, 0, 1, false), (505, 5));
    assert_eq!(claim(1000, 500, 0, 1, true), (501, 1));
    assert_eq!(claim(1000, 950, 0, 2, false), (952, 2));
    assert_eq!(claim(1000, 999, 0, 2, false), (999, 0));
    // What was used alone comes first, also beyond the limit.
    assert_eq!(claim(1000, 900, 250, 1, false), (1150, 0));
    assert_eq!(claim(u64::MAX, u64::MAX, u64::MAX, u64::MAX, false).1, 0);
}

#[test]
fn nodes_use_up_a_quota_together_and_one_that_gives_back_lets_the_other_go_on() {
    let (rt, store) = (runtime(), Arc::<Fake>::default());
    let (a, b) = (Node::new(&store), Node::new(&store));
    let wish = Wish {
        limit: 10_000,
        cost: 1,
        keys: 10,
    };
    let now = Nanos(1);
    // One holds a hundredth, of which it has used one.
    assert!(rt.block_on(a.ask(wish, now)));
    let passed = (0..20_000)
        .filter(|_| rt.block_on(b.ask(wish, now)))
        .count();
    assert_eq!(passed, 9900);
    rt.block_on(a.give_back(now));
    assert!(!rt.block_on(b.ask(wish, now)), "not within a second");
    let later = now + Duration::from_secs(1);
    let passed = (0..200).filter(|_| rt.block_on(b.ask(wish, later))).count();
    assert_eq!(passed, 99);
    assert_eq!(store.count(), 10_000);
}

#[test]
fn without_the_store_a_node_has_its_share_of_what_was_left() {
    let share = |own: u64, used: u64, cost: u64| {
        let mut key = Key::default();
        let seen = |used| Seen {
            used,
            etag: Some(Etag(1)),
        };
        key.decide(1, 1, Nanos(1));
        key.taken(1, seen(own), own, 0, Nanos(1));
        for _ in 0..own {
            assert_eq!(key.decide(1, 1, Nanos(1)), Verdict::Go);
        }
        key.taken(1, seen(used), 0, 0, Nanos(1));
        let passed = (0..1000).filter(|_| key.share(100, cost)).count() as u64;
        assert_eq!(key.owed(), passed * cost);
        passed
    };
    assert_eq!(share(10, 20, 1), 40, "half of 80");
    assert_eq!(share(20, 20, 1), 80, "all of it");
    assert_eq!(share(0, 20, 1), 1, "at least one");
    assert_eq!(share(0, 98, 2), 1);
    assert_eq!(share(0, 99, 2), 0, "there was no room for one");
    assert_eq!(share(0, 100, 1), 0);
    let mut unknown = Key::default();
    assert_eq!((0..1000).filter(|_| unknown.share(100, 1)).count(), 100);
}

/// A route with a quota over a store.
struct Gated {
    b: Bench,
    store: Arc<Fake>,
    rt: Runtime,
    gate: Arc<dyn Gate>,
}

impl Gated {
    fn new(quota: Quota, store: &Arc<Fake>) -> Gated {
        let mut b = Bench::default();
        b.route.quota = Some(quota);
        let quotas = b.kept.get("quotas", Quotas::default);
        quotas.lend(Some(store.clone()));
        // At noon.
        quotas.set_clock(Nanos::ZERO, MARCH_MS + DAY_MS / 2);
        let gate = make(&b.making()).unwrap();
        let (rt, store) = (runtime(), store.clone());
        Gated { b, store, rt, gate }
    }

    fn quotas(&self) -> Arc<Quotas> {
        self.b.kept.get("quotas", Quotas::default)
    }

    fn ask_of(&self, gate: &dyn Gate, key: &str, now: Nanos) -> (Run, Step) {
        let _inside = self.rt.enter();
        let mut run = self.b.run_at(gate, "GET", "/", &[("X-Key", key)], now);
        let mut step = std::mem::replace(&mut run.step, Step::Go);
        while let Step::Wait(ticket) = step {
            self.rt.block_on(ticket);
            step = self.b.resume(gate, &mut run, now);
        }
        (run, step)
    }

    fn ask(&self, key: &str, now: Nanos) -> Result<Run, Box<Reply>> {
        match self.ask_of(&*self.gate, key, now) {
            (_, Step::Answer(reply)) => Err(Box::new(reply)),
            (run, _) => Ok(run),
        }
    }

    /// How many of so many pass.
    fn pass(&self, key: &str, times: usize, now: Nanos) -> usize {
        (0..times).filter(|_| self.ask(key, now).is_ok()).count()
    }

    fn tally(&self, what: &str) -> u64 {
        let all = crate::tally::Tally::all(&self.b.kept);
        let is = |d: &&crate::tally::Decision| d.gate == "quota" && d.what == what;
        all.iter().filter(is).map(|d| d.count).sum()
    }
}

fn by_header(quota: Quota) -> Quota {
    Quota {
        key: RateKey::Header("x-key".into()),
        ..quota
    }
}

#[test]
fn who_has_used_it_up_is_told_when_the_next_day_begins_and_a_restart_forgets_nothing() {
    let store = Arc::<Fake>::default();
    let quota = by_header(Quota {
        announce: true,
        ..Quota::of(3)
    });
    let g = Gated::new(quota.clone(), &store);
    let now = Nanos(1);
    let mut run = g.ask("a", now).unwrap();
    let (mut said, list) = (
        crate::Edits::default(),
        ResponseHead::List {
            status: 200,
            headers: &[],
        },
    );
    let mut x = Exchange {
        head: Head::List(&run.head),
        facts: &mut run.facts,
    };
    let mut out = Outgoing {
        head: list,
        edits: &mut said,
    };
    g.gate.reply(&mut x, &mut run.slot, &mut out, now);
    assert_eq!(
        edits(&said),
        [
            "append RateLimit-Policy: \"r-day\";q=3;w=86400",
            "append RateLimit: \"r-day\";r=2;t=43200"
        ]
    );
    assert_eq!(g.pass("b", 1, now), 1);
    // Another process, after this one has ended in order.
    g.rt.block_on(g.quotas().give_back(now, Duration::ZERO))
        .unwrap();
    let g = Gated::new(quota, &store);
    assert_eq!(g.pass("a", 2, now), 2);
    let reply = g.ask("a", now).err().unwrap();
    assert_eq!((reply.status, reply.reason), (429, "quota"));
    assert_eq!(header(&reply, "Retry-After"), "43200");
    assert_eq!(header(&reply, "RateLimit"), "\"r-day\";r=0;t=43200");
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(text.contains("begins at 2026-03-02T00:00:00Z"), "{text}");
    assert_eq!(g.pass("b", 5, now), 2);
    let midnight = Nanos(DAY_MS / 2 * 1_000_000);
    assert_eq!(g.pass("a", 5, Nanos(midnight.0 - 1_000_000)), 0);
    assert_eq!(g.pass("a", 5, midnight), 3);
    assert_eq!(g.tally("refused"), 1 + 3 + 5 + 2);
}

#[test]
fn what_observes_refuses_nothing_and_a_named_quota_is_one_for_its_routes() {
    let store = Arc::<Fake>::default();
    let quota = |observe, cost| {
        by_header(Quota {
            name: Some("api".into()),
            observe,
            cost,
            ..Quota::of(4)
        })
    };
    let mut g = Gated::new(quota(true, 1), &store);
    assert_eq!(g.pass("a", 6, Nanos(1)), 6);
    assert_eq!((g.tally("would_refuse"), g.tally("refused")), (2, 0));
    g.b.route.name = "dear".into();
    g.b.route.quota = Some(quota(false, 3));
    let dear = make(&g.b.making()).unwrap();
    let status = |key| match g.ask_of(&*dear, key, Nanos(1)).1 {
        Step::Answer(reply) => reply.status,
        _ => 200,
    };
    assert_eq!([status("a"), status("b"), status("b")], [429, 200, 429]);
}

#[test]
fn keys_that_come_too_late_have_one_quota_together() {
    let store = Arc::<Fake>::default();
    let g = Gated::new(
        by_header(Quota {
            keys: 2,
            ..Quota::of(3)
        }),
        &store,
    );
    let all = ["a", "b", "c", "d", "e"].map(|key| g.pass(key, 2, Nanos(1)));
    assert_eq!(all, [2, 2, 2, 1, 0]);
    assert_eq!(g.pass("a", 2, Nanos(1)), 1, "who came in time has its own");
    assert_eq!(g.store.all.lock().unwrap().len(), 3);
    assert!(g.tally("crowded") >= 3);
}

#[test]
fn while_the_store_is_away_it_does_what_fail_says_and_counts_it_later() {
    for (fail, passes, counted) in [
        (RateFail::Open, 20, 21),
        (RateFail::Closed, 0, 1),
        // All that was counted was counted here.
        (RateFail::LocalShare, 9, 10),
    ] {
        let store = Arc::<Fake>::default();
        let g = Gated::new(
            by_header(Quota {
                fail,
                ..Quota::of(10)
            }),
            &store,
        );
        assert_eq!(g.pass("a", 1, Nanos(1)), 1);
        store.how.store(AWAY, SeqCst);
        assert_eq!(g.pass("a", 20, Nanos(1)), passes, "{fail:?}");
        if fail == RateFail::Closed {
            let reply = g.ask("a", Nanos(1)).err().unwrap();
            assert_eq!((reply.status, reply.reason), (503, "quota-unknown"));
        }
        store.how.store(THERE, SeqCst);
        g.rt.block_on(g.quotas().give_back(Nanos(1), Duration::ZERO))
            .unwrap();
        assert_eq!(store.count(), counted, "{fail:?}");
    }
}

#[test]
fn what_is_refused_further_in_is_not_counted() {
    let store = Arc::<Fake>::default();
    let g = Gated::new(by_header(Quota::of(2)), &store);
    let ends = |status: u16, attempt: u8| {
        let mut run = g.ask("a", Nanos(1)).unwrap();
        let facts: &mut Facts = &mut run.facts;
        (facts.status, facts.attempt) = (status, attempt);
        g.gate.leave(facts, &mut run.slot, Nanos(1));
    };
    for _ in 0..10 {
        ends(503, 0);
    }
    ends(503, 1);
    ends(200, 0);
    assert_eq!(g.pass("a", 1, Nanos(1)), 0);
}

#[test]
fn a_flood_of_keys_stays_within_the_table() {
    let quotas = Quotas::default();
    let entries: Vec<_> = (0..100_000u64)
        .map(|i| {
            let entry = quotas.entry(quotas.hash("r", 0, &i.to_le_bytes()), || i.to_string());
            // It owes something: it is not forgotten.
            entry.key().pass(1);
            entry.single
        })
        .collect();
    let kept = entries.iter().filter(|single| !**single).count();
    assert!((60_000..=65_536).contains(&kept), "{kept}");
    assert_eq!(quotas.idle(Nanos(1), Duration::ZERO).len(), kept);
}
