//! What the console may change, who may ask for it, and the stream of live values.

use crate::common::{Console, Gate, World};
use control::policy::Budget;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, mpsc};

const TRY: &str = "which=cache-route-000&share=20&who=ann";

#[test]
fn a_trial_is_started_watched_and_rolled_back_by_its_forms() {
    let console = Console::start(World::of(2, 60));
    console
        .get("/advice")
        .has("Cache route-000 for 1s")
        .has("148/s → <strong>337/s</strong> (safe 320/s)")
        .has("demand of route-000 on lock.front.stock -27 % (-31 to -22)")
        .has("shard orders")
        .has("a wider pool: it is not what fills first")
        .has("routes.route-000.cache = {&quot;ttl&quot;:&quot;1s&quot;}");
    let begun = console.post("/advice/try", TRY);
    assert_eq!(begun.status, 303, "{}", begun.body);
    assert!(begun.head.contains("location: /advice"));
    console
        .get("/advice")
        .has("Trying: cache route-000 for 1s")
        .has("One trial at a time");
    let again = console.post("/advice/try", TRY);
    assert_eq!(again.status, 409);
    again.has("Back to Advice");
    let id = console.control.status().trial.unwrap().id;
    let back = console.post("/advice/rollback", &format!("overlay={id}&who=bob"));
    assert_eq!(back.status, 303);
    control::loops::list::trial(console.control.shared()).unwrap();
    let ledger = console.get("/history?show=all");
    ledger.has("ann").has("bob").has("withdrawn");
    let number = console.control.status().generation;
    console.get(&format!("/history/{number}")).has("went");
}

#[test]
fn a_change_that_a_spent_error_budget_holds_back_needs_a_reason() {
    let mut world = World::of(2, 60);
    world.budgets = vec![Budget {
        objective: "route-route-000-latency".into(),
        service: "front".into(),
        route: Some("route-000".into()),
        left: -0.3,
    }];
    let console = Console::start(world);
    console
        .get("/advice")
        .has("Held back: </strong>the error budget of route-route-000-latency is overdrawn by 30 %")
        .has("name=\"override\"");
    let refused = console.post("/advice/try", TRY);
    assert_eq!(refused.status, 409);
    refused.has("is overdrawn by 30 %");
    let begun = console.post("/advice/try", &format!("{TRY}&override=it%20mends%20it"));
    assert_eq!(begun.status, 303, "{}", begun.body);
    console.get("/history").has("overridden: it mends it");
}

#[test]
fn changes_asked_for_by_other_sites_are_refused() {
    let console = Console::start(World::of(2, 60));
    for headers in [
        &[][..],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://evil.example"), ("plimsoll-api", "1")],
        &[("host", "evil.example"), ("origin", "http://evil.example")],
    ] {
        let said = console.post_from("/advice/try", TRY, headers);
        assert_eq!(said.status, 403, "{headers:?}");
    }
    assert!(console.control.status().trial.is_none());
    let named = console.ask("GET", "/", &[("host", "evil.example")], "");
    assert_eq!(named.status, 403, "a page that had its name point here");
    let scrape = console.ask("GET", "/metrics", &[("host", "plimsoll.internal")], "");
    assert_eq!(scrape.status, 200);
}

#[test]
fn a_question_that_is_not_understood_says_what_would_be() {
    let console = Console::start(World::of(2, 60));
    console
        .get("/advice?q=cash%20it")
        .has("<code>cash it</code> is not a change that is known")
        .has("did you mean <code>cache</code>?");
}

#[test]
fn an_unknown_proposal_is_named() {
    let console = Console::start(World::of(2, 60));
    let said = console.post("/advice/try", "which=%3Cb%3E");
    assert_eq!(said.status, 404);
    said.has("no proposal `&lt;b&gt;`")
        .has("there are: cache-route-000");
}

