//! Every page over a real socket: what it shows, what it escapes, what it says when there is nothing, and how fast it is.

use crate::common::{Console, World};
use console::Decision;
use control::ports::Learning;
use std::time::{Duration, Instant};

const PAGES: &[&str] = &[
    "/",
    "/routes",
    "/routes/route-000",
    "/slos",
    "/advice",
    "/history",
    "/catalog",
    "/incidents",
    "/history/1",
    "/traces",
];

#[test]
fn every_page_is_whole_and_nothing_foreign_runs_in_it() {
    let console = Console::start(World::of(3, 120));
    for page in PAGES {
        let said = console.get(page);
        assert_eq!(said.status, 200, "{page}");
        said.has("<!DOCTYPE html>")
            .has("<main id=\"main\">")
            .has("</html>");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(said.head.contains(header), "{page}: {}", said.head);
        }
        said.has_not("http://")
            .has_not("https://")
            .has_not("style=")
            .has_not("onclick");
    }
}

#[test]
fn the_load_line_says_what_holds_the_system_down() {
    let mut world = World::of(3, 120);
    world.instances = vec![World::of(1, 1).instances[0].clone(), down()];
    let console = Console::start(world);
    console
        .get("/")
        .has("lock.front.stock sets the load line")
        .has("39 % busy at 60 rps, full at 160 rps; confidence 90 %")
        .has("148/s (139 to 155), safe 139/s")
        .has("route-000 then breaks its objective first, 99 % within 150 ms")
        .has("Next: cpu.front, full at 300/s")
        .has("role=\"meter\"")
        .has("18/s")
        .has("1 get no requests")
        .has("down: its check fails");
}

fn down() -> console::Instance {
    console::Instance {
        usable: false,
        state: "down: its check fails".into(),
        ..World::of(1, 1).instances[0].clone()
    }
}

#[test]
fn the_binding_resource_comes_first() {
    let console = Console::start(World::of(3, 120));
    let said = console.get("/");
    let bars = &said.body[said.body.find("data-part=\"bars\"").unwrap()..];
    let place = |name: &str| bars.find(&format!("<b>{name}</b>")).unwrap();
    assert!(
        place("lock.front.stock") < place("cpu.front") && place("cpu.front") < place("db.orders")
    );
}

#[test]
fn what_is_missing_is_said_with_how_long_to_wait() {
    let console = Console::start(World::silent());
    for page in ["/", "/advice"] {
        console.get(page).has("Waiting for traffic");
    }
    console
        .get("/history")
        .has("Nothing: what runs is what the file says.");
    let mut world = World::of(2, 30);
    world.learning = Some(Learning {
        have_s: 23.0,
        need_s: 60.0,
        why: String::new(),
    });
    let console = Console::start(world);
    console
        .get("/")
        .has("Learning, 23 of 60 s")
        .has("aria-valuenow=\"38.3\"");
    console.get("/routes").has("route-000");
    console.get("/routes/route-000").has("Learning, 23 of 60 s");
}

#[test]
fn hostile_names_are_text() {
    let name = "<script>alert(1)</script>\"'&";
    let mut world = World::of(2, 60);
    world.routes[0] = name.into();
    world.decisions = vec![Decision::new("rate", name, "refused", 7)];
    let console = Console::start(world);
    let encoded = "%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%26";
    for page in [
        "/",
        "/routes",
        "/advice",
        "/history",
        &format!("/routes/{encoded}"),
    ] {
        let said = console.get(page);
        assert_eq!(said.status, 200, "{page}");
        said.has_not("<script>alert");
    }
    console.get("/routes").has(&format!("/routes/{encoded}"));
    console
        .get(&format!("/routes/{encoded}"))
        .has("&lt;script&gt;alert(1)")
        .has("the client sent more than its limit allows");
    console
        .get("/routes?q=%3Cscript%3E&sort=%22%3E%3Cb%3E")
        .has_not("<b>\"")
        .has_not("\"><b>");
}

#[test]
fn routes_are_filtered_and_sorted_by_the_address() {
    let console = Console::start(World::of(20, 60));
    let said = console.get("/routes?q=ROUTE-01&sort=name");
    said.has("route-010")
        .has("route-019")
        .has_not("route-009")
        .has("20 routes");
    let down = said.body.find(">route-010<").unwrap() < said.body.find(">route-019<").unwrap();
    assert!(down, "by name");
    let turned = console.get("/routes?q=route-01&sort=name&dir=up");
    assert!(turned.body.find(">route-019<") < turned.body.find(">route-010<"));
    console
        .get("/routes?q=nobody")
        .has("No route has that in its name");
    assert_eq!(console.get("/routes/nobody").status, 404);
}

