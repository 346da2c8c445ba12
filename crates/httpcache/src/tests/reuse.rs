//! What requests want, and what of a stored response answers them.

use super::{DATE, NOW, fields};
use crate::condition::{self, Version};
use crate::control::{Control, list};
use crate::core::Keep;
use crate::reuse::{self, Ask, Use, Why};
use crate::vary;

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
