//! What every `Topics` must do.

use super::Factory;
use super::queue::new;
use store::{
    Bounds, Error, Finish, JobId, Leased, NewMessage, Payload, Published, Queue, State, Topic,
    TopicBounds, Topics,
};

/// Bounds that nothing reaches, and no event is the same as one before.
const WIDE: TopicBounds = TopicBounds {
    events: 1000,
    bytes: 1 << 30,
    since_ms: 0,
};

/// For these lanes.
fn event(n: u8, lanes: &[&str], payload: &[u8]) -> NewMessage {
    let job = |lane: &&str| store::NewJob {
        head: Vec::new(),
        payload: Vec::new(),
        ..new(lane, "")
    };
    NewMessage {
        digest: [n; 16],
        at_ms: u64::from(n),
        head: vec![b'h', n],
        payload: payload.to_vec(),
        jobs: lanes.iter().map(job).collect(),
    }
}

fn publish(q: &impl Topics, events: Vec<NewMessage>) -> Vec<Published> {
    q.publish("t", events, WIDE).wait().unwrap()
}

fn lease(q: &impl Queue, lane: &str) -> Vec<Leased> {
    q.lease(lane, 10, 1000, 5).wait().unwrap()
}

fn end(q: &impl Queue, job: &Leased, how: Finish) {
    assert!(q.finish(job.id, job.attempt, how, 7).wait().unwrap());
}

fn done() -> Finish {
    Finish::Done { result: Vec::new() }
}

fn dead() -> Finish {
    Finish::Dead {
        reason: "400".into(),
        result: Vec::new(),
    }
}

fn topic(q: &impl Topics) -> Topic {
    q.topics().unwrap().remove(0)
}

fn positions(q: &impl Topics, after: u64) -> Vec<u64> {
    let all = q.events("t", after, 100).unwrap();
    all.iter().map(|e| e.position).collect()
}

pub fn all<F: Factory<Store: Queue + Topics>>(f: &F) {
    an_event_is_kept_once_and_lent_to_each(f);
    the_same_event_is_published_once(f);
    what_nobody_waits_for_gives_way(f);
    large_payloads_are_one_file_and_let_go(f);
    the_old_are_trimmed_and_positions_are_never_reused(f);
    leases_are_extended_and_the_late_expire(f);
    the_dead_are_driven_again(f);
    odd_events_are_refused(f);
}

fn an_event_is_kept_once_and_lent_to_each<F: Factory<Store: Queue + Topics>>(f: &F) {
    let q = f.fresh();
    let told = publish(
        &q,
        vec![event(1, &["a", "b"], b"x"), event(2, &["b"], b"y")],
    );
    assert_eq!(told.iter().map(|p| p.position).collect::<Vec<_>>(), [1, 2]);
    let (a, b) = (lease(&q, "a"), lease(&q, "b"));
    assert_eq!((a.len(), b.len()), (1, 2));
    assert_eq!((&a[0].head[..], a[0].position), (&[b'h', 1][..], 1));
    assert_eq!(b[1].payload, Payload::Inline(b"y".to_vec()));
    assert_eq!((topic(&q).events, topic(&q).bytes), (2, 6));
    end(&q, &a[0], done());
    assert_eq!(q.job(a[0].id).unwrap(), None, "what is done is gone");
    let q = f.reopen(q);
    assert_eq!(lease(&q, "b").len(), 2, "leases end with the process");
    assert!(lease(&q, "a").is_empty());
    assert_eq!(positions(&q, 0), [1, 2]);
    assert_eq!(positions(&q, 1), [2]);
    // Jobs of routes beside them are as ever.
    let id = q
        .enqueue(vec![new("r", "text")], Bounds::NONE)
        .wait()
        .unwrap()[0];
    let route = lease(&q, "r");
    assert_eq!((route[0].position, route[0].id), (0, id));
    end(&q, &route[0], done());
    assert_eq!(q.job(id).unwrap().unwrap().state, State::Done);
}

