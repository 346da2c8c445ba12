//! The catalog as people use it: checked beside a running Plimsoll, asked at night, a runbook run into an incident.

use crate::stage::{Clients, Stage, signal};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

fn write(stage: &Stage, file: &str, text: &str) {
    let path = stage.path(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_first_catalog_is_written_and_traffic_without_an_owner_is_an_error() {
    let mut stage = Stage::new("");
    let none = stage.ask(&["catalog", "check"]);
    assert_eq!(none.status.code(), Some(1), "{}", said(&none));
    assert!(
        said(&none).contains("plimsoll catalog init"),
        "{}",
        said(&none)
    );
    stage.start();
    let clients = Clients::start(stage.listen, 1);
    clients.more(5);
    assert_eq!(clients.end(), Vec::<String>::new());
    stage.wait("requests in the metrics", |s| {
        let page = s.console_get("/metrics")?;
        page.lines()
            .find(|l| l.starts_with("plimsoll_requests_total{route=\"app\""))
            .map(|_| ())
    });
    let init = stage.ask(&["catalog", "init"]);
    assert_eq!(init.status.code(), Some(0), "{}", said(&init));
    assert!(
        said(&init).contains("3 files written, 0 were there already"),
        "{}",
        said(&init)
    );
    let again = stage.ask(&["catalog", "init"]);
    assert!(
        said(&again).contains("0 files written, 3 were there already"),
        "{}",
        said(&again)
    );
    // Nobody is in the team that owns what nobody has claimed.
    let empty = stage.ask(&["catalog", "check"]);
    assert_eq!(empty.status.code(), Some(3), "{}", said(&empty));
    assert!(
        said(&empty).contains("`unassigned` owns app and has no members"),
        "{}",
        said(&empty)
    );
    write(&stage, "catalog/services/app.yaml", "runbooks: [app]\n");
    let traffic = stage.ask(&["catalog", "check"]);
    assert!(
        said(&traffic).contains("`app` has traffic"),
        "{}",
        said(&traffic)
    );
    write(
        &stage,
        "catalog/services/app.yaml",
        "owner: pay\nrunbooks: [app]\n",
    );
    write(&stage, "catalog/teams/pay.yaml", "members: [ana]\n");
    let good = stage.ask(&["catalog", "check"]);
    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
    assert_eq!(
        stage.ask(&["catalog", "check", "--strict"]).status.code(),
        Some(3)
    );
}

#[test]
fn a_restart_makes_nothing_look_dead() {
    let mut stage = Stage::new("");
    // Nobody asks it.
    let idle = "{ old: { instances: [\"127.0.0.1:1\"] }, app:";
    let routes =
        "routes:\n  app: { match: '/{rest...}', to: app }\n  old: { match: GET /old, to: old }\n";
    stage.write(&stage.config(routes).replace("{ app:", idle));
    write(&stage, "catalog/services/app.yaml", "runbooks: [app]\n");
    write(&stage, "catalog/runbooks/app.md", "# App\n");
    let first = stage.start();
    let clients = Clients::start(stage.listen, 1);
    clients.more(5);
    assert_eq!(clients.end(), Vec::<String>::new());
    signal(first, "TERM");
    stage.ended(first);
    stage.start();
    let check = stage.ask(&["catalog", "check"]);
    assert_eq!(check.status.code(), Some(3), "{}", said(&check));
    for part in [
        "`app` has traffic",
        "`old` had no request yet",
        "traffic: since ",
        "Plimsoll ran for ",
        "(counts are kept for 35 days)",
    ] {
        assert!(said(&check).contains(part), "{part}: {}", said(&check));
    }
    assert!(!said(&check).contains("`app` had no request"));
    // The process itself has counted nothing of it.
    let metrics = stage.console_get("/metrics").unwrap();
    assert!(!metrics.contains("plimsoll_requests_total{route=\"app\""));
    let long = stage.ask(&["catalog", "check", "--dead", "60d", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&long.stdout).unwrap();
    assert_eq!(
        told["not_checked"],
        serde_json::json!(["dead entries: --dead is 60 days, and counts of 35 days are looked at"])
    );
    assert_eq!(told["observed"]["span_s"], 35 * 86_400);
    assert!(told["observed"]["looked_s"].as_i64().is_some(), "{told}");
}

#[test]
fn who_is_on_call_at_night() {
    let stage = Stage::new("");
    write(&stage, "catalog/services/app.yaml", "owner: pay\n");
    write(
        &stage,
        "catalog/teams/pay.yaml",
        "members: [ana, ben]\ncontact: \"#pay\"\n",
    );
    write(
        &stage,
        "catalog/on-call/pay.yaml",
        "people: [ana, ben]\nstarts: 2026-01-05T09:00\nturn: 1d\n",
    );
    let who = stage.ask(&["who", "app", "--at", "2026-01-06T03:00:00Z", "--json"]);
    assert_eq!(who.status.code(), Some(0), "{}", said(&who));
    let told: serde_json::Value = serde_json::from_slice(&who.stdout).unwrap();
    assert_eq!(
        (&told["now"]["who"], &told["next"]["who"]),
        (&"ana".into(), &"ben".into())
    );
    assert_eq!(told["next"]["from"], "2026-01-06T09:00:00Z");
    let page = said(&stage.ask(&["who", "app"]));
    assert!(page.contains("owner       pay, #pay"), "{page}");
    let slip = stage.ask(&["who", "ap"]);
    assert_eq!(slip.status.code(), Some(1));
    assert!(
        said(&slip).contains("did you mean `app`?"),
        "{}",
        said(&slip)
    );
}

#[test]
fn a_runbook_is_run_into_an_incident() {
    let mut stage = Stage::new("");
    let text = "# Slow\n```sh {\"name\":\"look\"}\necho $PLIMSOLL_RUNBOOK $PLIMSOLL_INCIDENT; pwd\n```\n\
                ```sh {\"name\":\"fail\",\"excludeFromRunAll\":\"true\"}\nexit 7\n```\n```sh\ntouch never\n```\n";
    write(&stage, "catalog/runbooks/slow.md", text);
    write(&stage, "catalog/services/app.yaml", "runbooks: [slow]\n");
    stage.start();
    let dry = stage.ask(&["runbook", "run", "slow", "--dry-run"]);
    assert!(
        said(&dry).contains("│ echo $PLIMSOLL_RUNBOOK"),
        "{}",
        said(&dry)
    );
    let open = stage.ask(&["incident", "open", "Pages are slow", "--service", "app"]);
    assert_eq!(open.status.code(), Some(0), "{}", said(&open));
    let nobody = stage.ask(&["runbook", "run", "slow"]);
    assert!(said(&nobody).contains("give --yes"), "{}", said(&nobody));
    let run = stage.ask(&["runbook", "run", "slow", "--yes", "--incident", "20"]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert!(said(&run).contains("pages-are-slow\n"), "{}", said(&run));
    let fail = stage.ask(&["runbook", "run", "slow", "--yes", "--step", "fail"]);
    assert_eq!(fail.status.code(), Some(3), "{}", said(&fail));
    assert!(said(&fail).contains("FAILED with 7"), "{}", said(&fail));
    let runs = std::fs::read_to_string(stage.path("catalog/runs.jsonl")).unwrap();
    assert_eq!(runs.lines().count(), 2, "{runs}");
    assert!(!stage.path("catalog/runbooks/never").exists());

    for step in ["ack", "mitigate", "resolve"] {
        let done = stage.ask(&["incident", step]);
        assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    }
    let draft = said(&stage.ask(&["incident", "draft"]));
    assert!(
        draft.contains("ledger: generation 1: the file alone"),
        "{draft}"
    );
    assert!(
        draft.contains("runbook slow, step look: done in"),
        "{draft}"
    );
    assert!(draft.contains("| resolved | "), "{draft}");
    let list = said(&stage.ask(&["incident", "list"]));
    assert!(list.contains("resolved"), "{list}");
}

#[test]
fn an_incident_is_kept_in_files_alone() {
    let stage = Stage::new("");
    write(&stage, "catalog/services/app.yaml", "owner: pay\n");
    write(&stage, "catalog/teams/pay.yaml", "members: [ana]\n");
    let open = said(&stage.ask(&[
        "incident",
        "open",
        "Slow",
        "--service",
        "app",
        "--began",
        "20m",
    ]));
    assert!(open.contains("owner       pay"), "{open}");
    let second = said(&stage.ask(&["incident", "open", "Slow"]));
    assert!(second.contains("-slow-2 is open"), "{second}");
    let first = open.split(' ').next().unwrap();
    let note = stage.ask(&["incident", "note", "the pool is full", "--incident", first]);
    assert_eq!(note.status.code(), Some(0), "{}", said(&note));
    let ack = said(&stage.ask(&["incident", "ack", first]));
    assert!(ack.contains("is acknowledged, 20 min"), "{ack}");
    assert!(
        ack.contains("its timeline is without the ledger: no Plimsoll answers"),
        "{ack}"
    );
    let again = said(&stage.ask(&["incident", "ack", first]));
    assert!(again.contains("already, since"), "{again}");
    let before = said(&stage.ask(&["incident", "mitigate", first, "--at", "1h"]));
    assert!(
        before.contains("is before `acknowledged`"),
        "what contradicts is told: {before}"
    );
    let ahead = stage.ask(&["incident", "resolve", first, "--at", "2999-01-01T00:00:00Z"]);
    assert_eq!(ahead.status.code(), Some(1), "{}", said(&ahead));
    let told = stage.ask(&["incident", "show", first, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let timeline = told["timeline"].to_string();
    assert!(timeline.contains("the pool is full ("), "{timeline}");
    assert!(told["resolve_s"].is_null(), "{told}");
}

#[test]
fn ctrl_c_stops_a_step_and_is_written_down() {
    let stage = Stage::new("");
    let text = "# Slow\n```sh { name=wait }\necho begun; sleep 600\n```\n```sh { name=after }\ntrue\n```\n";
    write(&stage, "catalog/runbooks/slow.md", text);
    stage.ask(&["incident", "open", "Slow"]);
    let mut run = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["runbook", "run", "slow", "--yes", "--incident", "20"])
        .current_dir(stage.folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(run.stdout.take().unwrap());
    let mut line = String::new();
    while line != "begun\n" {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "it never began");
    }
    signal(run.id(), "INT");
    // The pipe ends when nothing of the step is left.
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(3), "{rest}");
    assert!(rest.contains("STOPPED by Ctrl-C"), "{rest}");
    assert!(rest.contains("not run: after"), "{rest}");
    let runs = std::fs::read_to_string(stage.path("catalog/runs.jsonl")).unwrap();
    assert!(runs.contains("\"ok\":false"), "{runs}");
    let show = said(&stage.ask(&["incident", "show"]));
    assert!(show.contains("step wait: STOPPED by Ctrl-C"), "{show}");
}

#[test]
fn the_checklist_has_evidence_and_says_what_is_not_built() {
    let mut stage = Stage::new("");
    stage.start();
    let list = stage.ask(&["checklist"]);
    assert_eq!(list.status.code(), Some(3), "{}", said(&list));
    for part in [
        "0 of 1 routes have an objective",
        "not built yet",
        "no diagnosis yet",
        "of 7 done",
    ] {
        assert!(said(&list).contains(part), "{part}: {}", said(&list));
    }
}

#[test]
fn the_example_is_good() {
    let out = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args([
            "catalog",
            "check",
            "--offline",
            "--json",
            "--config",
            "plimsoll.yaml",
        ])
        .current_dir(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/catalog"
        ))
        .output()
        .unwrap();
    let told: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let found = told["findings"].as_array().unwrap();
    let serious: Vec<_> = found
        .iter()
        .filter(|f| f["code"] != "runbook-stale")
        .collect();
    assert!(serious.is_empty(), "{serious:#?}");
    assert_eq!(
        told["not_checked"],
        serde_json::json!(["traffic: --offline"])
    );
    assert_eq!(out.status.code(), Some(0));
}
