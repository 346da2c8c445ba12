//! What every `Queue` must do.

use super::Factory;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use store::{
    Bounds, Cancel, Error, Finish, Job, JobId, Lane, Leased, NewJob, Payload, Queue, State,
};

/// Far away.
const LATER: u64 = 1 << 40;

/// Secrets are random where they are used: no two are the same.
static SECRET: AtomicU64 = AtomicU64::new(0xfeed);

pub fn new(lane: &str, text: &str) -> NewJob {
    NewJob {
        secret: u128::from(SECRET.fetch_add(1, Relaxed)),
        lane: lane.into(),
        tenant: String::new(),
        weight: 1,
        key: None,
        blocks: false,
        enqueued_ms: 1,
        due_ms: 0,
        expires_ms: LATER,
        title: text.chars().take(20).collect(),
        head: b"h".to_vec(),
        payload: text.as_bytes().to_vec(),
    }
}

fn keyed(key: &str, text: &str) -> NewJob {
    NewJob {
        key: Some(key.into()),
        ..new("l", text)
    }
}

fn add(q: &impl Queue, job: NewJob) -> JobId {
    q.enqueue(vec![job], Bounds::NONE).wait().unwrap()[0]
}

fn lease(q: &impl Queue, most: usize, now: u64) -> Vec<Leased> {
    q.lease("l", most, now + 100, now).wait().unwrap()
}

fn texts(leased: &[Leased]) -> Vec<String> {
    let text = |l: &Leased| String::from_utf8(l.payload.clone().read().unwrap()).unwrap();
    leased.iter().map(text).collect()
}

fn finish(q: &impl Queue, job: &Leased, how: Finish) -> bool {
    q.finish(job.id, job.attempt, how, 7).wait().unwrap()
}

fn done() -> Finish {
    Finish::Done {
        result: b"r".to_vec(),
    }
}

fn retry(at_ms: u64) -> Finish {
    Finish::Retry {
        at_ms,
        reason: "503".into(),
    }
}

fn dead() -> Finish {
    Finish::Dead {
        reason: "400".into(),
        result: b"no".to_vec(),
    }
}

fn job(q: &impl Queue, id: JobId) -> Job {
    q.job(id).unwrap().unwrap()
}

fn lane(q: &impl Queue) -> Lane {
    let mut lanes = q.lanes().unwrap();
    lanes.retain(|l| l.name == "l");
    lanes.remove(0)
}

pub fn all<F: Factory<Store: Queue>>(f: &F) {
    a_job_is_lent_once_and_ends_once(f);
    nothing_is_lent_before_it_is_due(f);
    what_was_no_attempt_does_not_count(f);
    a_lease_runs_out(f);
    a_key_has_one_job_at_a_time_in_order(f);
    tenants_are_served_in_turns(f);
    a_tenant_gets_as_much_as_it_weighs(f);
    those_before_one_are_counted(f);
    one_is_found_by_its_secret(f);
    a_lane_has_bounds(f);
    cancelling_depends_on_the_state(f);
    what_expires_is_dead(f);
    the_dead_are_driven_again(f);
    what_ended_is_forgotten_in_time(f);
    large_payloads_are_kept_and_let_go(f);
    leases_end_with_the_process_and_attempts_do_not(f);
    a_dead_job_that_blocks_holds_up_its_key(f);
    what_is_discarded_is_over(f);
    what_is_carried_can_be_looked_at(f);
    those_that_cannot_go_now_are_counted(f);
    odd_jobs_are_refused(f);
    a_random_walk_loses_nothing(f);
}

fn one_is_found_by_its_secret<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let jobs = [(); 3].map(|()| new("l", "a"));
    let ids = jobs.clone().map(|job| add(&q, job));
    let other = new("other", "b");
    add(&q, other.clone());
    let leased = lease(&q, 2, 5);
    assert!(finish(&q, &leased[0], done()));
    for (job, id) in jobs.iter().zip(ids) {
        assert_eq!(q.find("l", job.secret), Ok(Some(id)));
    }
    for (lane, secret) in [("l", other.secret), ("l", 1), ("none", jobs[0].secret)] {
        assert_eq!(q.find(lane, secret), Ok(None));
    }
}

