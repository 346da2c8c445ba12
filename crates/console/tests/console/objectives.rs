//! The page of objectives and alerts.

use crate::common::{Console, Slos, World};
use slo::{Tick, Watch, objectives};

const START_MS: u64 = 1_750_000_000_000;

/// An hour of good answers, then so many seconds of failures.
fn after(failing: u64) -> Slos {
    let text = "listen: 127.0.0.1:1\n\
        services: { front: { instances: [127.0.0.1:2], owner: <b>shop</b>, runbook: https://wiki.internal/front } }\n\
        routes: { route-000: { match: GET /, to: front, slo: { latency: 150ms, target: 99.9% } } }\n";
    let config = config::check_text("p.yaml", text).config.unwrap();
    let mut watch = Watch::default();
    watch.objectives(objectives(&config), START_MS);
    for s in 1..=3600 + failing {
        let bad = if s > 3600 { 10 } else { 0 };
        let tick = Tick {
            total: 10,
            bad,
            stuck: 0,
        };
        watch.push(START_MS + s * 1000, |_| tick);
        watch.evaluate(|_| Default::default());
    }
    Slos {
        slos: watch.status(),
        alerts: watch.alerts().to_vec(),
    }
}

fn console(slos: Slos) -> Console {
    Console::start(World {
        slos,
        ..World::of(2, 60)
    })
}

#[test]
fn what_is_promised_and_how_it_stands_is_shown() {
    console(Slos::default())
        .get("/slos")
        .has("No objective is declared")
        .has("slo: { latency: 250ms, target: 99.9% }");
    console(after(0))
        .get("/slos")
        .has("Nothing fires")
        .has("href=\"/routes/route-000\"")
        .has("99.9 % good within 150 ms over 28 days")
        .has("100.0 % left")
        .has("data-live=\"0.burn5m\"")
        .has("quiet");
}

#[test]
fn an_outage_says_what_who_and_what_to_do_on_every_page() {
    let mut slos = after(30);
    let console = console(slos.clone());
    console
        .get("/slos")
        .has("A page fires: route route-000")
        .has("OUTAGE of route route-000")
        .has("held down by: not known yet")
        .has("owner: &lt;b&gt;shop&lt;/b&gt;")
        .has("on call: nobody is named")
        .has("runbook: <a href=\"https://wiki.internal/front\"")
        .has("overdrawn")
        .has("Nobody has been told");
    console
        .get("/routes")
        .has("1 alert fires")
        .has("href=\"/slos\"");
    let alerts = console.get("/api/v1/alerts");
    alerts
        .has("\"state\":\"firing\"")
        .has("\"lines\":[\"promised:");
    console.get("/api/v1/slos").has("\"alert\":\"page firing\"");

    let mut found = slos.clone();
    let context = &mut found.alerts[0].context;
    context.on_call = Some("ana".into());
    context.runbook = Some("catalog/runbooks/front down.md".into());
    context.step =
        Some("plimsoll runbook run 'front down' (first look: curl 'http://a/b' | wc)".into());
    self::console(found)
        .get("/slos")
        .has("on call: ana")
        .has("(first look: curl '<a href=\"http://a/b\" rel=\"noreferrer\">http://a/b</a>' | wc)")
        .has("href=\"/catalog/runbooks/front%20down\"");

    let told = slos.alerts[0].told.entry("webhook".into()).or_default();
    (told.tries, told.error) = (3, Some("it answered 503".into()));
    self::console(slos)
        .get("/slos")
        .has("Not told: webhook</strong>: it answered 503 (3 tries)");
}
