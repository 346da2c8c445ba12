//! The rules of storing and answering, and the gate from end to end without sockets.

use super::control::{Control, Fields, list};
use super::core::{self, Ask, Keep, Not, Response};
use super::store::{Entry, Found, Store};
use base::Nanos;
use proptest::prelude::*;
use std::time::Duration;

type List = Vec<(&'static str, String)>;

impl Fields for List {
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        for (n, v) in self.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)) {
            let _ = n;
            each(v.as_bytes());
        }
    }
}

fn fields(list: &[(&'static str, &str)]) -> List {
    list.iter().map(|(n, v)| (*n, v.to_string())).collect()
}

/// 1994-11-06T08:49:37Z.
const NOW: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn keep_with(
    request: &[(&'static str, &str)],
    status: u16,
    response: &[(&'static str, &str)],
    ttl: Option<u64>,
) -> Result<Keep, Not> {
    let (request, response) = (fields(request), fields(response));
    let r = Response {
        request: &request,
        status,
        fields: &response,
        delay: 0,
        now: NOW,
    };
    core::keep(&r, ttl.map(Duration::from_secs), None)
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
    assert_eq!(keep(&[]), Err(Not::NoLifetime), "no heuristics");
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
        "private=\"x\"",
        "no-cache=\"set-cookie\"",
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
    for status in [206, 304, 400, 401, 403, 429, 500, 502, 503, 504, 299, 100] {
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
    assert!(!keep_with(&session, 200, &told, Some(9)).unwrap().by_route);
    assert!(keep_with(&[], 200, &[], Some(9)).unwrap().by_route);
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
fn what_a_request_may_ask() {
    let look = |m: &str, f: &[(&'static str, &str)], body| core::ask(m, &fields(f), body);
    assert_eq!(
        look("GET", &[], false),
        Ask::Look {
            store: true,
            only_if_cached: false
        }
    );
    assert_eq!(
        look("HEAD", &[], false),
        Ask::Look {
            store: false,
            only_if_cached: false
        }
    );
    assert_eq!(
        look("GET", &[("cache-control", "only-if-cached")], false),
        Ask::Look {
            store: true,
            only_if_cached: true
        }
    );
    for h in ["range", "if-range", "if-match", "if-unmodified-since"] {
        assert_eq!(look("GET", &[(h, "x")], false), Ask::Bypass, "{h}");
    }
    assert_eq!(
        look("GET", &[("cache-control", "no-store")], false),
        Ask::Bypass
    );
    assert_eq!(look("GET", &[], true), Ask::Bypass);
    assert_eq!(look("POST", &[], false), Ask::Bypass);
    let accepts = |f: &[(&'static str, &str)]| core::accepts(&fields(f), 10, 20);
    assert!(accepts(&[]) && accepts(&[("cache-control", "max-age=10, min-fresh=20")]));
    assert!(accepts(&[
        ("pragma", "no-cache"),
        ("cache-control", "max-age=99")
    ]));
    for f in [
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=9"),
        ("cache-control", "min-fresh=21"),
        ("pragma", "no-cache"),
    ] {
        assert!(!accepts(&[f]), "{f:?}");
    }
}

#[test]
fn a_client_that_has_it_gets_304() {
    let same = |f: &[(&'static str, &str)]| {
        core::unchanged(&fields(f), Some(b"W/\"a,b\""), Some(DATE.as_bytes()), NOW)
    };
    assert!(same(&[("if-none-match", "\"x\", \"a,b\"")]) && same(&[("if-none-match", "*")]));
    assert!(same(&[("if-modified-since", DATE)]));
    assert!(!same(&[]) && !same(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")]));
    assert!(
        !same(&[("if-none-match", "\"a\""), ("if-modified-since", DATE)]),
        "the tag decides alone"
    );
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

fn entry(lifetime: u64, vary: &[(&str, Option<&str>)], body: usize, at: Nanos) -> Entry {
    Entry {
        status: 200,
        headers: Vec::new(),
        body: vec![0; body].into(),
        etag: None,
        modified: None,
        at,
        unix: 0,
        keep: Keep {
            age: 0,
            lifetime,
            stale: 0,
            stale_if_error: None,
            never_stale: false,
            by_route: false,
            vary: vary.iter().map(|v| v.0.into()).collect(),
        },
        selects: vary
            .iter()
            .map(|v| v.1.map(|t| t.as_bytes().to_vec()))
            .collect(),
        refreshing: Default::default(),
    }
}

#[test]
fn only_the_same_variant_answers() {
    let store = Store::new(1 << 20, 1 << 10);
    let put = |lang, body| {
        store.put(
            b"k",
            entry(10, &[("accept-language", lang)], body, Nanos(0)),
        )
    };
    let size = |f: &[(&'static str, &str)]| match store.find(b"k", &fields(f), Nanos(0)) {
        Found::Fresh(e) => Some(e.body.len()),
        _ => None,
    };
    put(Some("de"), 1);
    put(Some("en"), 2);
    put(None, 3);
    put(Some("de"), 4);
    assert_eq!(size(&[("accept-language", "de")]), Some(4));
    assert_eq!(size(&[("Accept-Language", " en ")]), Some(2));
    assert_eq!(size(&[]), Some(3));
    assert_eq!(size(&[("accept-language", "fr")]), None);
    assert_eq!(
        size(&[("accept-language", "de"), ("accept-language", "en")]),
        None
    );
    assert!(matches!(
        store.find(b"other", &fields(&[]), Nanos(0)),
        Found::Nothing
    ));
}

#[test]
fn stale_answers_while_one_fetches() {
    let store = Store::new(1 << 20, 1 << 10);
    let mut e = entry(10, &[], 1, Nanos(0));
    e.keep.stale = 5;
    store.put(b"k", e);
    let at = |s: u64| store.find(b"k", &fields(&[]), Nanos(s * 1_000_000_000));
    assert!(matches!(at(9), Found::Fresh(_)));
    assert!(matches!(at(10), Found::Stale { refresh: true, .. }));
    assert!(matches!(at(11), Found::Stale { refresh: false, .. }));
    assert!(matches!(at(15), Found::Nothing));
}

#[test]
fn a_crawl_does_not_wash_out_what_is_asked_for() {
    let store = Store::new(100 * 1024, 100 * 1024);
    let hit = |k: &str| {
        matches!(
            store.find(k.as_bytes(), &fields(&[]), Nanos(0)),
            Found::Fresh(_)
        )
    };
    let ask = |k: &str| {
        let was = hit(k);
        if !was {
            store.put(k.as_bytes(), entry(10, &[], 500, Nanos(0)));
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
            match store.find(&[k], &fields(&[]), Nanos(now)) {
                Found::Fresh(e) => {
                    let (size, at) = last[&k];
                    prop_assert_eq!((e.body.len(), e.at), (size, Nanos(at)));
                    prop_assert!(now - at < 3_000_000_000, "expired");
                }
                _ => {
                    store.put(&[k], entry(3, &[], body, Nanos(now)));
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
