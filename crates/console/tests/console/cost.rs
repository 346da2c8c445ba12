//! The page and the calls of costs.

use crate::common::{Console, Costs, World};
use cost::anomaly::{Anomaly, Of};
use cost::explain::Explained;
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
    let slot = Slot {
        seconds: 3600.0,
        items: [
            ("cpu.front".to_owned(), item),
            ("db.shop".to_owned(), unseen),
        ]
        .into(),
        requests: [("route-000".to_owned(), 500.0)].into(),
        ..Slot::default()
    };
    Costs {
        slot,
        anomalies: vec![],
    }
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
    for by in ["route", "service", "resource", "tenant", "user"] {
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
        .has("by route, service, resource, tenant, user");
    assert_eq!(
        console.get("/api/v1/cost?window=never").has("`1h`").status,
        409
    );
    let none = Console::start(World::of(2, 60)).get("/api/v1/cost");
    assert_eq!(none.has("nothing has a price").status, 409);
}

#[test]
fn an_unusual_hour_has_its_parts_and_the_change_beside_it() {
    let anomaly = Anomaly {
        of: Of::Used,
        hour_s: 1_749_996_000,
        since_s: 1_749_997_200,
        cost: 0.000_25,
        usual: 0.000_2,
        band: 0.000_01,
        why: Some(Explained {
            efficiency: 0.000_06,
            mix: -0.000_01,
            ..Explained::default()
        }),
        change: Some("cache of <product> taken away (ann)".into()),
    };
    let console = Console::start(World {
        costs: Costs {
            anomalies: vec![anomaly],
            ..costs()
        },
        ..World::of(2, 60)
    });
    console
        .get("/cost")
        .has("$0.250000; $0.200000 is usual")
        .has("mix -$0.010000, efficiency +$0.060000")
        .has("cache of &lt;product&gt; taken away (ann)");
    console.get("/api/v1/cost/anomalies").has("\"of\":\"used\"");
}

#[test]
fn opencosts_tools_get_the_same_sums() {
    let console = console();
    let ask = |query: &str| console.get(&format!("/allocation/compute?{query}"));
    let said: Value =
        serde_json::from_str(&ask("window=1h&aggregate=service&includeIdle=true").body).unwrap();
    let set = said["data"][0].as_object().unwrap();
    let sum: f64 = set.values().map(|a| a["totalCost"].as_f64().unwrap()).sum();
    assert!((sum - 0.433_333).abs() < 1e-9, "{said}");
    assert!(
        set.contains_key("front") && set.contains_key("__idle__"),
        "{said}"
    );
    let sets = |query: &str| {
        let said: Value = serde_json::from_str(&ask(query).body).unwrap();
        said["data"].as_array().map(Vec::len)
    };
    assert_eq!(sets("window=7d&step=1d"), Some(7));
    assert_eq!(sets("window=7d&step=1d&accumulate=true"), Some(1));
    ask("window=35d&step=1m").has("too many");
    ask("window=1h&aggregate=pod").has("write service");
    ask("window=1h&step=0s").has("is no step");
    assert_eq!(ask("").status, 400);
}

/// 144 whole hours with ten orders in each, and the one under way; an hour costs the same each time.
#[test]
fn an_order_has_a_cost_and_a_trend_that_is_told_honestly() {
    let mut world = World {
        costs: costs(),
        ..World::of(2, 60)
    };
    world.business = vec![past::Worth {
        route: "route-000".into(),
        name: "orders".into(),
        ..past::Worth::default()
    }];
    let (of, hour_ms) = (["route-000", "orders", ""], 3_600_000);
    world
        .past
        .worth(of, 10_000_000, 1_750_000_000_000, 145, hour_ms);
    let console = Console::start(world);
    let target = "/api/v1/cost/units?of=route-000/orders&each=hour&window=6d";
    let told: Value = serde_json::from_str(&console.get(target).body).unwrap();
    let u = &told[0];
    let close = |v: &Value, x: f64| assert!((v.as_f64().unwrap() - x).abs() < 1e-6, "{v} {x}");
    close(&u["cost"], 0.043_333_3);
    close(&u["used"], 0.011_111_1);
    assert_eq!(u["trend"]["verdict"], "unclear", "{u}");
    close(&u["trend"]["slope"], 0.0);
    let steps = u["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 145);
    assert_eq!(steps[144]["whole"], false, "the hour under way");
    // By day there is too little, and it is said.
    console
        .get("/cost")
        .has("What one of it costs")
        .has("too little for a trend: 0 whole days")
        .has("not whole");
    console
        .get("/api/v1/cost/units?of=nothing")
        .has("business-unknown");
    console
        .get("/api/v1/cost/units?each=year")
        .has("by hour or day");
    console
        .get("/api/v1/cost/units?each=hour&window=400d")
        .has("too many steps");
    Console::start(World::of(2, 60))
        .get("/api/v1/cost/units")
        .has("[]");
}
