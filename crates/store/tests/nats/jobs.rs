//! Jobs on NATS: the suite of `Queue`, and what only several nodes on one server can get wrong.

use crate::remote::{self, Remote};
use crate::suite::{self, queue::new};
use peers::{NatsOptions, there};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::nats::{Jobs, Nats, Options};
use store::{
    Bounds, Cancel, Error, Finish, JobId, Leased, Marked, Named, NewJob, Precondition, Put, Queue,
    State,
};

type Server = remote::Server<Jobs>;

impl Remote for Jobs {
    type Peer = peers::Nats;
    fn open(peer: &peers::Nats, prefix: &str) -> Jobs {
        Jobs::open(&super::options(peer.url(), prefix)).unwrap()
    }
    fn prefix(&self) -> &str {
        self.prefix()
    }
}

fn start(jetstream: &str) -> Option<Server> {
    let options = NatsOptions {
        jetstream,
        ..NatsOptions::default()
    };
    there(peers::Nats::start(options)).map(Server::of)
}

fn done() -> Finish {
    Finish::Done { result: vec![1] }
}

fn add(q: &Jobs, job: NewJob) -> JobId {
    q.enqueue(vec![job], Bounds::NONE).wait().unwrap()[0]
}

fn lease(q: &Jobs, most: usize, now_ms: u64) -> Vec<Leased> {
    q.lease("l", most, now_ms + 100, now_ms).wait().unwrap()
}

/// Until it holds: another node hears of it a moment later.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn waiting(q: &Jobs) -> u64 {
    q.lanes().unwrap().iter().map(|l| l.waiting).sum()
}

#[test]
fn nats_is_a_queue() {
    let Some(server) = start("") else {
        return;
    };
    suite::queue::all(&server);
}

pub fn all_is_done_with_these_rights(options: &Options) {
    let q = Jobs::open(options).unwrap();
    let jobs = (0..3).map(|_| new("l", "x")).collect();
    let ids = q.enqueue(jobs, Bounds::NONE).wait().unwrap();
    let got = lease(&q, 3, 5);
    assert_eq!(got.len(), 3);
    for job in &got {
        assert_eq!(q.finish(job.id, 1, done(), 6).wait(), Ok(true));
    }
    assert_eq!(q.result(ids[0]).unwrap(), Some(vec![1]));
    assert_eq!(q.forget(7, 7, 9).wait(), Ok(3));
    assert_eq!((q.stander())().wrong, None);
}

#[test]
fn many_are_accepted_together_or_none_of_them() {
    let Some(server) = start("") else {
        return;
    };
    let q = server.open("p");
    let jobs: Vec<NewJob> = (0..300).map(|i| new("l", &i.to_string())).collect();
    let last = jobs[299].clone();
    let ids = q.enqueue(jobs, Bounds::NONE).wait().unwrap();
    let in_order = ids.windows(2).all(|w| w[1].seq == w[0].seq + 1);
    assert!(ids.len() == 300 && in_order);
    assert_eq!(q.job(ids[299]).unwrap().unwrap().title, "299");
    // One of them is there already: none is taken.
    let again = q.enqueue(vec![new("l", "x"), last], Bounds::NONE).wait();
    assert!(matches!(again, Err(Error::Invalid(_))), "{again:?}");
    let other = server.open("p");
    assert_eq!((waiting(&q), waiting(&other)), (300, 300));
    let got = lease(&other, 300, 5);
    let of = |l: &Leased| l.id;
    assert_eq!(got.iter().map(of).collect::<Vec<_>>(), ids);
}

