//! The pages of the catalog and the incidents, and what the API tells of them.

use crate::common::{Console, World};

const FILES: &[(&str, &str)] = &[
    (
        "teams/pay.yaml",
        "title: Payments\nmembers: [ana, ben]\ncontact: \"#pay\"\n",
    ),
    (
        "services/front.yaml",
        "about: <b>Pages</b>\nowner: pay\nrunbooks: [slow]\n",
    ),
    (
        "services/mail.yaml",
        "owner: nobody-known\nrunbooks: [slow]\n",
    ),
    (
        "on-call/pay.yaml",
        "people: [ana]\nstarts: 2026-01-05T09:00\nturn: 1w\n",
    ),
    (
        "runbooks/slow.md",
        "# Slow & sad\n```sh { name=look }\nplimsoll status | grep '<up>'\n```\n",
    ),
    (
        "incidents/2026-11-01-slow.md",
        "---\ntitle: Checkout <slow>\nservice: front\nbegan: 2026-11-01T04:00:00Z\ndetected: 2026-11-01T04:02:00Z\n\
         acknowledged: 2026-11-01T04:05:00Z\nresolved: 2026-11-01T05:00:00Z\n---\n\n## Timeline\n\n\
         - 2026-11-01T04:02:00Z opened (ana)\n",
    ),
    // The first generation of the world is of 2025-06-15T15:06:40Z.
    (
        "incidents/2026-11-02-open.md",
        "---\ntitle: Still open\nservice: front\nbegan: 2025-06-15T15:10:00Z\ndetected: 2026-11-02T04:00:00Z\n---\n",
    ),
];

fn start() -> Console {
    let console = Console::start(World::of(2, 120));
    for (file, text) in FILES {
        console.write(&format!("catalog/{file}"), text);
    }
    console
}

#[test]
fn without_files_the_pages_say_how_to_begin() {
    let console = Console::start(World::of(2, 120));
    console
        .get("/incidents")
        .has("No incident is open")
        .has("plimsoll incident open");
    console.get("/catalog").has("There is no catalog yet");
}

#[test]
fn the_catalog_says_whom_to_call_and_what_to_mend() {
    let console = start();
    console
        .get("/catalog")
        .has("1 error, ")
        .has("Traffic: ")
        .has("<code>mail</code> is owned by <code>nobody-known</code>, which is no team")
        .has("&lt;b&gt;Pages&lt;/b&gt;")
        .has_not("<b>Pages")
        .has("<strong>ana</strong>")
        .has("#pay")
        .has("1 of 2")
        .has("Payments")
        .has("href=\"/catalog/runbooks/slow\"");
    console
        .get("/catalog/runbooks/slow")
        .has("Slow &amp; sad")
        .has("It was never run.")
        .has("grep '&lt;up&gt;'")
        .has("plimsoll runbook run slow");
    assert_eq!(console.get("/catalog/runbooks/none").status, 404);
}

#[test]
fn an_incident_has_its_times_its_timeline_and_a_draft() {
    let console = start();
    console
        .get("/incidents")
        .has("Open: Still open")
        .has("Checkout &lt;slow&gt;")
        .has("1 h 00 min");
    console
        .get("/incidents/2026-11-01-slow")
        .has("Checkout &lt;slow&gt;")
        .has("2 min 00 s")
        .has("5 min 00 s")
        .has("opened (ana)")
        .has("opened (the on-call engineer)");
    console
        .get("/incidents/2026-11-02-open")
        .has("Nobody works on it yet:")
        .has("plimsoll incident ack 2026-11-02-open")
        .has("ledger: generation 1");
    let none = console.get("/incidents/none");
    assert_eq!(none.status, 404);
    none.has("there is no incident `none`");
}

#[test]
fn the_api_tells_the_same() {
    let console = start();
    let read = |target: &str| -> serde_json::Value {
        let said = console.get(target);
        assert_eq!(said.status, 200, "{target}: {}", said.body);
        serde_json::from_str(&said.body).unwrap()
    };
    let all = read("/api/v1/catalog");
    assert_eq!(all["services"][0]["now"]["who"], "ana");
    assert_eq!(all["runbooks"][0]["steps"][0], "look");
    let codes = all["findings"].to_string();
    assert!(codes.contains("owner-unknown"), "{codes}");
    assert_eq!(read("/api/v1/observed")["span_s"], 35 * 86_400);
    assert!(read("/api/v1/statements").is_array());
    let incidents = read("/api/v1/incidents");
    assert_eq!(incidents["incidents"][0]["id"], "2026-11-02-open");
    assert_eq!(incidents["typical"]["resolve_s"], 3600);
    let one = read("/api/v1/incidents/2026-11-01-slow");
    assert_eq!(one["acknowledge_s"], 300);
    assert!(one["draft"].as_str().unwrap().contains("# Postmortem"));
    assert_eq!(console.get("/api/v1/incidents/none").status, 404);
}
