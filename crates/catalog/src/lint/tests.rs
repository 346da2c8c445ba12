//! Each rule: what it finds, where, and that it is silent when all is well.

use super::*;
use std::path::Path;

const CONFIG: &str = "listen: 127.0.0.1:80\nservices:\n  shop: { instances: [\"127.0.0.1:1\"] }\n  \
stock: { instances: [\"127.0.0.1:2\"] }\nroutes:\n  buy: { match: POST /buy, to: shop, slo: { latency: 1s, availability: 99% } }\n  \
item: { match: GET /item, to: stock }\n";

/// A catalog in which all is well.
const GOOD: &[(&str, &str)] = &[
    ("catalog/teams/pay.yaml", "members: [ana, ben]\n"),
    (
        "catalog/on-call/pay.yaml",
        "people: [ana, ben]\nstarts: 2026-01-05T09:00\nturn: 1w\n",
    ),
    (
        "catalog/services/shop.yaml",
        "owner: pay\ndepends_on: [stock]\nrunbooks: [slow]\n",
    ),
    (
        "catalog/services/stock.yaml",
        "owner: pay\nrunbooks: [slow]\n",
    ),
    (
        "catalog/runbooks/slow.md",
        "# Slow\n`route buy`, `services.shop.pool.size`\n```sh { name=look }\ntrue\n```\n",
    ),
    (
        "catalog/runs.jsonl",
        "{\"runbook\":\"slow\",\"at\":\"2026-11-20T00:00:00Z\",\"who\":\"ana\",\"ok\":true,\"steps\":[]}\n",
    ),
    ("CODEOWNERS", "* @acme/pay\n"),
];

/// The findings when `changes` lie over the good files; an empty text takes a file away.
fn found(changes: &[(&str, &str)], metrics: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in GOOD.iter().chain(changes) {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.is_empty() {
            true => std::fs::remove_file(path).unwrap(),
            false => std::fs::write(path, text).unwrap(),
        }
    }
    let checked = config::check_text("plimsoll.yaml", CONFIG);
    let (mut catalog, mut all) = Catalog::load(&folder.path().join("catalog"), folder.path());
    let config = checked.config.unwrap();
    catalog.add_config(&config, &checked.document);
    let seen = Observed::from_metrics(metrics);
    all.extend(lint(&Facts {
        catalog: &catalog,
        config: Some(&config),
        observed: Some(&seen),
        now: "2026-11-28T04:00:00Z".parse().unwrap(),
        limits: Limits::default(),
    }));
    all.iter().map(|f| told(f, folder.path())).collect()
}

fn told(f: &Finding, folder: &Path) -> String {
    let text = f.to_string().replace(&format!("{}/", folder.display()), "");
    text.split('\n')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" | ")
}

const BUSY: &str = "plimsoll_requests_total{route=\"buy\"} 5\nplimsoll_requests_total{route=\"item\"} 9\n\
plimsoll_calls_total{parent=\"buy\",route=\"item\"} 4\nprocess_start_time_seconds 1764000000\n";

#[test]
fn all_is_well() {
    assert_eq!(found(&[], BUSY), Vec::<String>::new());
}

#[test]
fn owners() {
    let none = found(
        &[("catalog/services/shop.yaml", "depends_on: [stock]\n")],
        BUSY,
    );
    assert!(
        none[0].starts_with("catalog/services/shop.yaml:1:1: error[owner-missing]: `shop` has traffic (5 requests) and no owner"),
        "{none:?}"
    );
    let slip = found(&[("catalog/services/stock.yaml", "owner: pya\n")], BUSY);
    assert_eq!(
        slip[0],
        "catalog/services/stock.yaml:1:8: error[owner-unknown]: `stock` is owned by `pya`, which is no team | help: did you mean `pay`?"
    );
    // CODEOWNERS says it for a folder.
    let by_path = found(
        &[(
            "catalog/services/stock.yaml",
            "path: stock\nrunbooks: [slow]\n",
        )],
        BUSY,
    );
    assert_eq!(by_path, Vec::<String>::new());
    let empty = found(&[("catalog/teams/pay.yaml", "title: Pay\n")], BUSY);
    assert!(
        empty[0].contains("error[team-empty]: `pay` owns shop, stock and has no members"),
        "{empty:?}"
    );
}

#[test]
fn on_call() {
    let none = found(&[("catalog/on-call/pay.yaml", "")], BUSY);
    assert!(
        none[0].contains("warning[on-call-missing]: nobody is on call for `pay`"),
        "{none:?}"
    );
    let hours = "people: [ana]\nstarts: 2026-01-05T09:00\nturn: 1w\nhours: 09:00-17:00\n";
    let gap = found(&[("catalog/on-call/pay.yaml", hours)], BUSY);
    let expected = "error[on-call-gap]: `pay` has nobody on call now, until 2026-11-28 09:00 UTC, and 14 more times in the next 14 days";
    assert!(gap[0].contains(expected), "{gap:?}");
    let stranger = "people: [ana, bne]\nstarts: 2026-01-05T09:00\nturn: 1w\n";
    let stranger = found(&[("catalog/on-call/pay.yaml", stranger)], BUSY);
    assert!(
        stranger[0]
            .ends_with("`bne` is on call for `pay` and in no team | help: did you mean `ben`?"),
        "{stranger:?}"
    );
}