#[test]
fn what_one_node_did_the_other_sees_and_goes_on_with() {
    let Some(server) = start("") else {
        return;
    };
    let [a, b] = [server.open("p"), server.open("p")];
    let heard = Arc::new(Mutex::new(Vec::new()));
    let theirs = heard.clone();
    a.listen(Box::new(move |id| theirs.lock().unwrap().push(id)));
    let id = add(&a, new("l", "a"));
    // Asked at once, before it was heard of.
    assert_eq!(b.job(id).unwrap().unwrap().state, State::Waiting);
    assert_eq!(
        b.cancel(JobId { secret: 3, ..id }, 1).wait(),
        Ok(Cancel::Unknown)
    );
    until("it is heard of", || waiting(&b) == 1);
    let got = lease(&b, 1, 5);
    assert_eq!((got.len(), got[0].id), (1, id));
    assert_eq!(a.cancel(id, 6).wait(), Ok(Cancel::AfterAttempt));
    // The other did not hear of the wish yet, or did: success counts.
    assert_eq!(b.finish(id, 1, done(), 7).wait(), Ok(true));
    until("it is done", || {
        a.job(id).unwrap().unwrap().state == State::Done
    });
    assert_eq!(a.result(id).unwrap(), Some(vec![1]));
    until("it was told", || heard.lock().unwrap().contains(&id));
    assert_eq!(a.forget(8, 8, 10).wait(), Ok(1));
    assert_eq!((a.job(id).unwrap(), b.result(id).unwrap()), (None, None));
    // The other forgets by itself, and nothing is left in the stream.
    assert_eq!(b.forget(8, 8, 10).wait(), Ok(1));
    assert_eq!(b.job(id).unwrap(), None);
    // A dead one that is driven again is not forgotten by who did not hear of that.
    let id = add(&a, new("l", "b"));
    let dead = Finish::Dead {
        reason: "400".into(),
        result: Vec::new(),
    };
    lease(&a, 1, 5);
    assert_eq!(a.finish(id, 1, dead, 6).wait(), Ok(true));
    assert_eq!(b.redrive(id, 0, 1 << 40).wait(), Ok(true));
    a.forget(9, 9, 10).wait().unwrap();
    let mut again = Vec::new();
    until("it is lent again", || {
        again = lease(&b, 1, 5);
        !again.is_empty()
    });
    assert_eq!((again[0].id, again[0].attempt), (id, 1));
    let options = super::options(server.peer.url(), "p");
    let settings = Nats::open_to_look(&options).and_then(|nats| nats.settings());
    let streams: Vec<String> = settings
        .unwrap()
        .buckets
        .into_iter()
        .map(|b| b.stream)
        .collect();
    assert_eq!(streams, ["p_jobs"]);
}

#[test]
fn a_time_or_a_row_is_one_job_whichever_nodes_take_it() {
    let Some(server) = start("sync_interval: always") else {
        return;
    };
    let nodes = [server.open("p"), server.open("p")];
    let marked = |q: &Jobs, n: usize, precondition, bounds| {
        let put = Put {
            precondition,
            ..Put::new("cron/a b", n.to_string().into_bytes())
        };
        q.enqueue_marked(vec![new("l", &n.to_string())], bounds, put, 0)
    };
    let mut is = Precondition::Absent;
    for n in 0..40 {
        let both = nodes.each_ref().map(|q| marked(q, n, is, Bounds::NONE));
        let both = both.map(|ack| ack.wait());
        assert_eq!(both.iter().filter(|b| b.is_ok()).count(), 1, "{both:?}");
        assert!(
            both.iter()
                .flat_map(|b| b.as_ref().err())
                .all(Error::is_conflict)
        );
        let [a, b] = nodes.each_ref().map(|q| q.mark("cron/a b", 0).unwrap());
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!((&a, a.value.as_slice()), (&b, n.to_string().as_bytes()));
        is = Precondition::Is(a.etag);
    }
    // What finds no room is not marked either.
    let none = Bounds { jobs: 1, bytes: 1 };
    let full = marked(&nodes[0], 40, is, none).wait().unwrap_err();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    let kept = nodes[1].mark("cron/a b", 0).unwrap().unwrap();
    assert_eq!(
        (kept.value.as_slice(), Precondition::Is(kept.etag)),
        (&b"39"[..], is)
    );
    let put = Put::new("cron/a b", b"x".to_vec());
    let alone = nodes[1].enqueue_marked(Vec::new(), Bounds::NONE, put, 0);
    assert_eq!(alone.wait(), Ok(Vec::new()));

    let named = |q: &Jobs, rows: std::ops::Range<u32>, settled: &[&str], now_ms| {
        let jobs = rows.map(|i| (format!("o/{i}"), new("r", &i.to_string())));
        let named = Named {
            jobs: jobs.collect(),
            known_ms: 100_000,
            settled: settled.iter().map(|s| s.to_string()).collect(),
        };
        q.enqueue_named(named, Bounds::NONE, now_ms)
    };
    let both = [
        named(&nodes[0], 0..300, &[], 0),
        named(&nodes[1], 200..500, &[], 0),
    ];
    let added: usize = both.into_iter().map(|ack| ack.wait().unwrap()).sum();
    assert_eq!(added, 500);
    assert_eq!(named(&nodes[1], 0..500, &[], 99_999).wait(), Ok(0));
    assert_eq!(named(&nodes[0], 0..0, &["o/7"], 0).wait(), Ok(0));
    assert_eq!(
        named(&nodes[1], 0..9, &[], 0).wait(),
        Ok(1),
        "it was settled"
    );
    assert_eq!(
        named(&nodes[1], 0..1, &[], 100_000).wait(),
        Ok(1),
        "its time is over"
    );
    for q in &nodes {
        until("all of them", || waiting(q) == 40 + 502);
    }
    let fresh = server.open("p");
    assert_eq!(waiting(&fresh), 40 + 502);
}

