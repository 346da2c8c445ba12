//! Prometheus' API, as Grafana's data source asks it.

use crate::common::{Console, World};
use serde_json::{Value, json};

const START: u64 = 1_700_000_000_000;

fn world() -> World {
    let world = World::of(2, 0);
    world.past.count("home", START, 60);
    world
}

fn get(console: &Console, target: &str) -> (u16, Value) {
    let said = console.get(target);
    let body =
        serde_json::from_str(&said.body).unwrap_or_else(|e| panic!("{target}: {e}: {}", said.body));
    (said.status, body)
}

#[test]
fn a_range_and_a_moment_are_answered_in_the_form_of_prometheus() {
    let console = Console::start(world());
    let query = "sum%20by%20(status)%20(rate(plimsoll_requests_total%5B1m%5D))";
    let (status, range) = get(
        &console,
        &format!("/api/v1/query_range?query={query}&start=1700000300&end=1700000600&step=5m"),
    );
    assert_eq!(status, 200);
    assert_eq!(
        range,
        json!({ "status": "success", "data": { "resultType": "matrix", "result": [
            { "metric": { "status": "2xx" }, "values": [[1_700_000_300, "9"], [1_700_000_600, "9"]] },
            { "metric": { "status": "5xx" }, "values": [[1_700_000_300, "1"], [1_700_000_600, "1"]] },
        ] } })
    );
    let (_, now) = get(
        &console,
        "/api/v1/query?query=plimsoll_requests_total%7Bstatus%3D%225xx%22%7D&time=1700000600",
    );
    assert_eq!(
        now["data"]["result"][0]["value"],
        json!([1_700_000_600, "600"])
    );
    assert_eq!(
        now["data"]["result"][0]["metric"]["__name__"],
        "plimsoll_requests_total"
    );
    let (_, two) = get(&console, "/api/v1/query?query=1%2B1&time=1700000600");
    assert_eq!(
        two["data"],
        json!({ "resultType": "scalar", "result": [1_700_000_600, "2"] })
    );
}

#[test]
fn names_are_told_and_questions_may_be_posted_without_a_role_to_change() {
    let console = Console::start(world());
    let (_, labels) = get(&console, "/api/v1/labels");
    assert_eq!(
        labels["data"],
        json!(["__name__", "arm", "le", "route", "status"])
    );
    let (_, values) = get(
        &console,
        "/api/v1/label/status/values?match[]=plimsoll_requests_total",
    );
    assert_eq!(values["data"], json!(["2xx", "5xx"]));
    let (_, names) = get(&console, "/api/v1/label/__name__/values");
    assert_eq!(names["data"][0], "plimsoll_request_duration_seconds_bucket");
    let (_, series) = get(
        &console,
        "/api/v1/series?match[]=plimsoll_requests_total%7Bstatus%3D%225xx%22%7D",
    );
    assert_eq!(
        series["data"],
        json!([{ "__name__": "plimsoll_requests_total", "route": "home", "arm": "base", "status": "5xx" }])
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let posted = console.ask(
        "POST",
        "/api/v1/query",
        &form,
        "query=vector(3)&time=1700000600",
    );
    assert_eq!(posted.status, 200, "{}", posted.body);
    assert!(posted.body.contains("\"3\""), "{}", posted.body);
    assert_eq!(console.get("/-/healthy").status, 200);
    let (_, build) = get(&console, "/api/v1/status/buildinfo");
    assert_eq!(build["status"], "success");
}

#[test]
fn what_is_not_answered_is_refused_in_the_form_of_prometheus() {
    let console = Console::start(world());
    for (target, status, kind, said) in [
        ("/api/v1/query", 400, "bad_data", "it is missing"),
        ("/api/v1/query?query=rate(", 400, "bad_data", "end of input"),
        (
            "/api/v1/query?query=quantile_over_time(0.5,x%5B5m%5D)",
            400,
            "bad_data",
            "a part of PromQL",
        ),
        (
            "/api/v1/query_range?query=x&start=0&end=1&step=0",
            400,
            "bad_data",
            "zero or negative",
        ),
        (
            "/api/v1/query_range?query=x&start=0&end=11001&step=1",
            400,
            "bad_data",
            "11,000 points",
        ),
        (
            "/api/v1/query_range?query=x&start=5&end=1&step=1",
            400,
            "bad_data",
            "before start",
        ),
        (
            "/api/v1/query_range?query=x&start=then&end=1&step=1",
            400,
            "bad_data",
            "timestamp",
        ),
        ("/api/v1/series", 400, "bad_data", "match[]"),
        (
            "/api/v1/query?query=plimsoll_requests_total*on(route)plimsoll_requests_total&time=1700000600",
            422,
            "execution",
            "many-to-many",
        ),
    ] {
        let (got, body) = get(&console, target);
        assert_eq!(
            (got, &body["status"], &body["errorType"]),
            (status, &json!("error"), &json!(kind)),
            "{target}: {body}"
        );
        assert!(
            body["error"].as_str().unwrap().contains(said),
            "{target}: {body}"
        );
    }
}