#[test]
fn calls_and_references() {
    let silent = found(
        &[(
            "catalog/services/shop.yaml",
            "owner: pay\ndepends_on: [stokc]\nrunbooks: [slow]\n",
        )],
        BUSY,
    );
    assert!(
        silent[0].contains("error[call-undeclared]: `shop` calls `stock` (4 requests of `item` for `buy`) and does not say so"),
        "{silent:?}"
    );
    assert!(
        silent[1].contains(":2:14: error[depends-unknown]"),
        "{silent:?}"
    );
    assert!(
        silent[1].ends_with("help: did you mean `stock`?"),
        "{silent:?}"
    );
}

#[test]
fn runbooks() {
    let missing = found(
        &[(
            "catalog/services/stock.yaml",
            "owner: pay\nrunbooks: [slwo]\n",
        )],
        BUSY,
    );
    assert!(missing[0].contains("error[runbook-missing]"), "{missing:?}");
    let text = "---\nroutes: [byu]\n---\n`service shpo` `services.shop.pool.sze` `routes.nope.to` `flag x`\n";
    let names = found(&[("catalog/runbooks/slow.md", text)], BUSY);
    let starts = [
        "catalog/runbooks/slow.md:2:10: error[runbook-names]: the runbook names the route `byu`, which is not there | help: did you mean `buy`?",
        "catalog/runbooks/slow.md:4:2: error[runbook-names]: the runbook names the service `shpo`, which is not there | help: did you mean `shop`?",
        "catalog/runbooks/slow.md:4:17: error[runbook-names]: the runbook names `services.shop.pool.sze`: there is no `sze` | help: did you mean `size`?",
        "catalog/runbooks/slow.md:4:42: error[runbook-names]: the runbook names `routes.nope.to`: there is no `nope`",
        "catalog/runbooks/slow.md:4:59: note[runbook-names]: the flag `x` is not looked for",
    ];
    assert_eq!(names.len(), starts.len(), "{names:#?}");
    for (name, start) in names.iter().zip(starts) {
        assert!(name.starts_with(start), "{name}\n{start}");
    }
    let waits = |alerts: &str| {
        let head = format!("---\nalerts: [{alerts}]\n---\n");
        found(&[("catalog/runbooks/slow.md", &head)], BUSY)
    };
    assert_eq!(
        waits("buy, route-buy-latency, route-buy-availability"),
        [""; 0]
    );
    assert_eq!(
        waits("item, rout-buy-latency"),
        [
            "catalog/runbooks/slow.md:2:10: error[runbook-names]: no alert is called `item`: the runbook waits for it | \
             help: write the id of an objective (`plimsoll slo --json`), or the name of a route or service that has one",
            "catalog/runbooks/slow.md:2:16: error[runbook-names]: no alert is called `rout-buy-latency`: the runbook waits \
             for it | help: did you mean `route-buy-latency`?",
        ]
    );
    let address = "owner: pay\nrunbooks: [\"https://wiki.internal/stock\"]\n";
    let elsewhere = found(&[("catalog/services/stock.yaml", address)], BUSY);
    assert_eq!(elsewhere, [""; 0], "a runbook may be a page elsewhere");
    let never = found(&[("catalog/runs.jsonl", "")], BUSY);
    assert!(
        never[0].contains("warning[runbook-stale]: `slow` was never run"),
        "{never:?}"
    );
    let run = GOOD[5].1.replace("2026-11", "2026-01");
    let long = found(&[("catalog/runs.jsonl", &run)], BUSY);
    assert!(
        long[0].contains("`slow` was last run 312 days ago"),
        "{long:?}"
    );
}

#[test]
fn dead_entries() {
    let idle = "plimsoll_requests_total{route=\"buy\"} 5\nprocess_start_time_seconds ";
    // 2026-11-28T04:00:00Z is 1795838400.
    let young = found(&[], &format!("{idle}1795834800\n"));
    assert!(
        young[0].contains("note[dead-unsure]: `stock` had no request yet: Plimsoll has looked for 60 min | why:  it counts as dead after 30 days"),
        "{young:?}"
    );
    let old = found(&[], &format!("{idle}1764000000\n"));
    assert!(
        old[0].contains("warning[dead-service]: `stock` had no request in 368 days"),
        "{old:?}"
    );
    let elsewhere = found(
        &[(
            "catalog/services/mail.yaml",
            "owner: pay\nrunbooks: [slow]\n",
        )],
        BUSY,
    );
    assert!(
        elsewhere[0].contains("note[dead-unseen]: `mail` is not behind this Plimsoll"),
        "{elsewhere:?}"
    );
}

#[test]
fn lines_of_codeowners() {
    let text = "/shop/ @acme/pay\n/x/ @acme/pya\n* @acme/pay\n/x/ @ana\n";
    let lines = found(
        &[("CODEOWNERS", text), ("docs/CODEOWNERS", "* @ana\n")],
        BUSY,
    );
    let expected = [
        "CODEOWNERS:1:1: warning[codeowners-shadowed]: `/shop/` never holds: `*` in line 3 matches all of it",
        "CODEOWNERS:2:1: warning[codeowners-shadowed]: `/x/` never holds: `*` in line 3 matches all of it",
        "CODEOWNERS:2:1: warning[codeowners-team]: `@acme/pya` is no team of the catalog | help: did you mean `pay`?",
        "docs/CODEOWNERS: warning[codeowners-second]: this file does nothing: CODEOWNERS comes before it",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{line}\n{start}");
    }
}