#[test]
fn nodes_drain_a_lane_together_and_no_job_is_lent_twice_nor_out_of_turn() {
    let Some(server) = start("") else {
        return;
    };
    const JOBS: usize = 400;
    let nodes: Vec<Jobs> = (0..3).map(|_| server.open("p")).collect();
    /// Who has what, and how far each key is.
    #[derive(Default)]
    struct Seen {
        held: BTreeSet<JobId>,
        ended: BTreeSet<JobId>,
        keys: BTreeMap<String, u64>,
        by: [usize; 3],
    }
    let seen = Mutex::new(Seen::default());
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        let (seen, stop, nodes) = (&seen, &stop, &nodes);
        for (i, q) in nodes.iter().enumerate() {
            s.spawn(move || {
                for n in 0..JOBS / 4 {
                    let job = NewJob {
                        key: (n % 3 > 0).then(|| format!("k{}", n % 5)),
                        tenant: format!("t{}", n % 2),
                        ..new("l", "w")
                    };
                    add(q, job);
                }
            });
            s.spawn(move || {
                while !stop.load(Relaxed) {
                    // The longest lease: none runs out within the test.
                    let got = q.lease("l", 3, 1 << 39, 5).wait().unwrap();
                    for job in got {
                        let shown = q.job(job.id).unwrap().unwrap();
                        {
                            let mut seen = seen.lock().unwrap();
                            assert!(seen.held.insert(job.id), "lent twice: {}", job.id);
                            assert!(!seen.ended.contains(&job.id), "it had ended");
                            if let Some(key) = shown.key {
                                let before = seen.keys.insert(key, job.id.seq);
                                assert!(before.is_none_or(|b| b <= job.id.seq));
                            }
                            seen.by[i] += 1;
                        }
                        let ends = job.attempt > 1 || job.id.seq % 4 > 0;
                        let how = match ends {
                            true => done(),
                            false => Finish::Retry {
                                at_ms: 0,
                                reason: "503".into(),
                            },
                        };
                        {
                            let mut seen = seen.lock().unwrap();
                            seen.held.remove(&job.id);
                            if ends {
                                seen.ended.insert(job.id);
                            }
                        }
                        assert_eq!(q.finish(job.id, job.attempt, how, 6).wait(), Ok(true));
                    }
                }
            });
        }
        let all = JOBS / 4 * 3;
        until("all are done", || seen.lock().unwrap().ended.len() == all);
        stop.store(true, Relaxed);
    });
    let seen = seen.into_inner().unwrap();
    assert!(seen.by.iter().all(|n| *n > 0), "{:?}", seen.by);
    until("the lane is empty", || {
        nodes.iter().all(|q| waiting(q) == 0)
    });
    for id in &seen.ended {
        assert_eq!(nodes[0].job(*id).unwrap().unwrap().state, State::Done);
    }
}