fn the_same_event_is_published_once<F: Factory<Store: Queue + Topics>>(f: &F) {
    let q = f.fresh();
    let twice = publish(&q, vec![event(1, &["a"], b"x"), event(1, &["a"], b"x")]);
    let flags = |all: &[Published]| all.iter().map(|p| p.duplicate).collect::<Vec<_>>();
    assert_eq!(flags(&twice), [false, true]);
    assert_eq!(twice[0].position, twice[1].position);
    let again = publish(&q, vec![event(1, &["a"], b"x"), event(2, &["a"], b"x")]);
    assert_eq!(flags(&again), [true, false]);
    assert_eq!(lease(&q, "a").len(), 2);
    let later = TopicBounds {
        since_ms: 2,
        ..WIDE
    };
    let new = q.publish("t", vec![event(1, &["a"], b"x")], later).wait();
    assert_eq!(flags(&new.unwrap()), [false], "it was too long ago");
    let other = q.publish("u", vec![event(1, &["a"], b"x")], WIDE).wait();
    assert_eq!(flags(&other.unwrap()), [false], "another topic");
}

fn what_nobody_waits_for_gives_way<F: Factory<Store: Queue + Topics>>(f: &F) {
    let q = f.fresh();
    let few = TopicBounds { events: 3, ..WIDE };
    let add = |n, lanes: &[&str]| q.publish("t", vec![event(n, lanes, b"")], few).wait();
    add(1, &[]).unwrap();
    add(2, &["a"]).unwrap();
    add(3, &["a"]).unwrap();
    add(4, &["a"]).unwrap();
    assert_eq!(positions(&q, 0), [2, 3, 4]);
    let full = add(5, &["a"]).unwrap_err();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    assert_eq!(lease(&q, "b").len(), 0);
    let leased = lease(&q, "a");
    end(&q, &leased[0], dead());
    end(&q, &leased[1], done());
    // The dead letter is the oldest that nobody waits for.
    add(6, &["a"]).unwrap();
    assert_eq!(positions(&q, 0), [3, 4, 5]);
    assert_eq!(
        (topic(&q).dropped, topic(&q).gone, topic(&q).last),
        (1, 2, 5)
    );
    assert_eq!(q.jobs("a", State::Dead, 0, 10).unwrap(), []);
    assert_eq!(q.lanes().unwrap()[0].dead, 0);
    let bytes = TopicBounds { bytes: 10, ..WIDE };
    let large = q.publish("t", vec![event(7, &[], &[0; 100])], bytes).wait();
    assert!(matches!(large, Err(Error::Full { .. })));
    assert_eq!(
        positions(&q, 0),
        [3, 4, 5],
        "what fits nowhere takes no place"
    );
    let all: Result<Vec<_>, Error> = q
        .publish("t", (10..14).map(|n| event(n, &[], b"")).collect(), few)
        .wait();
    assert!(all.is_err(), "all or none");
}

fn large_payloads_are_one_file_and_let_go<F: Factory<Store: Queue + Topics>>(f: &F) {
    let q = f.fresh();
    let large = vec![7; 100 << 10];
    publish(&q, vec![event(1, &["a", "b"], &large)]);
    let (a, b) = (lease(&q, "a"), lease(&q, "b"));
    assert_eq!(a[0].payload, b[0].payload);
    assert_eq!(a[0].payload.clone().read().unwrap(), large);
    end(&q, &a[0], done());
    end(&q, &b[0], done());
    let kept = q.events("t", 0, 1).unwrap().remove(0);
    assert_eq!(kept.payload.clone().read().unwrap(), large, "read again");
    let q = f.reopen(q);
    assert_eq!(kept.payload.clone().read().unwrap(), large);
    assert_eq!(q.trim("t", 100, 10).wait(), Ok(1));
    // Files go after the commit that lets them go; the next one shows that it is over.
    publish(&q, vec![event(2, &[], b"")]);
    assert!(kept.payload.read().is_err());
}

