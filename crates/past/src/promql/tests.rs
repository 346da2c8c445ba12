use super::*;
use crate::{Bounds, Series, metric};
use proptest::prelude::*;

const START: i64 = 1_800_000_000_000;

fn bounds() -> Bounds {
    Bounds {
        counts_ms: 35 * 86_400_000,
        buckets_ms: 3 * 86_400_000,
        bytes: 64 << 20,
    }
}

fn requests(route: &str, status: &str) -> Series {
    Series::new(&metric::REQUESTS, &[route, "base", status])
}

/// Ten minutes: `a` has 10 requests a second, `b` has 5 good ones and one that failed.
fn past() -> Past {
    let mut past = Past::new(bounds());
    for slot in 1..=60 {
        let mut counts = vec![
            (requests("a", "2xx"), 100),
            (requests("b", "2xx"), 50),
            (requests("b", "5xx"), 10),
        ];
        for (part, n) in [(0, 50), (40, 40), (metric::PARTS - 1, 10)] {
            let of = Series::new(&metric::DURATIONS, &["a", "base"]).of_part(part);
            counts.push((of, n));
        }
        past.push(START as u64 + slot * 10_000, counts);
    }
    past
}

fn at_end(query: &str) -> Result<Vec<(String, f64)>, Refused> {
    let answer = answer(&past(), query, Steps::at(START + 600_000))?;
    let shown = |l: Line| {
        let labels: Vec<String> = l.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        (labels.join(","), (l.values[0] * 1e9).round() / 1e9)
    };
    Ok(match answer.value {
        Value::Scalar(v) => vec![("scalar".into(), v[0])],
        Value::Vector(lines) => lines.into_iter().map(shown).collect(),
    })
}

fn one(query: &str) -> f64 {
    let all = at_end(query).unwrap_or_else(|e| panic!("{query}: {e}"));
    assert_eq!(all.len(), 1, "{query}: {all:?}");
    all[0].1
}

#[test]
fn rates_sums_and_shares() {
    assert_eq!(one("rate(plimsoll_requests_total{route=\"a\"}[1m])"), 10.0);
    assert_eq!(
        one("increase(plimsoll_requests_total{route=\"a\"}[1m])"),
        600.0
    );
    assert_eq!(one("sum(rate(plimsoll_requests_total[5m]))"), 16.0);
    let by = at_end("sum by (route) (rate(plimsoll_requests_total[1m]))").unwrap();
    assert_eq!(by, [("route=a".into(), 10.0), ("route=b".into(), 6.0)]);
    let share = "sum(rate(plimsoll_requests_total{status=\"5xx\"}[1m])) / sum(rate(plimsoll_requests_total[1m])) * 100";
    assert_eq!(one(share), 6.25);
    let share = "rate(plimsoll_requests_total{status=~\"5..\"}[1m]) / ignoring(status) sum without (status) (rate(plimsoll_requests_total[1m]))";
    assert!((one(share) - 1.0 / 6.0).abs() < 1e-9);
    assert_eq!(one("max(plimsoll_requests_total)"), 6000.0);
    assert_eq!(one("plimsoll_requests_total offset 5m > 2000"), 3000.0);
    assert_eq!(one("count(plimsoll_requests_total == bool 0)"), 3.0);
    assert_eq!(one("topk(1, plimsoll_requests_total)"), 6000.0);
    assert_eq!(one("-2 ^ 2 + 3 * 4 - vector(1)"), 7.0);
    assert_eq!(
        one(
            "count(plimsoll_requests_total unless on (route) plimsoll_requests_total{status=\"5xx\"})"
        ),
        1.0
    );
}