fn a_job_is_lent_once_and_ends_once<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let id = add(&q, new("l", "a"));
    add(&q, new("other", "b"));
    let got = lease(&q, 10, 5);
    assert_eq!((texts(&got), got[0].attempt), (vec!["a".to_owned()], 1));
    assert_eq!((got[0].id, &got[0].head[..]), (id, &b"h"[..]));
    assert!(lease(&q, 10, 5).is_empty());
    assert_eq!(job(&q, id).state, State::Leased);
    let guessed = JobId { secret: 1, ..id };
    assert!(!q.finish(guessed, 1, done(), 7).wait().unwrap());
    assert!(!q.finish(id, 2, done(), 7).wait().unwrap());
    assert!(finish(&q, &got[0], done()));
    assert!(!finish(&q, &got[0], dead()));
    let j = job(&q, id);
    assert_eq!((j.state, j.ended_ms, j.attempts), (State::Done, Some(7), 1));
    assert_eq!(q.result(id).unwrap().as_deref(), Some(&b"r"[..]));
    assert_eq!(q.job(guessed).unwrap(), None);
    assert_eq!(q.result(guessed).unwrap(), None);
    assert_eq!((lane(&q).waiting, lane(&q).bytes), (0, 0));
    assert_eq!(q.lanes().unwrap().len(), 2);
}

fn those_before_one_are_counted<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    add(&q, new("other", "x"));
    let ids = ["a", "b", "c", "d"].map(|text| add(&q, new("l", text)));
    let ahead = |i: usize, most| q.ahead(&job(&q, ids[i]), most).unwrap();
    assert_eq!([0, 1, 2, 3].map(|i| ahead(i, 100)), [0, 1, 2, 3]);
    assert_eq!(ahead(3, 2), 2, "no further than asked");
    let got = lease(&q, 1, 5);
    assert_eq!(ahead(3, 100), 3, "one under way counts");
    assert!(finish(&q, &got[0], done()));
    assert_eq!(ahead(3, 100), 2);
}

fn nothing_is_lent_before_it_is_due<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    for (text, due_ms) in [("c", 30), ("a", 10), ("b", 20), ("b2", 20)] {
        add(
            &q,
            NewJob {
                due_ms,
                ..new("l", text)
            },
        );
    }
    assert!(lease(&q, 10, 9).is_empty());
    assert_eq!(texts(&lease(&q, 10, 20)), ["a", "b", "b2"]);
    assert_eq!(texts(&lease(&q, 10, 30)), ["c"]);
}

fn what_was_no_attempt_does_not_count<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let id = add(&q, new("l", "a"));
    let first = lease(&q, 1, 0).remove(0);
    assert!(finish(&q, &first, retry(10)));
    assert!(lease(&q, 1, 9).is_empty());
    let second = lease(&q, 1, 10).remove(0);
    assert_eq!(second.attempt, 2);
    let released = Finish::Release {
        at_ms: 20,
        reason: "breaker open".into(),
    };
    assert!(finish(&q, &second, released));
    let j = job(&q, id);
    assert_eq!((j.attempts, j.due_ms), (1, 20));
    assert_eq!((j.state, &*j.reason), (State::Waiting, "breaker open"));
    assert_eq!(lease(&q, 1, 20)[0].attempt, 2);
}

fn a_lease_runs_out<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    add(&q, new("l", "a"));
    let slow = lease(&q, 1, 0).remove(0);
    assert!(lease(&q, 1, 99).is_empty());
    let next = lease(&q, 1, 100).remove(0);
    assert_eq!(next.attempt, 2);
    assert!(!finish(&q, &slow, done()));
    assert!(finish(&q, &next, done()));
}

fn a_key_has_one_job_at_a_time_in_order<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let ids: Vec<JobId> = ["1", "2", "3", "4"].map(|t| add(&q, keyed("k", t))).into();
    add(&q, keyed("other", "o"));
    let first = lease(&q, 10, 0);
    assert_eq!(texts(&first), ["1", "o"]);
    // Those behind wait for a retry, too.
    assert!(finish(&q, &first[0], retry(50)));
    assert!(lease(&q, 10, 49).is_empty());
    let again = lease(&q, 10, 50);
    assert_eq!(texts(&again), ["1"]);
    assert!(finish(&q, &again[0], dead()));
    let second = lease(&q, 10, 50);
    assert_eq!(texts(&second), ["2"]);
    // One of the middle goes without opening the way for those behind.
    assert_eq!(q.cancel(ids[2], 60).wait().unwrap(), Cancel::Cancelled);
    assert!(lease(&q, 10, 60).is_empty());
    assert!(finish(&q, &second[0], done()));
    assert_eq!(texts(&lease(&q, 10, 60)), ["4"]);
    // Redriven, it waits for its turn.
    assert!(q.redrive(ids[0], 0, LATER).wait().unwrap());
    assert!(lease(&q, 10, 60).is_empty());
    assert_eq!(job(&q, ids[0]).state, State::Behind);
}