fn the_old_are_trimmed_and_positions_are_never_reused<F: Factory<Store: Queue + Topics>>(f: &F) {
    let q = f.fresh();
    publish(
        &q,
        vec![
            event(1, &["a"], b""),
            event(2, &[], b""),
            event(3, &[], b""),
        ],
    );
    assert_eq!(q.trim("t", 3, 10).wait(), Ok(1), "one waits, one is young");
    assert_eq!(positions(&q, 0), [1, 3]);
    end(&q, &lease(&q, "a")[0], dead());
    assert_eq!(
        q.trim("t", 100, 10).wait(),
        Ok(1),
        "a dead letter keeps its event"
    );
    assert_eq!(q.forget(0, 100, 10).wait(), Ok(1));
    assert_eq!(q.trim("t", 100, 10).wait(), Ok(1));
    assert_eq!((topic(&q).events, topic(&q).bytes), (0, 0));
    assert_eq!(q.trim("none", 100, 10).wait(), Ok(0));
    let q = f.reopen(q);
    assert_eq!(publish(&q, vec![event(4, &[], b"")])[0].position, 4);
}

fn leases_are_extended_and_the_late_expire<F: Factory<Store: Queue + Topics>>(f: &F) {
    let q = f.fresh();
    let mut short = event(1, &["a"], b"");
    short.jobs[0].expires_ms = 50;
    publish(&q, vec![short, event(2, &["a"], b"")]);
    let leased = q.lease("a", 1, 20, 5).wait().unwrap();
    let id = leased[0].id;
    assert_eq!(q.extend(id, 1, 60).wait(), Ok(true));
    assert_eq!(q.extend(id, 2, 60).wait(), Ok(false));
    let guessed = JobId { secret: 1, ..id };
    assert_eq!(q.extend(guessed, 1, 60).wait(), Ok(false));
    assert_eq!(
        q.lease("a", 10, 100, 30).wait().unwrap().len(),
        1,
        "only the other"
    );
    assert_eq!(q.expire("a", 55, 10).wait(), Ok(0), "somebody has it");
    assert_eq!(q.expire("a", 61, 10).wait(), Ok(1));
    assert_eq!(q.job(id).unwrap().unwrap().state, State::Dead);
    assert_eq!(q.extend(id, 1, 90).wait(), Ok(false));
    assert_eq!(q.expire("none", 61, 10).wait(), Ok(0));
}

fn the_dead_are_driven_again<F: Factory<Store: Queue + Topics>>(f: &F) {
    let q = f.fresh();
    publish(&q, vec![event(1, &["a"], b"x")]);
    end(&q, &lease(&q, "a")[0], dead());
    let dead = q.jobs("a", State::Dead, 0, 10).unwrap().remove(0);
    assert_eq!(q.redrive(dead.id, 0, 1 << 40).wait(), Ok(true));
    // It is waited for again.
    assert_eq!(q.trim("t", 100, 10).wait(), Ok(0));
    let again = lease(&q, "a").remove(0);
    assert_eq!(
        (again.attempt, again.payload.clone()),
        (1, Payload::Inline(b"x".to_vec()))
    );
    end(&q, &again, done());
    assert_eq!(q.trim("t", 100, 10).wait(), Ok(1));
}

fn odd_events_are_refused<F: Factory<Store: Queue + Topics>>(f: &F) {
    let q = f.fresh();
    let refused = |events| q.publish("t", events, WIDE).wait().is_err();
    assert!(refused(Vec::new()));
    assert!(refused(vec![
        event(1, &[], b"");
        store::topics::MAX_PUBLISHED + 1
    ]));
    assert!(refused(vec![event(1, &[""], b"")]));
    assert!(
        q.publish("", vec![event(1, &[], b"")], WIDE)
            .wait()
            .is_err()
    );
    assert_eq!(q.topics().unwrap(), []);
}