#[test]
fn live_values_come_in_a_stream_that_ends_with_the_console() {
    let mut console = Console::start(World::of(2, 60));
    let mut stream = console.connect();
    let head = format!(
        "GET /live?page=/&last=300 HTTP/1.1\r\nhost: {}\r\n\r\n",
        console.at
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream);
    let frame = loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended early");
        if let Some(data) = line.strip_prefix("data: ") {
            break serde_json::from_str::<serde_json::Value>(data).unwrap();
        }
    };
    assert_eq!(frame["text"]["rate"], "12/s");
    assert_eq!(frame["steps"].as_array().unwrap().len(), 15);
    let page = console.get("/");
    page.has(&format!(
        "data-version=\"{}\"",
        frame["version"].as_str().unwrap()
    ));
    console.stop();
    let mut rest = Vec::new();
    lines.read_to_end(&mut rest).unwrap();
}

#[test]
fn every_reading_call_of_the_document_is_answered() {
    let console = Console::start(World::of(2, 60));
    let document: serde_json::Value =
        serde_json::from_str(&console.get("/api/v1/openapi.json").body).unwrap();
    for (path, calls) in document["paths"].as_object().unwrap() {
        let target = path
            .replace("{name}", "route-000")
            .replace("{number}", "1")
            .replace("{id}", "none");
        if calls.get("get").is_some() {
            let said = console.get(&target);
            let text = calls["get"]["responses"]["200"]["content"].get("text/plain");
            let kind = if text.is_some() { "text" } else { "json" };
            assert!(
                said.status < 500 && said.head.contains(kind) || said.status == 400,
                "{path}: {}",
                said.head
            );
            assert!(!said.body.contains("no such page"), "{path}");
        }
        // Long questions are posted by forms, and change nothing.
        let content = &calls["post"]["requestBody"]["content"];
        let asks = content.get("application/x-www-form-urlencoded").is_some();
        if calls.get("post").is_some() && !asks {
            assert_eq!(console.ask("POST", &target, &[], "").status, 403, "{path}");
        }
    }
}

#[test]
fn pages_are_asked_for_anew_when_the_model_says_something_and_not_for_less() {
    let console = Console::start(World::of(2, 60));
    let versions = || {
        ["/", "/routes", "/routes/route-000", "/advice"].map(|page| {
            let body = console.get(page).body;
            let version = body.split("data-version=\"").nth(1).unwrap();
            version.split('"').next().unwrap().to_owned()
        })
    };
    let before = versions();
    control::loops::list::observe(console.control.shared()).unwrap();
    assert_eq!(versions(), before, "a fit alone says nothing");
    control::loops::list::advise(console.control.shared()).unwrap();
    let after = versions();
    assert!(before.iter().zip(&after).all(|(b, a)| b != a), "{after:?}");
}

#[test]
fn what_if_is_answered_one_at_a_time_and_whoever_is_too_many_is_told_when_to_come_back() {
    const WHATIF: &str = "/api/v1/whatif?q=cach%20x";
    let gate = Arc::new(Gate::default());
    let console = Console::start(World {
        gate: Some(gate.clone()),
        ..World::of(2, 60)
    });
    let (answered, answers) = mpsc::channel();
    std::thread::scope(|s| {
        for _ in 0..8 {
            let (answered, console) = (answered.clone(), &console);
            s.spawn(move || answered.send(console.ask("GET", WHATIF, &[], "")));
        }
        // One is being answered and four wait.
        for busy in answers.iter().take(3) {
            assert_eq!(busy.status, 503, "{}", busy.body);
            assert!(busy.head.contains("retry-after: 5"), "{}", busy.head);
            busy.has("console-busy").has("ask again in 5 s");
        }
        console.get(WHATIF).has("console-busy");
        let page = console.get("/advice?times=2");
        page.has("Other questions are being answered")
            .has("data-again");
        gate.open();
        for said in answers.iter().take(5) {
            assert_eq!(said.status, 409, "{}", said.body);
        }
    });
    assert_eq!(gate.most(), 1);
    console.get("/advice?times=2").has("did you mean");
}
