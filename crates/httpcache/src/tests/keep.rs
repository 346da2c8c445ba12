//! What may be stored, and for how long.

use super::{DATE, NOW, fields};
use crate::core::{self, Keep, Not, Response, Rules};
use proptest::prelude::*;
use std::time::Duration;

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

proptest! {
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