#[test]
fn what_there_is_not_is_said_to_people_and_to_machines() {
    let console = Console::start(World::of(2, 10));
    let page = console.get("/nowhere");
    assert_eq!(page.status, 404);
    page.has("There is no such page");
    let api = console.get("/api/v1/nowhere");
    assert!(api.status == 404 && api.head.contains("application/problem+json"));
    assert_eq!(console.get("/history/999").status, 404);
}

#[test]
fn two_hundred_routes_and_an_hour_of_traffic_are_a_page_in_a_tenth_of_a_second() {
    let console = Console::start(World::of(200, 3600));
    // What is measured is the page, not the made-up windows behind it.
    for page in ["/?last=3600", "/routes", "/advice", "/history"] {
        console.get(page);
        let best = (0..5).map(|_| took(&console, page)).min().unwrap();
        assert!(best < Duration::from_millis(100), "{page} took {best:?}");
    }
}

fn took(console: &Console, page: &str) -> Duration {
    let begun = Instant::now();
    assert_eq!(console.get(page).status, 200);
    begun.elapsed()
}

#[test]
fn charts_show_weeks_as_they_are_remembered() {
    let world = World::of(2, 30);
    let start = 1_700_000_000_000;
    world.past.count("route-000", start, 9 * 360);
    let console = Console::start(world);
    let drawn = |target: &str| {
        let page = console.get(target);
        page.has("35 d");
        page.body.matches("data-at=").count()
    };
    // Two charts of up to 300 steps each.
    for target in [
        "/?last=10800",
        "/routes/route-000?last=10800",
        "/?last=86400",
    ] {
        let steps = drawn(target);
        assert!(steps > 60 && steps <= 2 * 301, "{target}: {steps}");
    }
    assert!(
        console
            .get("/?last=3024000")
            .body
            .contains("How long answers took is kept for 3 d")
    );
    assert_eq!(
        drawn("/routes/route-001?last=604800"),
        2 * drawn_once(&console)
    );
}

#[test]
fn no_page_waits_for_a_history_that_is_still_being_read() {
    let world = World::of(2, 30);
    let past = world.past.clone();
    past.count("route-000", 1_700_000_000_000, 360);
    past.set_known(false);
    let console = Console::start(world);
    let version = |page: &str| {
        let body = console.get(page).body;
        body.split("data-version=\"").nth(1).unwrap()[..60].to_owned()
    };
    let long = ["/?last=3024000", "/routes/route-000?last=3024000"];
    for page in long {
        console.get(page).has("still being read");
    }
    for page in ["/", "/routes", "/routes/route-000", "/cost"] {
        assert_eq!(console.get(page).status, 200, "{page}");
    }
    let before = long.map(version);
    past.set_known(true);
    for (page, before) in long.into_iter().zip(before) {
        console
            .get(page)
            .has_not("still being read")
            .has("data-at=");
        assert_ne!(version(page), before, "{page} is drawn anew");
    }
}

/// Steps of a chart of a week.
fn drawn_once(console: &Console) -> usize {
    console
        .get("/?last=604800")
        .body
        .matches("data-at=")
        .count()
        / 2
}

#[test]
fn a_route_shows_what_it_is_worth_beside_its_technical_numbers() {
    let now_ms = 1_750_000_000_000;
    let mut world = World::of(2, 60);
    let declared = |name: &str, unit: &str| past::Worth {
        route: "route-000".into(),
        name: name.into(),
        unit: unit.into(),
        ..past::Worth::default()
    };
    world.business = vec![declared("orders", ""), declared("revenue", "usd")];
    let of = ["route-000", "revenue", "usd"];
    world.past.worth(of, 19_990_000, now_ms, 30, past::FINE_MS);
    let console = Console::start(world);
    console
        .get("/routes/route-000")
        .has("What it is worth")
        .has("revenue (usd)")
        .has("599.7")
        .has("orders");
    console.get("/routes").has("orders 0, revenue (usd) 599.7");
    console.get("/routes/route-001").has_not("What it is worth");
    let told = console.get("/api/v1/business?window=15m").body;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["numbers"][1]["added_micro"], 599_700_000, "{told}");
    assert_eq!(told["numbers"][1]["counted"], 30);
    console
        .get("/api/v1/business?window=soon")
        .has("cost-window");
    Console::start(World::of(1, 60))
        .get("/routes")
        .has_not("Worth");
}
