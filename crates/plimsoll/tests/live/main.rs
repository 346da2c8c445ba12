//! The whole of Plimsoll as people run it: the real binary in front of the example shop, under load, from the first
//! status to a restart after kill -9. One stage for all, because learning takes 40 s.

mod client;
mod stage;

use serde_json::Value;
use stage::{Ended, Stage, said, wait};
use std::time::Duration;

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

#[test]
fn from_the_first_status_to_a_restart() {
    let stage = Stage::new();
    let shop = stage.shop();
    let mut run = stage.plimsoll();
    let mut load = stage.spawn(&[
        "load",
        "--mix",
        "shop",
        "--rate",
        "60/s",
        "--duration",
        "100s",
        "--json",
    ]);
    let status = stage.json(&["status"]);
    assert!(status["generation"].as_u64() > Some(0), "{status}");
    let early = stage.ask(&["diagnose"]);
    assert_eq!(early.status.code(), Some(3), "{}", said(&early));

    let mut recorder = stage.spawn(&["record", "--out", "rec"]);
    reloads(&stage, &run);
    wait(SECONDS(60), "36 s of recording", || {
        let seconds = stage.json(&["record", "--status"])["seconds"].as_u64();
        (seconds >= Some(36)).then_some(())
    });
    recording(&stage, &mut recorder);
    diagnosis(&stage);
    let overlay = trial(&stage);
    adoption(&stage, &overlay);

    assert!(load.wait(SECONDS(120)).success());
    let report: Value = serde_json::from_str(&stage.out("load")).unwrap();
    let report = &report["report"];
    assert!(report["offered"].as_u64() > Some(5000), "{report}");
    assert_eq!(report["errors"], serde_json::json!({}), "{report}");
    assert_eq!(
        report["completed"], report["offered"],
        "reloads lost requests"
    );

    let known = stage
        .json(&["history", "-n", "1000"])
        .as_array()
        .unwrap()
        .len();
    shutdown(&stage, &mut run);
    restart(&stage, known);
    drop(shop);
}

/// A changed file and SIGHUP are taken; a broken file is told and changes nothing.
fn reloads(stage: &Stage, run: &Ended) {
    let generation = || stage.json(&["status"])["generation"].as_u64().unwrap();
    let (first, text) = (generation(), std::fs::read_to_string(stage.file()).unwrap());
    let slower = text.replace("latency: 300ms", "latency: 310ms");
    std::fs::write(stage.file(), &slower).unwrap();
    wait(SECONDS(10), "the changed file", || {
        (generation() > first).then_some(())
    });
    std::fs::write(stage.file(), slower.replace("to: pay", "to: nobody")).unwrap();
    let wrong = wait(SECONDS(10), "what is wrong", || {
        let status = stage.ask(&["status"]);
        let text = said(&status);
        text.contains("nobody").then_some(text)
    });
    assert!(wrong.contains("wrong"), "{wrong}");
    std::fs::write(stage.file(), &text).unwrap();
    wait(SECONDS(10), "the old file again", || {
        (generation() > first + 1).then_some(())
    });
    let taken = || stage.log("run").matches("is in service").count();
    let before = taken();
    run.signal("HUP");
    wait(SECONDS(10), "SIGHUP", || (taken() > before).then_some(()));
}

fn diagnosis(stage: &Stage) {
    let said = wait(SECONDS(100), "a diagnosis", || {
        let said = stage.json(&["diagnose"]);
        (said["stage"]["stage"] == "ready").then_some(said)
    });
    let found = &said["diagnosis"]["diagnosis"];
    assert_eq!(
        found["constraint"]["resource"], "lock.front.stock",
        "{found}"
    );
    assert!(said["diagnosis"]["line"]["line"].as_f64() > Some(60.0));
    assert!(said["diagnosis"]["costs"]["bill_micro_per_hour"] == 50_000);
    let whatif = stage.ask(&["whatif", "traffic checkout x3"]);
    assert!(whatif.status.success(), "{}", stage::said(&whatif));
}

