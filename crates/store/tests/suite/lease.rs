//! What every `Lease` must do.

use super::Factory;
use std::sync::Arc;
use std::time::Duration;
use store::{Error, Lease};

const LONG: Duration = Duration::from_secs(600);

pub fn all<F: Factory<Store: Lease>>(f: &F) {
    one_has_it_and_the_other_is_told_who(f);
    it_expires_and_its_token_goes_up(f);
    it_survives_a_restart(f);
    of_many_at_once_one_gets_it(f);
    bounds_are_refused(f);
}

fn one_has_it_and_the_other_is_told_who<F: Factory<Store: Lease>>(f: &F) {
    let (l, now) = (f.fresh(), 1_000);
    assert_eq!(l.holder("a", now).unwrap(), None);
    let ours = l.acquire("a", "one", LONG, now).unwrap();
    assert_eq!((ours.owner.as_str(), ours.left), ("one", LONG));
    let told = l.acquire("a", "two", LONG, now).unwrap();
    assert_eq!((told.owner.as_str(), told.token), ("one", ours.token));
    assert!(told.left <= LONG && told.left > LONG / 2);
    // Prolonged it is the same holding; another name is another lease.
    assert_eq!(l.acquire("a", "one", LONG, now).unwrap().token, ours.token);
    assert_eq!(l.acquire("b", "two", LONG, now).unwrap().owner, "two");
    // Only who has it gives it up.
    assert!(!l.release("a", "two", ours.token, now).unwrap());
    assert!(!l.release("a", "one", ours.token + 1, now).unwrap());
    assert!(l.release("a", "one", ours.token, now).unwrap());
    assert!(!l.release("a", "one", ours.token, now).unwrap());
    assert_eq!(l.holder("a", now).unwrap(), None);
    let next = l.acquire("a", "two", LONG, now).unwrap();
    assert!(next.owner == "two" && next.token > ours.token);
}

fn it_expires_and_its_token_goes_up<F: Factory<Store: Lease>>(f: &F) {
    let (l, mut now_us) = (f.fresh(), 1_000_000);
    let ttl = Duration::from_millis(150);
    let first = l.acquire("a", "one", ttl, now_us / 1000).unwrap();
    f.pass(&mut now_us, 151_000);
    assert_eq!(l.holder("a", now_us / 1000).unwrap(), None);
    // Its old owner comes back as a new one.
    let again = l.acquire("a", "one", LONG, now_us / 1000).unwrap();
    assert!(again.token > first.token);
    assert!(!l.release("a", "one", first.token, now_us / 1000).unwrap());
    assert_eq!(
        l.holder("a", now_us / 1000).unwrap().unwrap().token,
        again.token
    );
}

fn it_survives_a_restart<F: Factory<Store: Lease>>(f: &F) {
    let (l, now) = (f.fresh(), 1_000);
    let ours = l.acquire("a", "one", LONG, now).unwrap();
    let l = f.reopen(l);
    assert_eq!(l.acquire("a", "two", LONG, now).unwrap().token, ours.token);
    l.release("a", "one", ours.token, now).unwrap();
    let l = f.reopen(l);
    assert!(l.acquire("a", "two", LONG, now).unwrap().token > ours.token);
}

fn of_many_at_once_one_gets_it<F: Factory<Store: Lease>>(f: &F) {
    let l = Arc::new(f.fresh());
    let run = |i: usize, l: Arc<F::Store>| {
        let owner = format!("o{i}");
        l.acquire("a", &owner, LONG, 1_000).unwrap().owner == owner
    };
    let won: usize = std::thread::scope(|s| {
        let all: Vec<_> = (0..6)
            .map(|i| {
                let l = l.clone();
                s.spawn(move || run(i, l))
            })
            .collect();
        all.into_iter().map(|t| t.join().unwrap() as usize).sum()
    });
    assert_eq!(won, 1);
}

fn bounds_are_refused<F: Factory<Store: Lease>>(f: &F) {
    let l = f.fresh();
    for (name, owner, ttl) in [
        ("", "o", LONG),
        ("a", "", LONG),
        ("a", "o", Duration::ZERO),
        ("a", "o", 1000 * LONG),
    ] {
        let refused = l.acquire(name, owner, ttl, 1);
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}
