//! What the steps say about answers of the API and the files of a catalog.

use super::steps::STEPS;
use super::*;
use crate::show::answer::of_history;

/// What the steps know of a config, of files beside it, and of what runs.
fn known(config: &str, files: &[(&str, &str)], told: Told) -> Known {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plimsoll.yaml");
    std::fs::write(&file, config).unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let loaded = catalog::load(&file, None).unwrap();
    Known::new(loaded, told, catalog::decisions(&file)).unwrap()
}

fn look(step: usize, k: &Known) -> Look {
    (STEPS[step].1)(k)
}

const SERVICE: &str = "listen: 127.0.0.1:1\nservices: { app: { instances: [\"127.0.0.1:2\"] } }\n";

/// One route with an objective, one without.
fn two_routes() -> String {
    let a =
        "  a: { match: GET /a, to: app, slo: { latency: 1s, target: 99% }, cache: { ttl: 10s } }\n";
    format!("{SERVICE}routes:\n{a}  b: {{ match: GET /b, to: app }}\n")
}

/// An answer of the model; with `app.cpu` in the place of the constraint where one is known.
fn diagnosis(constraint: bool, resources: &Value) -> Value {
    let history = base::History::default();
    let (answer, _) = of_history(&history, &model::demand::Options::default());
    let mut answer = serde_json::to_value(answer).unwrap();
    answer["diagnosis"]["resources"] = resources.clone();
    if constraint {
        answer["diagnosis"]["constraint"] = json!({
            "resource": "app.cpu", "technical": "compute", "class": "compute", "cause": null, "confidence": 1.0,
            "utilisation": 0.4, "saturation": 100.0, "carriers": [], "evidence": [],
        });
    }
    json!({ "progress": "ready", "diagnosis": answer })
}

fn ready(proposals: Value) -> Value {
    json!({ "stage": { "stage": "ready" }, "proposals": proposals })
}

#[test]
fn without_anything_that_runs_each_step_is_open_and_says_what_to_do() {
    for config in [
        SERVICE.to_owned() + "routes: { a: { match: GET /, to: app } }\n",
        two_routes(),
    ] {
        let k = known(&config, &[], Told::default());
        for (i, (name, _)) in STEPS.iter().enumerate() {
            let l = look(i, &k);
            assert!(
                !l.done && !l.next.is_empty() && !l.evidence.is_empty(),
                "{name}"
            );
        }
    }
    let k = known(&two_routes(), &[], Told::default());
    assert_eq!(look(1, &k).evidence, ["no diagnosis yet: nothing runs"]);
}

#[test]
fn an_objective_without_an_answer_is_none() {
    let k = known(&two_routes(), &[], Told::default());
    assert_eq!(look(0, &k).evidence, ["1 of 2 routes have an objective"]);
    assert!(look(0, &k).next.contains("`routes.b.slo`"));
    let one = format!(
        "{SERVICE}routes: {{ a: {{ match: GET /, to: app, slo: {{ latency: 1s, target: 99% }} }} }}\n"
    );
    let slos = |total: u64| {
        let told = Told {
            slos: json!([{ "objective": { "id": "route-a-latency" }, "answers": { "total": total, "bad": 0 } }]),
            ..Told::default()
        };
        look(0, &known(&one, &[], told))
    };
    let quiet = slos(0);
    assert_eq!(
        quiet.evidence[1],
        "answers are counted for 0 of 1 objectives"
    );
    assert!(
        !quiet.done && quiet.next.contains("`route-a-latency`"),
        "{}",
        quiet.next
    );
    assert!(slos(7).done);
    let unknown = look(0, &known(&one, &[], Told::default()));
    assert!(
        !unknown.done && unknown.next.contains("run Plimsoll"),
        "{}",
        unknown.next
    );
}

#[test]
fn a_diagnosis_is_evidence_and_a_summary_without_a_constraint_is_none() {
    let told = |constraint| Told {
        diagnosis: diagnosis(constraint, &json!([])),
        ..Told::default()
    };
    let l = look(1, &known(&two_routes(), &[], told(false)));
    assert!(!l.done && l.next.contains("plimsoll diagnose"));
    assert!(look(1, &known(&two_routes(), &[], told(true))).done);
}

