//! What every `Kv` must do.

use super::Factory;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Error, Etag, Kv, MAX_VALUE, Precondition, Put};

fn put(
    kv: &impl Kv,
    key: &str,
    value: &str,
    precondition: Precondition,
    expires_ms: Option<u64>,
    now_ms: u64,
) -> Result<Etag, Error> {
    kv.put(
        Put {
            key: key.into(),
            value: value.as_bytes().to_vec(),
            precondition,
            expires_ms,
        },
        now_ms,
    )
    .wait()
}

fn get(kv: &impl Kv, key: &str, now_ms: u64) -> Option<String> {
    kv.get(key, now_ms)
        .unwrap()
        .map(|e| String::from_utf8(e.value).unwrap())
}

pub fn all<F: Factory<Store: Kv>>(f: &F) {
    compare_and_set(f);
    racing_counters_lose_nothing(f);
    expiry_follows_the_clock_passed_in(f);
    scans_are_bounded_and_ordered(f);
    bounds_are_refused(f);
    it_survives_a_restart(f);
    a_random_walk_agrees_with_a_map(f);
}

fn compare_and_set<F: Factory<Store: Kv>>(f: &F) {
    use Precondition::{Absent, Any, Is};
    let kv = f.fresh();
    assert_eq!(kv.get("a", 0).unwrap(), None);
    let one = put(&kv, "a", "1", Absent, None, 0).unwrap();
    let stale = put(&kv, "a", "no", Absent, None, 0).unwrap_err();
    assert!(
        matches!(stale, Error::Stale { actual: Some(e), .. } if e == one),
        "{stale}"
    );
    let two = put(&kv, "a", "2", Is(one), None, 0).unwrap();
    assert!(put(&kv, "a", "no", Is(one), None, 0).is_err());
    assert!(kv.delete("a", Is(one), 0).wait().is_err());
    assert_eq!(get(&kv, "a", 0).as_deref(), Some("2"));
    assert!(kv.delete("a", Is(two), 0).wait().unwrap());
    assert!(!kv.delete("a", Any, 0).wait().unwrap());
    // An etag from before the deletion never fits again.
    let again = put(&kv, "a", "2", Absent, None, 0).unwrap();
    assert!(again != one && again != two);
    assert!(put(&kv, "missing", "no", Is(two), None, 0).is_err());
}