#[test]
fn quantiles_come_from_the_buckets_that_are_exposed() {
    let q = |q| {
        one(&format!(
            "histogram_quantile({q}, sum by (le) (rate(plimsoll_request_duration_seconds_bucket[5m])))"
        ))
    };
    assert_eq!(q(0.25), 0.0005);
    assert!(q(0.9) <= 0.05 && q(0.9) > 0.025);
    assert_eq!(q(0.99), 120.0, "above all bounds");
    let le = at_end("plimsoll_request_duration_seconds_bucket{le=~\"0.001|.Inf\"}").unwrap();
    assert_eq!(le.iter().map(|l| l.1).collect::<Vec<_>>(), [3000.0, 6000.0]);
}

#[test]
fn what_is_not_answered_is_said_in_words() {
    for (query, said) in [
        ("", "no expression"),
        ("sum(", "end of input"),
        ("rate(x)", "range of samples"),
        ("x[5m]", "put rate"),
        ("x[5m:1m]", "subqueries"),
        ("x @ 5", "@ modifier"),
        ("predict_linear(x[5m], 3)", "predict_linear"),
        ("a * on (x) group_left b", "group_left"),
        ("{route=~\".*\"}", "non-empty matcher"),
        ("x{route=~\"(\"}", "cannot be used"),
        ("x{route=~\"(a{1000}){1000}\"}", "cannot be used"),
        ("x[5q]", "no duration"),
        ("1 == 2", "BOOL"),
        ("x{a=\"", "unterminated"),
        ("\u{0}", "unexpected character"),
    ] {
        let why = at_end(query).unwrap_err().why;
        assert!(why.contains(said), "{query}: {why}");
    }
    let deep = format!("{}1{}", "(".repeat(2000), ")".repeat(2000));
    assert!(at_end(&deep).unwrap_err().why.contains("levels deep"));
    assert!(
        at_end(&"-".repeat(4000))
            .unwrap_err()
            .why
            .contains("levels deep")
    );
    let long = vec!["1"; 2000].join("+");
    assert!(at_end(&long).unwrap_err().why.contains("in a row"));
    assert!(at_end(&"x".repeat(9000)).unwrap_err().why.contains("bytes"));
    assert_eq!(Steps::new(0, 11_000_000, 1000).map(|s| s.len()), Ok(11_001));
    let why = Steps::new(0, 11_001_000, 1000).unwrap_err().why;
    assert!(why.starts_with("exceeded maximum resolution of 11,000 points"));
    assert!(Steps::new(i64::MIN, i64::MAX, 1).is_err());
}

#[test]
fn a_range_that_is_too_short_for_what_is_kept_is_widened_and_that_is_said() {
    let mut past = Past::new(bounds());
    for slot in 1..=6 * 360 {
        past.push(
            START as u64 + slot * 10_000,
            vec![(requests("a", "2xx"), 100)],
        );
    }
    let long_ago = Steps::at(START + 3_600_000);
    let told = answer(&past, "rate(plimsoll_requests_total[1m])", long_ago).unwrap();
    let Value::Vector(lines) = told.value else {
        panic!()
    };
    assert!((lines[0].values[0] - 10.0).abs() < 1e-9, "{lines:?}");
    assert!(told.warnings[0].contains("widened"));
    let wide = answer(&past, "rate(plimsoll_requests_total[30m])", long_ago).unwrap();
    assert_eq!(wide.warnings, [""; 0]);
}

proptest! {
    #[test]
    fn no_question_panics(words in proptest::collection::vec(proptest::sample::select(vec![
        "sum", "rate", "topk", "(", ")", "{", "}", "[", "]", "5m", "1", "plimsoll_requests_total", "by", "route", ",", "+", "-", "==", "bool",
        "=~", "\"a\"", "on", "and", "offset", "histogram_quantile", "vector", "scalar", "^", "le", "=", ":", "clamp", "round", "or", "time"]), 0..24)) {
        let _ = answer(&past(), &words.join(" "), Steps { start_ms: START, end_ms: START + 600_000, step_ms: 60_000 });
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = answer(&past(), &text, Steps::at(START));
        let _ = selector(&text);
        let _ = duration_ms(&text);
    }
}
