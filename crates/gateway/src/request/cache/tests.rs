//! The rules of storing and answering, without the gate.

use super::condition::{self, Version};
use super::control::{Control, Fields, list};
use super::core::{self, Keep, Not, Response, Rules};
use super::entry::Entry;
use super::reuse::{self, Ask, Use, Why};
use super::store::Store;
use super::{Purge, What, vary};
use base::Nanos;
use proptest::prelude::*;
use std::time::Duration;

pub type List = Vec<(&'static str, String)>;

impl Fields for List {
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        let named = self.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.for_each(|(_, v)| each(v.as_bytes()));
    }
}

pub fn fields(list: &[(&'static str, &str)]) -> List {
    list.iter().map(|(n, v)| (*n, v.to_string())).collect()
}

/// 1994-11-06T08:49:37Z.
const NOW: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn keep_by(
    rules: Rules,
    request: &[(&'static str, &str)],
    status: u16,
    response: &[(&'static str, &str)],
) -> Result<Keep, Not> {
    let (request, response) = (fields(request), fields(response));
    let r = Response {
        request: &request,
        status,
        fields: &response,
        delay: 0,
        now: NOW,
    };
    core::keep(&r, &rules)
}

fn keep_with(
    request: &[(&'static str, &str)],
    status: u16,
    response: &[(&'static str, &str)],
    ttl: Option<u64>,
) -> Result<Keep, Not> {
    let rules = Rules {
        ttl: ttl.map(Duration::from_secs),
        heuristic: 0.1,
        ..Rules::default()
    };
    keep_by(rules, request, status, response)
}

fn keep(response: &[(&'static str, &str)]) -> Result<u64, Not> {
    keep_with(&[], 200, response, None).map(|k| k.lifetime)
}

#[test]
fn lifetimes_come_from_the_response_first() {
    let cc = "cache-control";
    assert_eq!(keep(&[(cc, "max-age=10")]), Ok(10));
    assert_eq!(keep(&[(cc, "max-age=10, s-maxage=\"20\"")]), Ok(20));
    assert_eq!(
        keep(&[(cc, "MAX-AGE=10"), (cc, "max-age=5")]),
        Ok(5),
        "the shortest"
    );
    assert_eq!(
        keep(&[("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", DATE)]),
        Ok(60)
    );
    assert_eq!(
        keep(&[
            ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"),
            (cc, "max-age=5")
        ]),
        Ok(5)
    );
    assert_eq!(keep(&[]), Err(Not::NoLifetime));
    assert_eq!(keep_with(&[], 200, &[], Some(7)).unwrap().lifetime, 7);
    for silenced in [(cc, "public"), (cc, "must-revalidate"), ("pragma", "x")] {
        assert_eq!(
            keep_with(&[], 200, &[silenced], Some(7)),
            Err(Not::NoLifetime),
            "{silenced:?}"
        );
    }
    for (name, value) in [
        ("expires", "0"),
        ("expires", "-1"),
        ("expires", DATE),
        (cc, "max-age=0"),
        (cc, "max-age=-5"),
        (cc, "max-age=x"),
        (cc, "max-age"),
    ] {
        let got = keep_with(&[], 200, &[(name, value), ("date", DATE)], Some(7));
        assert_eq!(got, Err(Not::Expired), "{name}: {value}");
    }
}

#[test]
fn what_must_not_be_stored_is_not() {
    let fresh = ("cache-control", "max-age=10");
    for d in [
        "no-store",
        "private",
        "no-cache",
        "private=\"\"",
        "max-age=9, No-Store",
    ] {
        assert_eq!(
            keep(&[fresh, ("cache-control", d)]),
            Err(Not::Directive),
            "{d}"
        );
    }
    assert_eq!(keep(&[fresh, ("set-cookie", "a=b")]), Err(Not::Cookie));
    for v in ["*", "accept, *", "*, accept", " ,*", "a b", "ä"] {
        assert_eq!(keep(&[fresh, ("vary", v)]), Err(Not::Vary), "{v}");
    }
    for status in [100, 304, 401, 407, 416, 429, 431] {
        assert_eq!(
            keep_with(&[], status, &[fresh], Some(9)),
            Err(Not::Status),
            "{status}"
        );
    }
    let login = [("authorization", "Basic x")];
    assert_eq!(
        keep_with(&login, 200, &[fresh], None),
        Err(Not::Authorization)
    );
    assert_eq!(
        keep_with(&login, 200, &[], Some(9)),
        Err(Not::Authorization)
    );
    for d in [
        "public, max-age=9",
        "s-maxage=9",
        "max-age=9, must-revalidate",
    ] {
        assert!(
            keep_with(&login, 200, &[("cache-control", d)], None).is_ok(),
            "{d}"
        );
    }
    assert_eq!(
        keep_with(&[], 404, &[], Some(9)),
        Err(Not::NoLifetime),
        "an error says itself how long it holds"
    );
    assert!(keep_with(&[], 404, &[fresh], None).is_ok());
}

#[test]
fn a_session_gets_no_lifetime_from_the_route() {
    let session = [("cookie", "sid=1")];
    let got = keep_with(&session, 200, &[], Some(9));
    assert_eq!(got, Err(Not::Personal));
    let told = [("cache-control", "max-age=9")];
    assert!(!keep_with(&session, 200, &told, Some(9)).unwrap().guessed);
    assert!(keep_with(&[], 200, &[], Some(9)).unwrap().guessed);
}

#[test]
fn age_counts_what_happened_upstream() {
    let age =
        |response: &[(&'static str, &str)]| keep_with(&[], 200, response, None).map(|k| k.age);
    let fresh = ("cache-control", "max-age=100");
    assert_eq!(age(&[fresh, ("age", "30")]), Ok(30));
    assert_eq!(
        age(&[
            fresh,
            ("date", "Sun, 06 Nov 1994 08:49:00 GMT"),
            ("age", "30")
        ]),
        Ok(37)
    );
    assert_eq!(
        age(&[fresh, ("date", "Sun, 06 Nov 1994 08:59:00 GMT")]),
        Ok(0),
        "their clock is ahead"
    );
    assert_eq!(age(&[fresh, ("age", "100")]), Err(Not::Expired));
}

#[test]
fn an_age_that_cannot_be_read_is_old() {
    for (value, fresh) in [
        ("0", true),
        ("0,7200", true),
        ("abc", false),
        ("-1", false),
        ("7200.0", false),
        ("7200, 0", false),
        ("0, 0", false),
        ("", false),
    ] {
        let response = [("cache-control", "max-age=3600"), ("age", value)];
        assert_eq!(keep(&response).is_ok(), fresh, "{value}");
    }
    let twice = [
        ("cache-control", "max-age=3600"),
        ("age", "0"),
        ("age", "0"),
    ];
    assert_eq!(keep(&twice), Err(Not::Expired));
}

#[test]
fn a_guess_is_a_tenth_of_the_age_and_a_day_at_most() {
    let of = |status, modified: &str, more: &[(&'static str, &str)]| {
        let mut all = vec![("date", DATE), ("last-modified", modified)];
        all.extend_from_slice(more);
        keep_with(&[], status, &all, None).map(|k| (k.lifetime, k.guessed))
    };
    let hours_ago = "Sat, 05 Nov 1994 22:49:37 GMT";
    assert_eq!(of(200, hours_ago, &[]), Ok((3600, true)));
    assert_eq!(of(404, hours_ago, &[]), Ok((3600, true)));
    assert_eq!(
        of(200, "Sat, 06 Nov 1993 08:49:37 GMT", &[]),
        Ok((86_400, true))
    );
    assert_eq!(of(201, hours_ago, &[]), Err(Not::NoLifetime));
    assert_eq!(
        of(599, hours_ago, &[("cache-control", "public")]),
        Ok((3600, true))
    );
    assert_eq!(
        of(200, hours_ago, &[("pragma", "no-cache")]),
        Err(Not::NoLifetime)
    );
    let never = Rules::default();
    let response = [("date", DATE), ("last-modified", hours_ago)];
    assert_eq!(keep_by(never, &[], 200, &response), Err(Not::NoLifetime));
}

#[test]
fn what_must_be_confirmed_is_stored_when_it_can_be() {
    let no_cache = |more: (&'static str, &str)| {
        keep_with(&[], 200, &[("cache-control", "no-cache"), more], None)
    };
    let kept = no_cache(("etag", "\"1\"")).unwrap();
    assert!(kept.validate && kept.never_stale && !kept.is_shared());
    assert_eq!(no_cache(("x", "y")), Err(Not::Directive));
    let expired = keep_with(
        &[],
        200,
        &[("cache-control", "max-age=0"), ("etag", "\"1\"")],
        None,
    );
    assert!(!expired.unwrap().is_shared());
}

#[test]
fn a_cookie_is_stored_only_where_the_route_says_so() {
    let cookie = [("cache-control", "max-age=9"), ("set-cookie", "a=b")];
    assert_eq!(keep(&cookie), Err(Not::Cookie));
    let allowed = Rules {
        set_cookie: true,
        ..Rules::default()
    };
    assert!(keep_by(allowed, &[], 200, &cookie).is_ok());
    assert_eq!(
        keep_by(allowed, &[], 200, &cookie[1..]),
        Err(Not::Cookie),
        "for how long?"
    );
    let withheld = [
        ("cache-control", "max-age=9, no-cache=\"Set-Cookie\""),
        cookie[1],
    ];
    assert_eq!(keep(&withheld), Ok(9));
}

#[test]
fn a_targeted_field_counts_alone_when_it_can_be_parsed() {
    let of = |targeted: &str, cc: &str| {
        keep(&[
            ("cdn-cache-control", targeted),
            ("cache-control", cc),
            ("expires", "0"),
        ])
    };
    assert_eq!(of("max-age=9", "no-store"), Ok(9));
    assert_eq!(of("max-age=9;x=1, foo", "max-age=1"), Ok(9));
    assert_eq!(of("no-store", "max-age=9"), Err(Not::Directive));
    assert_eq!(
        of("no-store=?1, max-age=9", "max-age=9"),
        Err(Not::Directive)
    );
    for unparsable in ["max-age=9, &&", "", "MAX-AGE=9", "max-age =9", "max-age=9,"] {
        assert_eq!(of(unparsable, "max-age=5"), Ok(5), "{unparsable}");
    }
    for wrong in [
        "max-age=\"9\"",
        "max-age=9.5",
        "max-age",
        "max-age=(9)",
        "max-age=?0",
    ] {
        assert_eq!(of(wrong, "max-age=5"), Err(Not::NoLifetime), "{wrong}");
    }
    let own = [
        ("plimsoll-cache-control", "max-age=7"),
        ("cdn-cache-control", "max-age=8"),
    ];
    assert_eq!(keep(&own), Ok(7));
}

#[test]
fn must_understand_is_for_those_who_do() {
    let cc = [("cache-control", "max-age=9, no-store, must-understand")];
    assert!(keep_with(&[], 200, &cc, None).is_ok());
    assert_eq!(keep_with(&[], 599, &cc, None), Err(Not::Status));
    assert!(keep_with(&[], 599, &[("cache-control", "max-age=9")], None).is_ok());
}

fn ask(method: &str, f: &[(&'static str, &str)]) -> Option<Ask> {
    reuse::ask(method.as_bytes(), &fields(f), false)
}

#[test]
fn what_a_request_may_ask() {
    let get = Ask {
        get: true,
        ..Ask::default()
    };
    assert_eq!(ask("GET", &[]), Some(get));
    assert_eq!(ask("HEAD", &[("range", "x")]), Some(Ask::default()));
    assert_eq!(
        ask("GET", &[("range", "x")]),
        Some(Ask { range: true, ..get })
    );
    for h in ["if-match", "if-unmodified-since"] {
        assert_eq!(ask("GET", &[(h, "x")]), None, "{h}");
    }
    assert_eq!(ask("GET", &[("cache-control", "no-store")]), None);
    assert_eq!(ask("POST", &[]), None);
    assert_eq!(reuse::ask(b"GET", &fields(&[]), true), None);
    assert!(ask("GET", &[("pragma", "no-cache")]).unwrap().no_cache);
    let pragma = [("pragma", "no-cache"), ("cache-control", "max-age=9")];
    assert!(!ask("GET", &pragma).unwrap().no_cache);
}

#[test]
fn how_a_stored_response_may_be_used() {
    let of = |cc: &str, keep: &Keep, age: u64| {
        reuse::reuse(
            &ask("GET", &[("cache-control", cc)]).unwrap(),
            keep,
            age,
            false,
        )
    };
    let keep = Keep {
        lifetime: 30,
        stale: 5,
        ..Keep::default()
    };
    let (request, stale) = (Use::Validate(Why::Request), Use::Validate(Why::Stale));
    assert_eq!(of("max-age=10, min-fresh=20", &keep, 10), Use::Fresh);
    for cc in ["no-cache", "max-age=9", "min-fresh=21"] {
        assert_eq!(of(cc, &keep, 10), request, "{cc}");
    }
    assert_eq!(of("", &keep, 29), Use::Fresh);
    assert_eq!(of("", &keep, 30), Use::StaleWhileRevalidate);
    assert_eq!(of("min-fresh=1", &keep, 30), stale);
    assert_eq!(of("", &keep, 35), stale);
    assert_eq!(of("max-stale=5", &keep, 35), Use::Stale);
    assert_eq!(of("max-stale=4", &keep, 35), stale);
    assert_eq!(of("max-stale", &keep, 99_999), Use::Stale);
    let strict = Keep {
        never_stale: true,
        ..keep.clone()
    };
    assert_eq!(of("max-stale", &strict, 30), stale);
    let confirmed = Keep {
        validate: true,
        ..keep.clone()
    };
    assert_eq!(of("max-stale", &confirmed, 0), stale);
    assert_eq!(
        reuse::reuse(&ask("GET", &[]).unwrap(), &keep, 0, true),
        stale
    );
}

#[test]
fn a_client_that_has_it_gets_304() {
    let same = |f: &[(&'static str, &str)]| {
        let stored = Version {
            etag: Some(b"W/\"a,b\""),
            modified: Some(DATE.as_bytes()),
            date: NOW,
        };
        condition::unchanged(&fields(f), stored, NOW)
    };
    assert!(same(&[("if-none-match", "\"x\", \"a,b\"")]) && same(&[("if-none-match", "*")]));
    assert!(same(&[("if-modified-since", DATE)]));
    assert!(!same(&[]) && !same(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")]));
    assert!(
        !same(&[("if-none-match", "\"a\""), ("if-modified-since", DATE)]),
        "the tag decides alone"
    );
    let undated = Version {
        date: NOW,
        ..Version::default()
    };
    let since = |t: &str| condition::unchanged(&fields(&[("if-modified-since", t)]), undated, NOW);
    assert!(since(DATE) && !since("Sun, 06 Nov 1994 08:49:36 GMT"));
}

#[test]
fn a_range_is_of_the_version_that_the_client_has() {
    let stored = Version {
        etag: Some(b"\"1\""),
        modified: Some(DATE.as_bytes()),
        date: NOW + 1,
    };
    let of = |value: &str, stored| {
        condition::same_for_range(&fields(&[("if-range", value)]), stored, NOW)
    };
    assert!(of("\"1\"", stored) && of(DATE, stored));
    assert!(!of("\"2\"", stored) && !of("W/\"1\"", stored));
    assert!(!of("Sun, 06 Nov 1994 08:49:36 GMT", stored));
    let within_the_second = Version {
        date: NOW,
        ..stored
    };
    assert!(!of(DATE, within_the_second));
    assert!(condition::same_for_range(&fields(&[]), stored, NOW));
}

#[test]
fn values_that_mean_the_same_select_the_same() {
    let select =
        |name: &'static str, value: &str| vary::select(&fields(&[(name, value)]), name).unwrap();
    for (name, a, b, same) in [
        ("foo", "1,2", " 1 ,  2 ", true),
        ("foo", "1, 2", "2, 1", false),
        ("foo", "A", "a", false),
        ("accept-language", "en, de", "DE,en;q=1.0", true),
        ("accept-language", "en, de;q=0.5", "en, de", false),
        ("accept-encoding", "gzip, br", "br,gzip", true),
        ("accept-encoding", "gzip;q=0", "gzip", false),
    ] {
        assert_eq!(
            select(name, a) == select(name, b),
            same,
            "{name}: {a} and {b}"
        );
    }
    let speaks = |wanted: &str| vary::speaks(&fields(&[("accept-language", wanted)]), b"de");
    assert!(speaks("fr;q=0.5, de;q=1.0") && speaks("DE"));
    for other in ["fr, de", "de;q=0.5, fr", "de;q=0", "de-AT", "de;q=x", ""] {
        assert!(!speaks(other), "{other}");
    }
}

#[test]
fn lists_respect_quotes() {
    let all: Vec<_> = list(b" a, b=\"x, \\\" y\" ,,c").collect();
    assert_eq!(all, [&b"a"[..], b"b=\"x, \\\" y\"", b"c"]);
    assert!(
        Control::of(&fields(&[("cache-control", "x=\"no-store\"")]))
            == Control {
                given: true,
                ..Control::default()
            }
    );
}

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
    let started = super::entry::Started { at, unix: 0 };
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
        let each = super::entry::OVERHEAD + 100 + 4;
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
    let key = |path: &str| super::shelf::key(0, b"shop.example", path.as_bytes());
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

    #[test]
    fn no_response_is_stored_against_its_word(
        directives in prop::collection::vec(prop::sample::select(vec![
            "no-store", "private", "no-cache", "max-age=9", "s-maxage=9", "public", "must-revalidate", "max-age=0",
        ]), 0..4),
        cookie: bool,
        login: bool,
        ttl in prop::option::of(1u64..9),
    ) {
        let cc = directives.join(", ");
        let mut response = vec![("cache-control", cc.as_str())];
        if cookie { response.push(("set-cookie", "a=b")) }
        let request: &[_] = if login { &[("authorization", "x")] } else { &[] };
        if keep_with(request, 200, &response, ttl).is_ok() {
            let says = |d: &str| directives.contains(&d);
            prop_assert!(!says("no-store") && !says("private") && !says("no-cache") && !cookie);
            prop_assert!(!login || says("public") || says("s-maxage=9") || says("must-revalidate"));
            prop_assert!(says("s-maxage=9") || !says("max-age=0"));
        }
    }
}
