//! The page and the calls of costs.

use crate::common::{Console, Costs, World};
use cost::{Item, Kind, Part, Slot};
use serde_json::Value;

/// A third and a bit of a dollar, which no three parts share evenly.
fn costs() -> Costs {
    let part = |route: &str, dollars| {
        let seconds = dollars;
        (route.to_owned(), Part { seconds, dollars })
    };
    let item = Item {
        kind: Kind::Service,
        dollars: 0.333_333,
        background: 0.01,
        routes: [
            part("route-000", 0.111_111_3),
            part("route-001", 0.055_555_5),
        ]
        .into(),
        measured: true,
    };
    let unseen = Item {
        measured: false,
        kind: Kind::Resource,
        routes: [part("<b>", 0.1)].into(),
        background: 0.0,
        dollars: 0.1,
    };
    Costs(Slot {
        seconds: 3600.0,
        items: [
            ("cpu.front".to_owned(), item),
            ("db.shop".to_owned(), unseen),
        ]
        .into(),
        requests: [("route-000".to_owned(), 500.0)].into(),
        ..Slot::default()
    })
}

fn console() -> Console {
    Console::start(World {
        costs: costs(),
        ..World::of(2, 60)
    })
}

#[test]
fn parts_are_shown_to_the_micro_dollar_with_idle_apart() {
    console()
        .get("/cost")
        .has("$0.433333")
        .has("Route route-000 uses 26 % of the bill.")
        .has("href=\"/routes/route-000\"")
        .has("&lt;b&gt;")
        .has("Nobody sees what is used of db.shop")
        .has("idle")
        .has("use not seen")
        .has("$0.166667");
    console()
        .get("/cost?by=service&window=7d")
        .has("Service front uses 62 %")
        .has("Cost of the last 7 days");
    // Whatever is asked, there is a page.
    console()
        .get("/cost?by=%3Cb%3E&window=%22")
        .has("Cost of the last 1 h");
    Console::start(World::of(2, 60))
        .get("/cost")
        .has("Nothing has a price");
}

#[test]
fn the_api_says_the_same_and_refuses_what_it_does_not_know() {
    let console = console();
    for by in ["route", "service", "resource"] {
        let said: Value =
            serde_json::from_str(&console.get(&format!("/api/v1/cost?by={by}")).body).unwrap();
        let micro = |v: &Value| v.as_u64().unwrap();
        let rows: u64 = said["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| micro(&r["micro"]))
            .sum();
        let apart = micro(&said["idle_micro"]) + micro(&said["background_micro"]);
        assert_eq!(
            (rows + apart, micro(&said["bill_micro"])),
            (433_333, 433_333),
            "{said}"
        );
    }
    console
        .get("/api/v1/cost?by=moon")
        .has("by route, service, resource");
    assert_eq!(
        console.get("/api/v1/cost?window=never").has("`1h`").status,
        409
    );
    let none = Console::start(World::of(2, 60)).get("/api/v1/cost");
    assert_eq!(none.has("nothing has a price").status, 409);
}
