//! What the store holds, gives up and loses.

use super::super::core::Keep;
use super::super::entry::{Entry, OVERHEAD, Started};
use super::super::store::Store;
use super::super::{Purge, What, shelf, vary};
use super::fields;
use base::Nanos;
use proptest::prelude::*;

fn entry(
    lifetime: u64,
    request: &[(&'static str, &str)],
    vary: &str,
    body: usize,
    at: Nanos,
) -> Entry {
    let response = fields(&[("vary", vary)]);
    let keep = Keep {
        lifetime,
        vary: vary::names(&response).unwrap(),
        ..Keep::default()
    };
    let started = Started { at, unix: 0 };
    let mut entry = Entry::new(200, Default::default(), keep, &fields(request), started);
    entry.body = vec![0; body].into();
    entry
}

#[test]
fn only_the_same_variant_answers() {
    let store = Store::new(1 << 20, 1 << 10);
    let put = |lang: &[(&'static str, &str)], body| {
        store.put(b"k", entry(10, lang, "accept-language", body, Nanos(0)));
    };
    let size = |f: &[(&'static str, &str)]| {
        let found = store.find(b"k", &fields(f), None);
        assert!(found.known);
        found.entry.map(|e| e.body.len())
    };
    put(&[("accept-language", "de")], 1);
    put(&[("accept-language", "en")], 2);
    put(&[], 3);
    put(&[("accept-language", "de")], 4);
    assert_eq!(size(&[("accept-language", "de")]), Some(4));
    assert_eq!(size(&[("Accept-Language", " en ")]), Some(2));
    assert_eq!(size(&[]), Some(3));
    assert_eq!(size(&[("accept-language", "fr")]), None);
    assert_eq!(
        size(&[("accept-language", "de"), ("accept-language", "en")]),
        None
    );
    assert!(!store.find(b"other", &fields(&[]), None).known);
}

#[test]
fn a_crawl_does_not_wash_out_what_is_asked_for() {
    let store = Store::new(100 * 1024, 100 * 1024);
    let hit = |k: &str| store.find(k.as_bytes(), &fields(&[]), None).entry.is_some();
    let ask = |k: &str| {
        let was = hit(k);
        if !was {
            store.put(k.as_bytes(), entry(10, &[], "", 500, Nanos(0)));
        }
        was
    };
    for _ in 0..3 {
        (0..30).for_each(|i| _ = ask(&format!("hot{i}")));
    }
    for i in 0..3000 {
        ask(&format!("cold{i}"));
    }
    let kept = (0..30).filter(|i| hit(&format!("hot{i}"))).count();
    assert!(kept >= 28, "{kept} of 30 hot keys survive");
}

fn lru(keys: &[u32], room: usize) -> usize {
    let (mut last, mut order) = (
        std::collections::HashMap::new(),
        std::collections::BTreeMap::new(),
    );
    let mut hits = 0;
    for (now, key) in keys.iter().enumerate() {
        if let Some(before) = last.insert(*key, now) {
            order.remove(&before);
            hits += 1;
        } else if order.len() == room {
            let (_, oldest) = order.pop_first().unwrap();
            last.remove(&oldest);
        }
        order.insert(now, *key);
    }
    hits
}

/// Zipf with exponent 1 over 10 000 keys, drawn by a generator that is always the same.
fn zipf(n: usize) -> Vec<u32> {
    let mut sum = 0.0;
    let up_to: Vec<f64> = (1..=10_000)
        .map(|k| {
            sum += 1.0 / k as f64;
            sum
        })
        .collect();
    let mut seed = 7u64;
    (0..n)
        .map(|_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let u = (seed >> 11) as f64 / (1u64 << 53) as f64 * sum;
            up_to.partition_point(|s| *s < u) as u32
        })
        .collect()
}

#[test]
fn at_one_size_more_is_found_than_with_lru() {
    let keys = zipf(200_000);
    for (room, better) in [(100u64, 1.15), (1000, 1.05)] {
        let each = OVERHEAD + 100 + 4;
        // One shard: bodies up to the whole size.
        let store = Store::new(room * each, room * each);
        let mut hits = 0;
        for key in &keys {
            let key = key.to_le_bytes();
            match store.find(&key, &fields(&[]), None).entry {
                Some(_) => hits += 1,
                None => store.put(&key, entry(10, &[], "", 100, Nanos(0))),
            }
        }
        let (ours, lru) = (hits as f64, lru(&keys, room as usize) as f64);
        println!(
            "{room} of 10000 keys: {:.4} of requests, LRU {:.4}",
            ours / 2e5,
            lru / 2e5
        );
        assert!(ours >= better * lru, "{room} keys: {ours} hits, LRU {lru}");
    }
}

#[test]
fn a_purge_reaches_what_it_names_and_what_is_on_its_way() {
    let store = Store::new(1 << 20, 1 << 10);
    let key = |path: &str| shelf::key(0, b"shop.example", path.as_bytes());
    let put = |path: &str, at: u64| {
        let mut e = entry(10, &[], "", 1, Nanos(at));
        e.groups = vec![path[..2].into()];
        store.put(&key(path), e);
    };
    let state = |path: &str| {
        let entry = store.find(&key(path), &fields(&[]), None).entry?;
        Some(entry.purged.load(std::sync::atomic::Ordering::Relaxed))
    };
    let purge = |what, host: Option<&str>, hard, at| {
        let purge = Purge {
            what,
            host: host.map(str::to_owned),
            hard,
        };
        store.purge(&purge, Nanos(at))
    };
    for path in ["/a/1", "/a/2?x", "/b/1"] {
        put(path, 5);
    }
    assert_eq!(purge(What::Url("/a/1".into()), Some("other"), true, 6), 0);
    assert_eq!(purge(What::Url("/a/1".into()), None, false, 6), 1);
    assert_eq!((state("/a/1"), state("/a/2?x")), (Some(true), Some(false)));
    assert_eq!(
        purge(What::Prefix("/a/".into()), Some("shop.example"), true, 7),
        2
    );
    assert_eq!((state("/a/1"), state("/b/1")), (None, Some(false)));
    assert_eq!(purge(What::Group("/b".into()), None, true, 8), 1);
    // Asked for before the purge, come after it.
    put("/a/1", 6);
    assert_eq!(state("/a/1"), None);
    put("/a/1", 9);
    assert_eq!(state("/a/1"), Some(false));
    for at in 10..80 {
        purge(What::Url("/none".into()), None, false, at);
    }
    put("/b/1", 9);
    assert_eq!(state("/b/1"), None, "too many purges ago to know");
}

proptest! {
    #[test]
    fn a_store_stays_within_its_bytes_and_never_answers_for_another_key(
        steps in prop::collection::vec((0u8..60, 0usize..3000, 0u64..20), 1..400),
    ) {
        let store = Store::new(40_000, 2000);
        let mut now = 0;
        let mut last = std::collections::HashMap::new();
        for (k, body, gap) in steps {
            now += gap * 100_000_000;
            match store.find(&[k], &fields(&[]), None).entry {
                Some(e) => {
                    let (size, at) = last[&k];
                    prop_assert_eq!((e.body.len(), e.at), (size, Nanos(at)));
                }
                None => {
                    store.put(&[k], entry(3, &[], "", body, Nanos(now)));
                    last.insert(k, (body, now));
                }
            }
            prop_assert!(store.counts().bytes <= 40_000);
        }
    }
}