fn racing_counters_lose_nothing<F: Factory<Store: Kv>>(f: &F) {
    let kv = Arc::new(f.fresh());
    put(&*kv, "n", "0", Precondition::Any, None, 0).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let kv = kv.clone();
            std::thread::spawn(move || {
                for _ in 0..25 {
                    loop {
                        let e = kv.get("n", 0).unwrap().unwrap();
                        let n: u64 = String::from_utf8(e.value).unwrap().parse().unwrap();
                        let next = (n + 1).to_string();
                        match put(&*kv, "n", &next, Precondition::Is(e.etag), None, 0) {
                            Ok(_) => break,
                            Err(e) => assert!(e.is_conflict(), "{e}"),
                        }
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(get(&*kv, "n", 0).as_deref(), Some("100"));
}

fn expiry_follows_the_clock_passed_in<F: Factory<Store: Kv>>(f: &F) {
    use Precondition::{Absent, Any, Is};
    let kv = f.fresh();
    let etag = put(&kv, "t", "v", Any, Some(100), 50).unwrap();
    put(&kv, "keep", "v", Any, None, 50).unwrap();
    assert_eq!(get(&kv, "t", 99).as_deref(), Some("v"));
    assert_eq!(get(&kv, "t", 100), None);
    assert_eq!(kv.scan("", None, 10, 100).unwrap().len(), 1);
    // Expired is absent, also for preconditions.
    assert!(put(&kv, "t", "no", Is(etag), None, 100).is_err());
    assert!(!kv.delete("t", Any, 100).wait().unwrap());
    put(&kv, "t", "w", Absent, Some(200), 100).unwrap();
    put(&kv, "u", "w", Any, Some(201), 100).unwrap();
    assert_eq!(kv.sweep(10, 199).wait().unwrap(), 0);
    assert_eq!(kv.sweep(1, 300).wait().unwrap(), 1);
    assert_eq!(kv.sweep(10, 300).wait().unwrap(), 1);
    assert_eq!(get(&kv, "keep", 300).as_deref(), Some("v"));
}

fn scans_are_bounded_and_ordered<F: Factory<Store: Kv>>(f: &F) {
    let kv = f.fresh();
    for key in [
        "b/2",
        "a/1",
        "b/10",
        "b/\u{10ffff}",
        "b0",
        "b/",
        "c",
        "%",
        "b_",
    ] {
        put(&kv, key, "v", Precondition::Any, None, 0).unwrap();
    }
    let keys = |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let found = kv.scan(prefix, after, limit, 0).unwrap();
        found.into_iter().map(|e| e.key).collect()
    };
    assert_eq!(keys("b/", None, 10), ["b/", "b/10", "b/2", "b/\u{10ffff}"]);
    assert_eq!(keys("b/", Some("b/10"), 1), ["b/2"]);
    assert_eq!(keys("b/", Some("b/\u{10ffff}"), 10), Vec::<String>::new());
    assert_eq!(keys("%", None, 10), ["%"]);
    assert_eq!(keys("", None, 100).len(), 9);
    assert!(keys("", None, 0).is_empty());
    put(&kv, "b/gone", "v", Precondition::Any, Some(5), 0).unwrap();
    let count = |prefix: &str, now_ms| kv.count(prefix, now_ms).unwrap();
    assert_eq!(
        [count("b/", 4), count("b/", 5), count("", 5), count("x", 0)],
        [5, 4, 9, 0]
    );
}

fn bounds_are_refused<F: Factory<Store: Kv>>(f: &F) {
    let kv = f.fresh();
    let try_put = |key: &str, size: usize| {
        kv.put(
            Put {
                key: key.into(),
                value: vec![0; size],
                precondition: Precondition::Any,
                expires_ms: Some(u64::MAX),
            },
            0,
        )
        .wait()
    };
    assert!(matches!(try_put("", 1), Err(Error::Invalid(_))));
    assert!(matches!(
        try_put("k", MAX_VALUE + 1),
        Err(Error::TooLarge { .. })
    ));
    assert!(matches!(
        try_put(&"k".repeat(store::MAX_NAME + 1), 1),
        Err(Error::TooLarge { .. })
    ));
    try_put("k", MAX_VALUE).unwrap();
    assert_eq!(kv.get("k", 1).unwrap().unwrap().value.len(), MAX_VALUE);
}

fn it_survives_a_restart<F: Factory<Store: Kv>>(f: &F) {
    let kv = f.fresh();
    let before = put(&kv, "a", "1", Precondition::Any, Some(9), 0).unwrap();
    kv.delete("a", Precondition::Any, 0).wait().unwrap();
    let kv = f.reopen(kv);
    let after = put(&kv, "a", "2", Precondition::Absent, None, 0).unwrap();
    assert!(after > before, "an etag was given out twice");
    assert_eq!(get(&kv, "a", 99).as_deref(), Some("2"));
}

/// A seeded walk of puts, deletes and expiries, compared with the simplest thing that could be right.
fn a_random_walk_agrees_with_a_map<F: Factory<Store: Kv>>(f: &F) {
    let kv = f.fresh();
    let mut map: BTreeMap<String, (String, Option<u64>)> = BTreeMap::new();
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut draw = |n: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % n
    };
    for now in 0..400 {
        let key = format!("k{}", draw(8));
        match draw(4) {
            0 => {
                kv.delete(&key, Precondition::Any, now).wait().unwrap();
                map.remove(&key);
            }
            1 => {
                kv.sweep(10, now).wait().unwrap();
            }
            kind => {
                let expires = (kind == 2).then(|| now + draw(20));
                let value = now.to_string();
                put(&kv, &key, &value, Precondition::Any, expires, now).unwrap();
                map.insert(key, (value, expires));
            }
        }
        map.retain(|_, (_, expires)| expires.is_none_or(|e| e > now));
        let found: Vec<_> = kv
            .scan("", None, 100, now)
            .unwrap()
            .into_iter()
            .map(|e| (e.key, String::from_utf8(e.value).unwrap()))
            .collect();
        let expected: Vec<_> = map
            .iter()
            .map(|(k, (v, _))| (k.clone(), v.clone()))
            .collect();
        assert_eq!(found, expected, "at step {now}");
    }
}