#[test]
fn a_cheap_change_comes_before_the_others_and_none_left_needs_advice() {
    let proposals = json!([
        { "kind": "replica", "title": "one more instance" },
        { "kind": "cache", "title": "cache b" },
    ]);
    let with = |diagnosis: Value, advice: Value| {
        let routes = json!([{ "route": "a", "cache_hits": 30, "cache_misses": 10 }]);
        let told = Told {
            diagnosis,
            advice,
            routes,
            ..Told::default()
        };
        look(2, &known(&two_routes(), &[], told))
    };
    let left = with(Value::Null, ready(proposals));
    assert_eq!(left.next, "`plimsoll try 2`: cache b");
    assert_eq!(
        left.evidence,
        [
            "1 of 2 routes have a cache",
            "cache of a: 75 % of 40 requests of the last minute came from it",
            "no database is declared, so none is looked into",
        ]
    );
    let known = diagnosis(true, &json!([]));
    assert!(with(known.clone(), ready(json!([]))).done);
    let early = json!({ "stage": { "stage": "provisional" }, "proposals": [] });
    for (diagnosis, advice) in [
        (known, early),
        (diagnosis(false, &json!([])), ready(json!([]))),
    ] {
        let l = with(diagnosis, advice);
        assert!(!l.done && l.next.contains("plimsoll advise"), "{}", l.next);
    }
}

#[test]
fn a_database_that_is_not_seen_keeps_the_step_open() {
    let config = two_routes()
        + "resources: { shop: { postgres: \"postgres://u@127.0.0.1/shop\", service: app } }\n";
    let with = |resources: Value| {
        let told = Told {
            diagnosis: diagnosis(true, &resources),
            advice: ready(json!([])),
            probes: json!([{ "probe": "postgres", "about": "shop", "text": "it refuses the password", "blind": true }]),
            statements: json!([{
                "database": "db.shop", "text": "SELECT *\n FROM orders", "calls": 42.0, "seconds": 0.012,
                "routes": [["b", 0.9]],
            }]),
            ..Told::default()
        };
        look(2, &known(&config, &[], told))
    };
    let blind = with(json!([]));
    assert!(
        !blind.done && blind.next.starts_with("`resources.shop` is not seen"),
        "{}",
        blind.next
    );
    assert_eq!(
        blind.evidence[2],
        "database shop: not seen (it refuses the password)"
    );
    let row = json!([{
        "resource": "db.shop", "class": "data-design", "unit": "core", "capacity": null, "utilisation": 0.43,
        "utilisation_max": 0.5, "background": 0.0, "waiting": null, "grade": "direct", "saturation": null,
        "confidence": 1.0, "notes": [],
    }]);
    let seen = with(row);
    assert_eq!(
        seen.evidence[2],
        "database shop: 43 % used, most by `SELECT * FROM orders`: 42 calls/s of 12.0 ms, mostly for b"
    );
    assert!(seen.done, "{}", seen.next);
}

#[test]
fn what_was_automated_is_told_and_what_is_not_built_too() {
    let verdict = |v: &str| json!({ "event": { "kind": "verdict", "outcome": { "verdict": v } } });
    let told = Told {
        history: json!([
            verdict("kept"), verdict("harm"), verdict("kept-unproven"),
            { "event": { "kind": "rollback", "overlay": "x" } },
            { "event": { "kind": "scaled", "service": "app", "from": 0, "extra": 1 } },
            { "event": { "kind": "done", "what": "upgrade to another binary asked for" } },
            { "event": { "kind": "done", "what": "purge" } },
        ]),
        agents: json!([{ "name": "b", "silent": false }, { "name": "c", "silent": true }]),
        ..Told::default()
    };
    let l = look(3, &known(&two_routes(), &[], told));
    assert_eq!(
        l.evidence,
        [
            "0 of 1 services can be started by Plimsoll (`start`)",
            "3 trials ended with a verdict, 2 kept and 1 taken back; 1 rollback by a person",
            "instances were added or taken away once, Plimsoll was asked to upgrade itself once",
            "1 of 2 other hosts are heard of",
            "not built yet: autoscaling, and rollouts of a service in stages",
        ]
    );
    assert!(
        !l.done && l.next.contains("`services.app.start`"),
        "{}",
        l.next
    );
}

