//! What every `Counter` must do.

use super::Factory;
use std::sync::Arc;
use std::time::Duration;
use store::{Counter, Error, Quota, Take, Taken};

/// One unit an hour: what is taken does not come back during a test.
const HOURLY: f64 = 1.0 / 3600.0;

fn wish(key: &str, quota: Quota, want: u64, least: u64) -> Take {
    let (key, group) = (key.into(), "g".into());
    Take {
        key,
        group,
        quota,
        want,
        least,
    }
}

fn take(c: &impl Counter, key: &str, quota: Quota, want: u64, now_us: u64) -> Taken {
    c.take(wish(key, quota, want, 1), now_us).wait().unwrap()
}

pub fn all<F: Factory<Store: Counter>>(f: &F) {
    a_burst_is_there_once(f);
    keys_are_apart_and_a_group_is_summed_up(f);
    nothing_is_given_below_the_least(f);
    who_waits_as_told_is_given_it(f);
    what_is_given_back_is_there_again(f);
    threads_together_get_one_burst(f);
    bounds_are_refused(f);
}

fn a_burst_is_there_once<F: Factory<Store: Counter>>(f: &F) {
    let (c, now) = (f.fresh(), 1_000_000);
    let quota = Quota::new(HOURLY, 10);
    assert_eq!(take(&c, "a", quota, 4_000, now).granted, 4_000);
    let rest = take(&c, "a", quota, 50_000, now);
    assert!((5_990..=6_010).contains(&rest.granted), "{rest:?}");
    assert!(rest.left <= 10, "{rest:?}");
    let none = c.take(wish("a", quota, 1_000, 1_000), now).wait().unwrap();
    assert_eq!(none.granted, 0);
    let hour = Duration::from_secs(3600);
    assert!(
        none.retry <= hour && none.retry > hour - Duration::from_secs(60),
        "{none:?}"
    );
}

fn keys_are_apart_and_a_group_is_summed_up<F: Factory<Store: Counter>>(f: &F) {
    let (c, now) = (f.fresh(), 1_000_000);
    let quota = Quota::new(HOURLY, 3);
    assert_eq!(take(&c, "a", quota, 3_000, now).granted, 3_000);
    let b = take(&c, "b", quota, 2_000, now);
    assert_eq!(b.granted, 2_000);
    // Some of it may be forgotten already.
    assert!(b.group > 4_000.0 && b.group <= 5_000.0, "{b:?}");
    let other = Take {
        group: "h".into(),
        ..wish("c", quota, 1_000, 1)
    };
    assert_eq!(c.take(other, now).wait().unwrap().group, 1_000.0);
}

fn nothing_is_given_below_the_least<F: Factory<Store: Counter>>(f: &F) {
    let (c, now) = (f.fresh(), 1_000_000);
    let quota = Quota::new(HOURLY, 5);
    take(&c, "a", quota, 3_000, now);
    let none = c.take(wish("a", quota, 4_000, 3_000), now).wait().unwrap();
    assert_eq!(none.granted, 0);
    assert!((2_000..2_010).contains(&none.left), "{none:?}");
    assert!(take(&c, "a", quota, 2_000, now).granted == 2_000);
    // What is dearer than a burst is taken to cost a whole one.
    let dear = c
        .take(wish("b", quota, 90_000, 90_000), now)
        .wait()
        .unwrap();
    assert_eq!(dear.granted, 5_000);
}

fn who_waits_as_told_is_given_it<F: Factory<Store: Counter>>(f: &F) {
    let (c, mut now) = (f.fresh(), 1_000_000);
    let quota = Quota::new(20.0, 2);
    let one = || wish("a", quota, 1_000, 1_000);
    for _ in 0..6 {
        let taken = c.take(one(), now).wait().unwrap();
        if taken.granted == 0 {
            assert!(taken.retry <= Duration::from_millis(50), "{taken:?}");
            f.pass(&mut now, taken.retry.as_micros() as u64);
            assert_eq!(c.take(one(), now).wait().unwrap().granted, 1_000);
        }
    }
}

fn what_is_given_back_is_there_again<F: Factory<Store: Counter>>(f: &F) {
    let (c, now) = (f.fresh(), 1_000_000);
    let quota = Quota::new(HOURLY, 5);
    c.give("never", quota, 5_000, now).wait().unwrap();
    assert_eq!(take(&c, "never", quota, 9_000, now).granted, 5_000);
    take(&c, "a", quota, 5_000, now);
    c.give("a", quota, 2_000, now).wait().unwrap();
    let again = take(&c, "a", quota, 5_000, now).granted;
    assert!((1_990..2_010).contains(&again), "{again}");
}

fn threads_together_get_one_burst<F: Factory<Store: Counter>>(f: &F) {
    let c = Arc::new(f.fresh());
    let quota = Quota::new(HOURLY, 50);
    let run = |c: Arc<F::Store>| {
        let one = || c.take(wish("a", quota, 1_000, 1_000), 1_000_000);
        (0..40).map(|_| one().wait().unwrap().granted).sum::<u64>()
    };
    let total: u64 = std::thread::scope(|s| {
        let threads: Vec<_> = (0..4).map(|_| s.spawn(|| run(c.clone()))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(total, 50_000);
}

fn bounds_are_refused<F: Factory<Store: Counter>>(f: &F) {
    let c = f.fresh();
    let quota = Quota::new(1.0, 1);
    for key in ["", &"k".repeat(store::MAX_NAME + 1)] {
        let refused = c.take(wish(key, quota, 1, 1), 1).wait();
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}