fn tenants_are_served_in_turns<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let of = |tenant: &str, n: u64| NewJob {
        tenant: tenant.into(),
        due_ms: n,
        ..new("l", tenant)
    };
    for n in 0..40 {
        add(&q, of("loud", n));
    }
    for n in 0..3 {
        add(&q, of("calm", 100 + n));
        add(&q, of("late", 9_999));
    }
    let got = texts(&lease(&q, 16, 200));
    let calm = got.iter().filter(|t| *t == "calm").count();
    assert_eq!(
        (got.len(), calm),
        (16, 3),
        "a newcomer waits for no backlog"
    );
    assert_eq!(lease(&q, 100, 200).len(), 27, "all that is due comes");
}

fn a_tenant_gets_as_much_as_it_weighs<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    for (tenant, weight) in [("a", 1), ("b", 3), ("c", 1)] {
        for _ in 0..40 {
            let job = NewJob {
                tenant: tenant.into(),
                weight,
                ..new("l", tenant)
            };
            add(&q, job);
        }
    }
    // However few are lent at a time.
    for most in [1, 3, 20] {
        let mut got = Vec::new();
        while got.len() < 20 {
            let most = most.min(20 - got.len());
            got.extend(texts(&lease(&q, most, 5)));
        }
        let of = |tenant: &str| got.iter().filter(|t| *t == tenant).count();
        assert_eq!(
            [of("a"), of("b"), of("c")],
            [4, 12, 4],
            "{most} at a time: {got:?}"
        );
    }
    // What is left of one's turn goes to the others where it has no more.
    let rest = texts(&lease(&q, 100, 5));
    assert_eq!(rest.len(), 60);
}

fn a_lane_has_bounds<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let bounds = Bounds { jobs: 3, bytes: 8 };
    let put = |jobs: Vec<NewJob>| q.enqueue(jobs, bounds).wait();
    put(vec![new("l", "a"), new("l", "b")]).unwrap();
    let full = put(vec![new("l", "c"), new("l", "d")]).unwrap_err();
    assert!(full.to_string().contains("2 jobs"), "{full}");
    assert_eq!(lane(&q).waiting, 2, "all or none");
    let full = put(vec![new("l", "0123456789")]).unwrap_err();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    put(vec![new("l", "c")]).unwrap();
    put(vec![new("elsewhere", "c")]).unwrap();
    assert!(put(vec![new("l", "d")]).is_err());
    let got = lease(&q, 1, 0);
    assert!(put(vec![new("l", "d")]).is_err(), "a lease is no end");
    assert!(finish(&q, &got[0], done()));
    put(vec![new("l", "d")]).unwrap();
}

fn cancelling_depends_on_the_state<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let cancel = |id| q.cancel(id, 5).wait().unwrap();
    let waiting = add(&q, new("l", "a"));
    assert_eq!(cancel(waiting), Cancel::Cancelled);
    assert_eq!(cancel(waiting), Cancel::Ended(State::Cancelled));
    assert!(lease(&q, 1, 0).is_empty());
    let unknown = JobId {
        seq: 99,
        secret: 0xfeed,
    };
    assert_eq!(cancel(unknown), Cancel::Unknown);
    // While an attempt is under way, its success counts.
    for (how, end) in [
        (done(), State::Done),
        (retry(9), State::Cancelled),
        (dead(), State::Dead),
    ] {
        let id = add(&q, new("l", "b"));
        let got = lease(&q, 1, 0);
        assert_eq!(cancel(id), Cancel::AfterAttempt);
        assert!(finish(&q, &got[0], how));
        assert_eq!(job(&q, id).state, end);
    }
    let lost = add(&q, new("l", "c"));
    lease(&q, 1, 0);
    assert_eq!(cancel(lost), Cancel::AfterAttempt);
    assert!(lease(&q, 1, 100).is_empty());
    assert_eq!(job(&q, lost).state, State::Cancelled);
    assert_eq!(lane(&q).waiting, 0);
}