#[test]
fn bounds_hold_but_for_what_is_on_its_way_at_other_nodes() {
    let Some(server) = start("") else {
        return;
    };
    const MOST: u64 = 50;
    let bounds = Bounds {
        jobs: MOST,
        bytes: u64::MAX,
    };
    let nodes = [server.open("p"), server.open("p")];
    // Each has at most so many on their way.
    const THREADS: u64 = 4;
    std::thread::scope(|s| {
        for q in &nodes {
            for _ in 0..THREADS {
                s.spawn(move || {
                    loop {
                        match q.enqueue(vec![new("l", "x")], bounds).wait() {
                            Ok(_) => {}
                            Err(Error::Full { .. }) => return,
                            Err(e) => panic!("{e}"),
                        }
                    }
                });
            }
        }
    });
    let there = waiting(&server.open("p"));
    // While one of its own is on its way, a node does not see those of the other: as many as that has on their way, and as many that
    // were just stored.
    assert!((MOST..=MOST + 2 * THREADS).contains(&there), "{there}");
    until("both know", || nodes.iter().all(|q| waiting(q) == there));
    for q in &nodes {
        let full = q.enqueue(vec![new("l", "x")], bounds).wait().unwrap_err();
        assert!(
            full.to_string().contains(&format!("{there} jobs")),
            "{full}"
        );
    }
}

#[test]
fn what_a_server_does_not_take_is_refused_and_a_full_stream_lets_jobs_end() {
    let Some(server) = start("") else {
        return;
    };
    let q = server.open("p");
    let large = NewJob {
        payload: vec![0; 1 << 20],
        ..new("l", "large")
    };
    let e = q.enqueue(vec![large], Bounds::NONE).wait().unwrap_err();
    assert!(e.to_string().contains("max_payload"), "{e}");
    let small = Options {
        jobs: Some(4 << 20),
        ..super::options(server.peer.url(), "small")
    };
    let q = Jobs::open(&small).unwrap();
    let job = || NewJob {
        payload: vec![7; 200_000],
        ..new("l", "a")
    };
    let full = (0..100).find_map(|_| q.enqueue(vec![job()], Bounds::NONE).wait().err());
    let full = full.unwrap();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    assert!(full.to_string().contains("raise its max_bytes"), "{full}");
    let got = lease(&q, 100, 5);
    assert!(got.len() > 10, "{}", got.len());
    for job in &got {
        assert_eq!(q.finish(job.id, job.attempt, done(), 6).wait(), Ok(true));
    }
    assert_eq!(q.forget(7, 7, 100).wait(), Ok(got.len()));
    until("there is room again", || {
        q.enqueue(vec![job()], Bounds::NONE).wait().is_ok()
    });
}

#[test]
fn killed_and_started_again_it_has_all_and_what_is_under_way_ends() {
    let Some(mut server) = start("sync_interval: always") else {
        return;
    };
    let [a, b] = [server.open("p"), server.open("p")];
    let ids: Vec<JobId> = (0..40).map(|_| add(&a, new("l", "x"))).collect();
    let got = lease(&a, 10, 5);
    server.peer.stop();
    remote::fail_in_time(
        || {
            let e = a.enqueue(vec![new("l", "y")], Bounds::NONE).wait();
            assert!(matches!(e, Err(Error::Away { .. })), "{e:?}");
            let e = a.finish(got[0].id, 1, done(), 6).wait();
            assert!(matches!(e, Err(Error::Away { .. })), "{e:?}");
        },
        || {
            assert!(a.lease("l", 1, 9, 5).wait().is_err());
            assert!(a.job(ids[0]).unwrap().is_some(), "what is known is told");
        },
    );
    server.peer.start_again().unwrap();
    until("it is back", || {
        a.finish(got[0].id, 1, done(), 6).wait().is_ok()
    });
    for job in &got[1..] {
        assert_eq!(a.finish(job.id, job.attempt, done(), 6).wait(), Ok(true));
    }
    until("the other heard", || waiting(&b) == 30);
    let rest = lease(&b, 100, 5);
    assert_eq!(rest.len(), 30);
    assert!(rest.iter().all(|j| j.attempt == 1));
}

