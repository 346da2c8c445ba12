//! What is read of a metrics page and of the past, and what is idle.

use super::*;

#[test]
fn the_metrics_page_is_read() {
    let text = "# HELP x\nplimsoll_requests_total{route=\"a\\\"b\",arm=\"base\",status=\"2xx\"} 3\n\
                plimsoll_requests_total{route=\"a\\\"b\",arm=\"canary\",status=\"2xx\"} 2\n\
                plimsoll_requests_total{route=\"none\",arm=\"base\",status=\"4xx\"} 9\nplimsoll_behind_total{route=\"mail\"} 4\n\
                plimsoll_calls_total{parent=\"p\",route=\"c\"} 7\nprocess_start_time_seconds 1700000000\nbroken\n";
    let seen = Observed::from_metrics(text);
    assert_eq!(
        seen.routes,
        [("a\"b".to_owned(), 5.0), ("mail".to_owned(), 4.0)].into()
    );
    assert_eq!(seen.calls[&("p".into(), "c".into())], 7.0);
    assert_eq!(seen.since.unwrap().as_second(), 1_700_000_000);
    let unknown = Observed::from_metrics("process_start_time_seconds 0\n");
    assert_eq!(unknown.since, None);
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOW: &str = "2026-11-28T00:00:00Z";

/// Thirty days were looked at, of which Plimsoll ran for 28; `a` had its last request 20 days ago.
fn kept() -> Observed {
    Observed {
        routes: [("a".to_owned(), 9.0)].into(),
        calls: [(("a".into(), "b".into()), 2.0)].into(),
        last: [("a".to_owned(), at("2026-11-08T00:00:00Z"))].into(),
        since: Some(at("2026-10-29T00:00:00Z")),
        looked: Some(SignedDuration::from_hours(28 * 24)),
    }
}

fn days(d: Option<SignedDuration>) -> Option<i64> {
    d.map(|d| d.as_hours() / 24)
}

#[test]
fn a_process_adds_what_is_not_kept_yet_and_no_older_time() {
    let now = at(NOW);
    let young = Observed {
        routes: [("a".to_owned(), 1.0), ("new".to_owned(), 3.0)].into(),
        calls: [(("a".into(), "b".into()), 5.0)].into(),
        since: Some(at("2026-11-27T23:59:00Z")),
        ..Observed::default()
    };
    let seen = kept().with(young.clone(), now);
    assert_eq!((seen.routes["a"], seen.routes["new"]), (9.0, 3.0));
    assert_eq!(seen.calls[&("a".into(), "b".into())], 5.0);
    assert_eq!((seen.since, days(seen.looked)), (kept().since, Some(28)));
    // The first minute of all.
    let first = Observed::default().with(young.clone(), now);
    assert_eq!(first.looked.unwrap().as_secs(), 60);
    let old = Observed {
        since: Some(at("2026-10-01T00:00:00Z")),
        ..young
    };
    assert_eq!(kept().with(old, now), kept());
    assert_eq!(Observed::of_json(&seen.to_json(now)), seen);
    assert_eq!(Observed::of_json(&Value::Null), Observed::default());
    assert_eq!(
        seen.span(now),
        "since 2026-10-29 00:00 UTC, of these 30 days Plimsoll ran for 28 days (counts are kept for 35 days)"
    );
    assert_eq!(Observed::default().span(now), "nothing was counted yet");
}

#[test]
fn what_is_idle_is_so_for_as_long_as_it_was_looked() {
    let text = "listen: 127.0.0.1:80\nservices: { s: { instances: [\"127.0.0.1:1\"] }, t: { instances: [\"127.0.0.1:2\"] } }\n\
                routes:\n  a: { match: GET /a, to: s }\n  b: { match: GET /b, to: s }\n  c: { match: GET /c, to: t }\n";
    let config = config::check_text("p.yaml", text).config.unwrap();
    let mut seen = kept();
    let idle = |seen: &Observed, s| days(seen.idle(&config, s, at(NOW)));
    // It may all have been after the last request that nobody looked for two days.
    assert_eq!((idle(&seen, "s"), idle(&seen, "t")), (Some(18), Some(28)));
    seen.routes.insert("b".into(), 1.0);
    assert_eq!(idle(&seen, "s"), Some(0));
    assert_eq!(idle(&Observed::default(), "s"), None);
}

#[test]
fn calls_are_summed_by_services() {
    let text = "listen: 127.0.0.1:80\nservices: { a: { instances: [\"127.0.0.1:1\"] }, b: { instances: [\"127.0.0.1:2\"] } }\n\
                routes:\n  p: { match: GET /p, to: a }\n  q: { match: GET /q, to: a }\n  c: { match: GET /c, to: b }\n";
    let config = config::check_text("p.yaml", text).config.unwrap();
    let call = |p: &str, c: &str, n| ((p.to_owned(), c.to_owned()), n);
    let seen = Observed {
        calls: [
            call("p", "c", 2.0),
            call("q", "c", 3.0),
            call("p", "q", 9.0),
            call("x", "c", 1.0),
        ]
        .into(),
        ..Observed::default()
    };
    let calls = seen.service_calls(&config);
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (
            calls[0].from.as_str(),
            calls[0].to.as_str(),
            calls[0].requests
        ),
        ("a", "b", 5.0)
    );
}