/// Ctrl-C ends it, its last seconds are in it, and it is read without a warning.
fn recording(stage: &Stage, recorder: &mut Ended) {
    let second = stage.ask(&["record", "--out", "other"]);
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains("under way") && !stage.path("other").exists());
    recorder.signal("INT");
    assert!(
        recorder.wait(SECONDS(30)).success(),
        "{}",
        stage.log("record")
    );
    let again = stage.ask(&["record", "--out", "rec"]);
    assert!(said(&again).contains("already holds a recording"));
    let found = stage.json(&["diagnose", "--recording", "rec"]);
    assert_eq!(found["findings"], serde_json::json!([]), "{found}");
    assert_eq!(
        found["diagnosis"]["constraint"]["resource"],
        "lock.front.stock"
    );
    let seconds = |file: &str| {
        let text = std::fs::read_to_string(stage.path("rec").join(file)).unwrap();
        let column = if file == "usage.csv" { 0 } else { 1 };
        let time = |l: &str| l.split(',').nth(column).unwrap().parse::<f64>().unwrap();
        text.lines().skip(1).map(time).fold(0.0, f64::max)
    };
    // Usage is told at the end of each second.
    assert_eq!(seconds("usage.csv"), seconds("requests.csv").floor() + 1.0);
}

/// A trial is started, seen, and taken back; another is kept whole by the file. Answers with its overlay.
fn trial(stage: &Stage) -> String {
    let advice = stage.json(&["advise"]);
    let patch = advice["proposals"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| !p["change"]["patch"].is_null());
    let id = patch.expect("a change that Plimsoll can make")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let trial = stage.json(&["try", &id, "--share", "50%", "--detach"])["trial"].clone();
    let trial = trial.as_str().unwrap();
    let busy = stage.ask(&["try", &id]);
    assert_eq!(busy.status.code(), Some(1), "{}", said(&busy));
    let mut follower = stage.spawn(&["try", "--follow"]);
    let overlays = stage.json(&["status"])["overlays"].clone();
    let overlay = overlays[0].as_str().unwrap().to_owned();
    let canary = stage.ask(&["adopt", &overlay]);
    assert!(said(&canary).contains("being tried"), "{}", said(&canary));
    assert!(stage.ask(&["rollback", trial]).status.success());
    assert_eq!(
        follower.wait(SECONDS(20)).code(),
        Some(3),
        "{}",
        stage.log("try")
    );
    assert_eq!(stage.json(&["status"])["overlays"], serde_json::json!([]));
    let history = said(&stage.ask(&["history", "-n", "100"]));
    assert!(
        history.contains(trial) && history.contains("withdrawn"),
        "{history}"
    );
    id
}

/// Whatever the verdict of a short trial is: the file and what runs agree afterwards.
fn adoption(stage: &Stage, id: &str) {
    let tried = stage.ask(&["try", id, "--share", "50%", "--for", "10s"]);
    let kept = tried.status.code() == Some(0);
    assert!(kept || tried.status.code() == Some(3), "{}", said(&tried));
    let before = std::fs::read_to_string(stage.file()).unwrap();
    let dry = stage.ask(&["adopt", "--dry-run"]);
    assert!(dry.status.success(), "{}", said(&dry));
    assert_eq!(std::fs::read_to_string(stage.file()).unwrap(), before);
    let adopted = stage.ask(&["adopt"]);
    assert!(adopted.status.success(), "{}", said(&adopted));
    assert_eq!(stage.json(&["diff"]), serde_json::json!([]));
    let after = std::fs::read_to_string(stage.file()).unwrap();
    assert_eq!(kept, after != before, "{after}");
    for comment in [
        "# the lock is here",
        "# What the shop's own processes ask each other.",
    ] {
        assert!(after.contains(comment), "{after}");
    }
    assert!(stage.ask(&["check"]).status.success());
}

/// Every request that was sent before the end is answered.
fn shutdown(stage: &Stage, run: &mut Ended) {
    let clients = client::start(stage.listen, 8);
    wait(SECONDS(5), "traffic", || {
        (clients.answered() > 50).then_some(())
    });
    run.signal("TERM");
    assert!(run.wait(SECONDS(20)).success(), "{}", stage.log("run"));
    let lost = clients.end();
    assert_eq!(lost, Vec::<String>::new());
}

/// After kill -9 the ledger tells everything that it told before.
fn restart(stage: &Stage, known: usize) {
    let mut run = stage.plimsoll();
    run.0.kill().unwrap();
    run.0.wait().unwrap();
    let _run = stage.plimsoll();
    let history = stage.json(&["history", "-n", "1000"]);
    assert!(history.as_array().unwrap().len() >= known, "{history}");
    assert_eq!(stage.json(&["status"])["file"], serde_json::json!([]));
}