#[test]
fn a_node_that_ends_gives_back_what_it_has_and_of_one_that_is_killed_leases_run_out() {
    let Some(server) = start("") else {
        return;
    };
    let [a, b, c] = [(); 3].map(|()| server.open("p"));
    for _ in 0..20 {
        add(&c, new("l", "x"));
    }
    let killed = lease_all(&a, 5);
    // It says nothing more, as after `kill -9`.
    std::mem::forget(a);
    let ended = lease_all(&b, 5);
    drop(b);
    let mut got = Vec::new();
    until("all but those of the killed one are lent", || {
        got.extend(lease(&c, 100, 50));
        got.len() == 15
    });
    assert!(lease(&c, 100, 104).is_empty());
    let of = |jobs: &[Leased], attempt| -> BTreeSet<JobId> {
        let of = jobs.iter().filter(|j| j.attempt == attempt);
        of.map(|j| j.id).collect()
    };
    assert_eq!(of(&got, 2), of(&ended, 1));
    let again = lease(&c, 100, 105);
    assert_eq!(of(&again, 2), of(&killed, 1));
}

/// Exactly so many, at time 5.
fn lease_all(q: &Jobs, n: usize) -> Vec<Leased> {
    let mut got = Vec::new();
    until("so many are lent", || {
        got.extend(lease(q, n - got.len(), 5));
        got.len() == n
    });
    got
}

/// How many ends of a call a second, of so many at once.
fn rate(n: usize, begun: Instant) -> u64 {
    (n as f64 / begun.elapsed().as_secs_f64()) as u64
}

/// Prints a row of the table of ADR 360.
#[test]
#[ignore = "measures: run it alone, with --nocapture"]
fn how_fast_it_is() {
    const JOBS: usize = 12_000;
    const PRODUCERS: usize = 128;
    for (name, jetstream) in [("always", "sync_interval: always"), ("default", "")] {
        let Some(server) = start(jetstream) else {
            return;
        };
        let q = server.open("p");
        let job = || NewJob {
            payload: vec![7; 1024],
            ..new("l", "a")
        };
        add(&q, job());
        let begun = Instant::now();
        std::thread::scope(|s| {
            for _ in 0..PRODUCERS {
                s.spawn(|| {
                    for _ in 0..JOBS / PRODUCERS {
                        add(&q, job());
                    }
                });
            }
        });
        let accepted = rate(JOBS, begun);
        let begun = Instant::now();
        for _ in 0..JOBS / 256 {
            let jobs = (0..256).map(|_| job()).collect();
            q.enqueue(jobs, Bounds::NONE).wait().unwrap();
        }
        let together = rate(JOBS / 256 * 256, begun);
        let begun = Instant::now();
        let mut leased: Vec<Leased> = Vec::new();
        loop {
            let got = q.lease("l", 64, 1 << 39, 5).wait().unwrap();
            if got.is_empty() {
                break;
            }
            leased.extend(got);
        }
        let claimed = rate(leased.len(), begun);
        let begun = Instant::now();
        for some in leased.chunks(64) {
            let acks: Vec<_> = (some.iter())
                .map(|job| q.finish(job.id, job.attempt, done(), 6))
                .collect();
            acks.into_iter()
                .for_each(|ack| assert_eq!(ack.wait(), Ok(true)));
        }
        let finished = rate(leased.len(), begun);
        let begun = Instant::now();
        drop(q);
        let q = server.open("p");
        // What is in the stream is read first; one call does not wait for long.
        until("it is read", || q.lanes().is_ok());
        let open = begun.elapsed();
        println!(
            "| {name} | {accepted} | {together} | {claimed} | {finished} | {open:?} for {} |",
            leased.len()
        );
    }
}
