//! Traces: the list as the address asks for it, the waterfall, and what hostile services put into it.

use crate::common::{Console, World};
use serde_json::Value;
use traces::{Head, Line, Severity, Span, Trace};

const MS: u64 = 1_000_000;
const ZERO: u64 = 1_700_000_000_000 * MS;
const EVIL: &str = "<script>alert(1)</script>";

fn span(id: u64, parent: u64, service: &str, name: &str, ms: [u64; 2]) -> Span {
    Span {
        id,
        parent,
        service: service.into(),
        name: name.into(),
        start: ZERO + ms[0] * MS,
        end: ZERO + ms[1] * MS,
        ..Span::default()
    }
}

fn trace(id: u128, route: &str, status: u16, took: u64) -> Trace {
    let mut trace = Trace::new(id);
    let head = Head {
        route: route.into(),
        method: "GET".into(),
        status,
        start: ZERO,
        end: ZERO + took * MS,
        why: if status >= 500 { "error" } else { "slow" }.into(),
    };
    let mut own = span(1, 0, "plimsoll", "GET /", [0, took]);
    own.kind = 2;
    let told = |key: &str, value: &str| (key.into(), value.into());
    own.attributes = vec![
        told("url.path", &format!("/p/{EVIL}")),
        told("client.address", "192.0.2.7"),
        told("plimsoll.gates", "retry: again (try 1)"),
    ];
    trace.add_request(head, vec![own]);
    trace
}

fn world() -> World {
    let mut whole = trace(0xa, "route-000", 500, 100);
    whole.add_span(span(2, 1, "stock", EVIL, [50, 90]));
    whole.add_span(span(3, 77, EVIL, "lost", [60, 70]));
    whole.add_line(Line {
        at: ZERO + 60 * MS,
        service: "stock".into(),
        severity: Severity::Error,
        text: format!("sold out {EVIL}").into(),
        ..Line::default()
    });
    let mut world = World::of(2, 30);
    world.traces.0 = vec![whole, trace(0xb, "route-001", 200, 2000)];
    world
}

#[test]
fn the_list_is_what_the_address_asks_for() {
    let console = Console::start(world());
    let all = console.get("/traces");
    all.has("GET route-000")
        .has("GET route-001")
        .has("2 are kept, 1.0 of 256.0 MiB");
    console.get("/routes").has("href=\"/traces\"");
    console
        .get("/routes/route-000")
        .has("/traces?route=route-000");
    for (query, there, gone) in [
        ("route=route-001", "GET route-001", "GET route-000"),
        (
            "status=error&min_ms=&since_s=",
            "GET route-000",
            "GET route-001",
        ),
        ("min_ms=1500", "GET route-001", "GET route-000"),
        (
            "status=5xx&min_ms=rubbish",
            "GET route-000",
            "GET route-001",
        ),
    ] {
        console
            .get(&format!("/traces?{query}"))
            .has(there)
            .has_not(gone);
    }
    console
        .get("/traces?route=none")
        .has("No trace is like that");
    assert_eq!(console.get("/traces?status=x").status, 409);
}

#[test]
fn a_trace_is_a_waterfall_beside_its_log_lines_and_nothing_foreign_runs_in_it() {
    let console = Console::start(world());
    let id = format!("{:032x}", 0xa);
    let page = console.get(&format!("/traces/{id}"));
    page.has("GET route-000 took 100 ms")
        .has("class=\"waited\" x=\"500.0\" width=\"400.0\"")
        .has("begins at 50.0 ms, takes 40.0 ms")
        .has("<code>/p/&lt;script&gt;alert(1)&lt;/script&gt;</code> for 192.0.2.7")
        .has("What gates did: retry: again (try 1)")
        .has("sold out &lt;script&gt;")
        .has("Spans whose parent is not here")
        .has_not("<script>alert")
        .has_not("style=");
    assert_eq!(console.get("/traces/none").status, 404);
}

#[test]
fn the_api_tells_the_same() {
    let console = Console::start(world());
    let told: Value = serde_json::from_str(&console.get("/api/v1/traces?status=5xx").body).unwrap();
    assert_eq!(told["traces"].as_array().unwrap().len(), 1);
    assert_eq!(told["standing"]["traces"], 2);
    let id = told["traces"][0]["id"].as_str().unwrap();
    let one = console.get(&format!("/api/v1/traces/{id}"));
    let one: Value = serde_json::from_str(&one.body).unwrap();
    assert_eq!(one["rows"][1]["critical_us"], 40_000);
    assert_eq!(one["said"][0]["severity"], "error");
    assert_eq!(console.get("/api/v1/traces/zz").status, 404);
    assert_eq!(console.get("/api/v1/traces?min_ms=x").status, 400);
}