#[test]
fn an_owner_who_is_on_call_and_a_runbook_that_was_run() {
    let run = Timestamp::now() - jiff::SignedDuration::from_hours(73);
    let run = format!(
        "{{\"runbook\":\"slow\",\"at\":\"{run}\",\"who\":\"ana\",\"ok\":true,\"steps\":[]}}\n"
    );
    let files = [
        (
            "catalog/services/app.yaml",
            "owner: pay\nrunbooks: [slow]\n",
        ),
        ("catalog/teams/pay.yaml", "members: [ana]\n"),
        (
            "catalog/on-call/pay.yaml",
            "people: [ana]\nstarts: 2026-01-05T09:00\nturn: 1w\n",
        ),
        (
            "catalog/runbooks/slow.md",
            "# Slow\n```sh { name=look }\ntrue\n```\n",
        ),
        ("catalog/runs.jsonl", run.as_str()),
    ];
    let good = look(4, &known(&two_routes(), &files, Told::default()));
    assert_eq!(
        good.evidence,
        [
            "1 service, 1 runbook, 0 findings",
            "on call now: ana for pay",
            "slow was run 3 days ago",
        ]
    );
    assert!(good.done, "{}", good.next);
    let traffic = Told {
        observed: json!({ "routes": [{ "route": "a", "requests": 5, "last": null }], "calls": [] }),
        ..Told::default()
    };
    let open = look(4, &known(&two_routes(), &[], traffic));
    assert!(
        !open.done
            && open
                .next
                .starts_with("`app` has traffic (5 requests) and no owner"),
        "{}",
        open.next
    );
}

#[test]
fn incidents_that_nobody_looked_back_at_and_actions_that_are_late() {
    let incident = |rest: &str| {
        format!(
            "---\ntitle: X\nservice: app\ndetected: 2026-01-01T00:00:00Z\nresolved: 2026-01-01T01:00:00Z\n---\n{rest}"
        )
    };
    let (none, table) = (
        incident(""),
        "## Actions\n\n| action | owner | due | kind | done |\n|---|---|---|---|---|\n",
    );
    let late = incident(&format!(
        "{table}| an index | data | 2026-01-09 | prevent | |\n| sooner | pay | | detect | yes |\n"
    ));
    let done = incident(&format!(
        "{table}| an index | data | 2026-01-09 | prevent | yes |\n"
    ));
    let adr = ("docs/adr/0001-x.md", "# X\n");
    let told = |files: &[(&str, &str)]| look(5, &known(&two_routes(), files, Told::default()));
    let unread = told(&[("catalog/incidents/one.md", none.as_str())]);
    assert_eq!(
        unread.evidence[0],
        "1 incident resolved, 0 with actions written down"
    );
    assert!(
        unread.next.contains("`plimsoll incident draft one`"),
        "{}",
        unread.next
    );
    let overdue = told(&[
        ("catalog/incidents/one.md", none.as_str()),
        ("catalog/incidents/two.md", late.as_str()),
        adr,
    ]);
    assert_eq!(
        overdue.next,
        "overdue since 2026-01-09, for data: an index (incident two)"
    );
    assert_eq!(
        overdue.evidence[1],
        "2 actions: 1 done, 1 open, 1 of them overdue"
    );
    assert!(
        overdue.evidence[2].starts_with("1 decision in "),
        "{:?}",
        overdue.evidence
    );
    let well = told(&[("catalog/incidents/two.md", done.as_str()), adr]);
    assert!(
        !well.done && well.next.starts_with("until that is built"),
        "{}",
        well.next
    );
}

#[test]
fn a_fault_that_has_struck_is_evidence_and_no_experiment() {
    let config = two_routes().replace(
        "  b: { match: GET /b, to: app }",
        "  b: { match: GET /b, to: app, fault: { until: 2099-01-01T00:00:00Z, abort: 503 } }",
    ) + "loads: { peak: [{ request: GET /a }] }\n";
    let gates = json!([
        { "gate": "fault", "of": "b", "what": "struck", "count": 12 },
        { "gate": "rate", "of": "a", "what": "refused", "count": 3 },
    ]);
    let told = Told {
        gates,
        ..Told::default()
    };
    let k = known(&config, &[], told);
    let why = k.loaded.without.clone();
    assert_eq!(why, None);
    let l = look(6, &k);
    assert_eq!(
        l.evidence,
        [
            "1 mix of requests is named in the config",
            "routes with a `fault`: b",
            "requests hit by a fault on purpose since Plimsoll started: 12 of b",
            "not built yet: experiments with faults that are judged, and a record of load tests",
        ]
    );
    assert!(!l.done && l.next.contains("--mix peak"), "{}", l.next);
    let quiet = look(6, &known(&config, &[], Told::default()));
    assert!(quiet.next.contains("`fault`"), "{}", quiet.next);
    let bare = look(6, &known(&two_routes(), &[], Told::default()));
    assert!(bare.next.starts_with("name a mix"), "{}", bare.next);
}