fn what_expires_is_dead<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let id = add(
        &q,
        NewJob {
            expires_ms: 50,
            ..new("l", "a")
        },
    );
    assert!(lease(&q, 1, 50).is_empty());
    let j = job(&q, id);
    assert_eq!(j.state, State::Dead);
    assert!(j.reason.starts_with("expired"), "{}", j.reason);
    assert_eq!((lane(&q).waiting, lane(&q).dead), (0, 1));
}

fn the_dead_are_driven_again<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let id = add(&q, new("l", "a"));
    assert!(!q.redrive(id, 0, LATER).wait().unwrap());
    let got = lease(&q, 1, 0);
    assert!(finish(&q, &got[0], dead()));
    assert_eq!(q.result(id).unwrap().as_deref(), Some(&b"no"[..]));
    assert_eq!(q.jobs("l", State::Dead, 0, 10).unwrap()[0].reason, "400");
    assert!(q.jobs("l", State::Dead, id.seq, 10).unwrap().is_empty());
    assert!(q.redrive(id, 5, LATER).wait().unwrap());
    assert_eq!((lane(&q).waiting, lane(&q).dead), (1, 0));
    assert!(lease(&q, 1, 4).is_empty());
    let got = lease(&q, 1, 5);
    assert_eq!((texts(&got), got[0].attempt), (vec!["a".to_owned()], 1));
}

fn what_ended_is_forgotten_in_time<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let [a, b, c] = ["a", "b", "c"].map(|t| add(&q, new("l", t)));
    let got = lease(&q, 2, 0);
    assert!(finish(&q, &got[0], done()) && finish(&q, &got[1], dead()));
    assert_eq!(q.forget(7, 7, 10).wait().unwrap(), 0);
    assert_eq!(q.forget(8, 7, 10).wait().unwrap(), 1);
    assert_eq!(q.job(a).unwrap(), None);
    assert_eq!(q.forget(8, 8, 0).wait().unwrap(), 0);
    assert_eq!(q.forget(8, 8, 10).wait().unwrap(), 1);
    assert_eq!(q.job(b).unwrap(), None);
    assert_eq!(q.forget(LATER, LATER, 10).wait().unwrap(), 0);
    assert_eq!(job(&q, c).state, State::Waiting);
    assert_eq!((lane(&q).waiting, lane(&q).dead), (1, 0));
}

fn large_payloads_are_kept_and_let_go<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let big = "x".repeat(200_000);
    // Two of the same content, one of which ends.
    add(&q, new("l", &big[..1000]));
    let (a, b) = (
        add(
            &q,
            NewJob {
                title: "a".into(),
                ..new("l", &big)
            },
        ),
        add(
            &q,
            NewJob {
                title: "b".into(),
                ..new("l", &big)
            },
        ),
    );
    let q = f.reopen(q);
    let got = lease(&q, 3, 0);
    assert!(finish(&q, &got[1], done()));
    assert_eq!(texts(&got[2..]), [big.as_str()]);
    assert!(finish(&q, &got[2], dead()));
    assert!(q.redrive(b, 0, LATER).wait().unwrap());
    let q = f.reopen(q);
    let again = lease(&q, 3, 0);
    assert_eq!(again[1].id, b);
    assert_eq!(texts(&again[1..]), [big.as_str()]);
    assert!(finish(&q, &again[1], done()));
    assert_eq!(job(&q, a).bytes, 200_001);
    if let Payload::File(path) = &again[1].payload {
        // A write after it, so that what follows the commit has happened.
        add(&q, new("l", "z"));
        assert!(!path.exists(), "nobody has it any more");
    }
}

fn leases_end_with_the_process_and_attempts_do_not<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let id = add(&q, new("l", "a"));
    add(&q, new("l", "b"));
    assert_eq!(lease(&q, 1, 0)[0].attempt, 1);
    let q = f.reopen(q);
    let got = lease(&q, 10, 1);
    assert_eq!((got[0].id, got[0].attempt), (id, 2));
    assert_eq!((got.len(), lane(&q).waiting), (2, 2));
    assert!(add(&q, new("l", "c")).seq > id.seq + 1);
}

fn a_dead_job_that_blocks_holds_up_its_key<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let blocking = |text: &str| NewJob {
        blocks: true,
        ..keyed("k", text)
    };
    let late = NewJob {
        expires_ms: 5,
        ..blocking("2")
    };
    let first = add(&q, blocking("1"));
    let second = add(&q, late);
    let third = add(&q, blocking("3"));
    add(&q, keyed("other", "o"));
    let got = lease(&q, 10, 0);
    assert_eq!(texts(&got), ["1", "o"]);
    assert!(finish(&q, &got[0], dead()));
    assert!(lease(&q, 10, 0).is_empty());
    assert_eq!(job(&q, third).state, State::Behind);
    // Also those that come after, and after a restart.
    let fourth = add(&q, blocking("4"));
    let q = f.reopen(q);
    let got = lease(&q, 10, 1);
    assert_eq!(texts(&got), ["o"]);
    assert!(finish(&q, &got[0], done()));
    assert_eq!(job(&q, fourth).state, State::Behind);
    // Redriven, it goes first.
    assert!(q.redrive(first, 0, LATER).wait().unwrap());
    let got = lease(&q, 10, 3);
    assert_eq!(texts(&got), ["1"]);
    assert!(finish(&q, &got[0], done()));
    // The time of the next is over before it was tried: it holds up nobody.
    let got = [lease(&q, 10, 6), lease(&q, 10, 6)].concat();
    assert_eq!(texts(&got), ["3"]);
    assert_eq!(job(&q, second).state, State::Dead);
    assert!(finish(&q, &got[0], dead()));
    assert!(lease(&q, 10, 7).is_empty());
    assert!(q.discard(third, "enough", 7).wait().unwrap());
    let got = lease(&q, 10, 7);
    assert_eq!(texts(&got), ["4"]);
    // Forgotten, it holds up nobody any more.
    let fifth = add(&q, blocking("5"));
    assert!(finish(&q, &got[0], dead()));
    assert!(lease(&q, 10, 8).is_empty());
    assert_eq!(job(&q, fifth).state, State::Behind);
    assert_eq!(q.forget(LATER, LATER, 10).wait().unwrap(), 5);
    let got = lease(&q, 10, 8);
    assert_eq!(texts(&got), ["5"]);
    assert!(finish(&q, &got[0], done()));
    assert_eq!((lane(&q).waiting, lane(&q).dead), (0, 0));
}

fn what_is_discarded_is_over<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let id = add(&q, new("l", "a"));
    assert!(!q.discard(id, "no", 5).wait().unwrap(), "it waits");
    let got = lease(&q, 1, 0);
    assert!(!q.discard(id, "no", 5).wait().unwrap());
    assert!(finish(&q, &got[0], dead()));
    let guessed = JobId { secret: 1, ..id };
    assert!(!q.discard(guessed, "no", 5).wait().unwrap());
    let long = "x".repeat(store::MAX_NAME + 1);
    assert!(q.discard(id, &long, 5).wait().is_err());
    assert!(q.discard(id, "enough", 9).wait().unwrap());
    assert!(!q.discard(id, "enough", 9).wait().unwrap());
    let j = job(&q, id);
    assert_eq!(
        (j.state, j.ended_ms, &*j.reason),
        (State::Cancelled, Some(9), "enough")
    );
    assert_eq!((lane(&q).waiting, lane(&q).dead), (0, 0));
    assert!(!q.redrive(id, 0, LATER).wait().unwrap());
    assert_eq!(q.forget(10, 0, 10).wait().unwrap(), 1);
}

fn what_is_carried_can_be_looked_at<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let large = "x".repeat(200_000);
    for text in ["a", &large] {
        let id = add(&q, new("l", text));
        let carried = || {
            let carried = q.carried(id).unwrap()?;
            assert_eq!(carried.head, b"h");
            Some(carried.payload.read().unwrap())
        };
        assert_eq!(carried().as_deref(), Some(text.as_bytes()));
        let got = lease(&q, 1, 0);
        assert!(finish(&q, &got[0], dead()));
        assert_eq!(carried().as_deref(), Some(text.as_bytes()));
        let guessed = JobId { secret: 1, ..id };
        assert_eq!(q.carried(guessed).unwrap(), None);
        assert!(q.discard(id, "enough", 9).wait().unwrap());
        assert_eq!(carried(), None);
    }
}

fn those_that_cannot_go_now_are_counted<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    assert_eq!(q.put_off("l", 0), Ok(0));
    for (tenant, due_ms) in [("a", 10), ("a", 20), ("b", 30), ("b", 0)] {
        let job = NewJob {
            tenant: tenant.into(),
            due_ms,
            ..new("l", "x")
        };
        add(&q, job);
    }
    add(
        &q,
        NewJob {
            due_ms: 99,
            ..new("other", "x")
        },
    );
    // One goes, and the other stands behind it.
    add(&q, keyed("k", "1"));
    add(&q, keyed("k", "2"));
    let later = |now| q.put_off("l", now).unwrap();
    assert_eq!([9, 10, 29, 30].map(later), [4, 3, 2, 1]);
    // What a worker has waits no more.
    assert_eq!(lease(&q, 2, 10).len(), 2);
    assert_eq!(later(10), 3);
}

fn odd_jobs_are_refused<F: Factory<Store: Queue>>(f: &F) {
    let q = f.fresh();
    let refused = |job: NewJob| q.enqueue(vec![job], Bounds::NONE).wait().unwrap_err();
    assert!(matches!(
        q.enqueue(vec![], Bounds::NONE).wait(),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(refused(new("", "a")), Error::Invalid(_)));
    let large = NewJob {
        payload: vec![0; store::queue::MAX_PAYLOAD + 1],
        ..new("l", "a")
    };
    let e = refused(large);
    assert!(
        e.to_string().contains("payload of a job is 16777217"),
        "{e}"
    );
    let head = NewJob {
        head: vec![0; store::queue::MAX_HEAD + 1],
        ..new("l", "a")
    };
    assert!(matches!(refused(head), Error::TooLarge { .. }));
    assert!(q.lanes().unwrap().is_empty());
    assert!(q.jobs("l", State::Dead, u64::MAX, 10).unwrap().is_empty());
}

/// Seeded: every job ends exactly once, per key in order, and the numbers of the lane agree with its jobs.
fn a_random_walk_loses_nothing<F: Factory<Store: Queue>>(f: &F) {
    let mut q = f.fresh();
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut draw = move |n: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % n
    };
    let (mut added, mut ended) = (BTreeMap::new(), BTreeMap::new());
    let mut held: Vec<Leased> = Vec::new();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for now in 0..600 {
        match draw(8) {
            0..=2 => {
                let key = (draw(2) == 0).then(|| format!("k{}", draw(3)));
                let job = NewJob {
                    key: key.clone(),
                    blocks: draw(2) == 0,
                    tenant: format!("t{}", draw(3)),
                    due_ms: now + draw(5),
                    ..new("l", "w")
                };
                added.insert(add(&q, job), key);
            }
            3..=4 => {
                for job in lease(&q, 1 + draw(4) as usize, now) {
                    if let Some(key) = &added[&job.id] {
                        let before = last.insert(key.clone(), job.id.seq);
                        assert!(before.is_none_or(|b| b <= job.id.seq), "{key} at {now}");
                    }
                    held.retain(|h| h.id != job.id);
                    held.push(job);
                }
            }
            5 if draw(20) == 0 => {
                q = f.reopen(q);
                held.clear();
            }
            // Those that hold up others do so no more.
            5 if draw(4) == 0 => {
                for dead in q.jobs("l", State::Dead, 0, 100).unwrap() {
                    assert!(q.discard(dead.id, "enough", now).wait().unwrap());
                }
            }
            _ if held.is_empty() => {}
            _ => {
                let job = held.swap_remove(draw(held.len() as u64) as usize);
                let how = [done(), retry(now + 3), dead()][draw(3) as usize].clone();
                let ends = !matches!(how, Finish::Retry { .. });
                if finish(&q, &job, how) && ends {
                    assert_eq!(ended.insert(job.id, now), None);
                }
            }
        }
        assert_eq!(lane_of(&q), (added.len() - ended.len()) as u64, "at {now}");
    }
    assert!(ended.len() > 50, "{}", ended.len());
    for id in added.keys() {
        let state = job(&q, *id).state;
        assert_eq!(state.has_ended(), ended.contains_key(id), "{id}");
    }
}

fn lane_of(q: &impl Queue) -> u64 {
    q.lanes().unwrap().first().map_or(0, |l| l.waiting)
}
