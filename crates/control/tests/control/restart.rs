//! The present is rebuilt from file and ledger: after kill -9, in the middle of a trial, and not from damage.

use crate::common::*;
use control::trial::{TryOptions, Verdict};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use store::{Expect, Log, NewEvent};

const DIR: &str = "PLIMSOLL_CONTROL_TEST_DIR";

/// Not a test: the process that is killed. Adds and removes overlays and prints what was acknowledged.
#[test]
#[ignore = "run by the test below, as a child"]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let w = world(dir.as_ref(), FILE, 1000);
    // What an earlier life was killed in the middle of.
    for o in w.control.overlays() {
        w.control.rollback(&o.id, "child").unwrap();
    }
    for n in w.control.shared().ledger.state().version.. {
        let id = format!("o{n}");
        let o = overlay(&id, "routes.buy.cache", json!(n));
        w.control.add_overlay(o, "child").unwrap();
        let added = format!("ack {n} {}\n", w.published.last().number);
        std::io::stdout().write_all(added.as_bytes()).unwrap();
        w.control.rollback(&id, "child").unwrap();
        let removed = format!("ack none {}\n", w.published.last().number);
        std::io::stdout().write_all(removed.as_bytes()).unwrap();
    }
}

#[test]
fn what_was_published_is_rebuilt_after_kill_nine() {
    let dir = tempfile::tempdir().unwrap();
    for kill_after in [1, 8, 13, 30] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "restart::child", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acks = 0;
        let mut last = None;
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            let said = line
                .strip_suffix('\n')
                .and_then(|l| Some(&l[l.find("ack ")? + 4..]));
            if let Some((what, number)) = said.and_then(|s| s.split_once(' ')) {
                last = Some((what.to_owned(), number.parse::<u64>().unwrap()));
                acks += 1;
                if acks == kill_after {
                    child.kill().unwrap();
                }
            }
            line.clear();
        }
        child.wait().unwrap();
        let (what, number) = last.unwrap();
        let w = world(dir.path(), FILE, 2000);
        let state = w.control.shared().ledger.state();
        // One more change may have been written than was heard of, but none fewer.
        let ahead = state.generation - number;
        assert!(ahead <= 1, "generation {} after {number}", state.generation);
        let expected: Vec<String> = match what.as_str() {
            _ if ahead == 1 => continue_with(&what, &state.overlays),
            "none" => vec![],
            n => vec![format!("buy={n}")],
        };
        assert_eq!(caches(&w.published.last()).0, expected);
        assert_eq!(w.published.last().number, state.generation);
        assert_eq!(w.store.check().unwrap(), Vec::<String>::new());
    }
}

/// After an unheard change: added when nothing was there, nothing when something was.
fn continue_with(what: &str, overlays: &[config::Overlay]) -> Vec<String> {
    assert_eq!(overlays.len(), usize::from(what == "none"));
    overlays
        .iter()
        .map(|o| format!("buy={}", o.ops[0].value.as_ref().unwrap()))
        .collect()
}

#[test]
fn a_restart_in_the_middle_of_a_trial_removes_the_canary_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let keep = overlay("keep", "routes.buy.cache", json!(5));
    w.control.add_overlay(keep, "ann").unwrap();
    let id = w
        .control
        .try_this(cache_product(), &TryOptions::default())
        .unwrap();
    assert_eq!(caches(&w.published.last()).1, ["buy=5", "product=10"]);
    drop(w);

    let w = world(dir.path(), FILE, 1030);
    let first = w.published.0.lock().unwrap()[0].clone();
    assert!(first.canary.is_none(), "the canary was published once more");
    assert_eq!(caches(&first).0, ["buy=5"]);
    let trial = w.control.trial(&id).unwrap().record;
    let outcome = trial.outcome.unwrap();
    assert_eq!(
        (outcome.verdict, outcome.took_s),
        (Verdict::Interrupted, 30)
    );
    assert!(
        w.control
            .history(20)
            .unwrap()
            .iter()
            .any(|l| l.text.contains("restarted during"))
    );
    // The next one gets a new id.
    let next = w
        .control
        .try_this(cache_product(), &TryOptions::default())
        .unwrap();
    assert_ne!(next, id);
}

#[test]
fn a_restart_after_promotion_keeps_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let id = w
        .control
        .try_this(cache_product(), &TryOptions::default())
        .unwrap();
    let overlay = w.control.overlays()[0].id.clone();
    let by = control::generations::By::new("test", "", 1_000_000);
    w.control
        .shared()
        .generations
        .promote(&overlay, &by)
        .unwrap();
    drop(w);
    let w = world(dir.path(), FILE, 9_000_000);
    assert_eq!(caches(&w.published.last()).0, ["product=10"]);
    let outcome = w.control.trial(&id).unwrap().record.outcome.unwrap();
    assert_eq!(outcome.verdict, Verdict::KeptUnproven);
}

#[test]
fn an_entry_that_cannot_be_read_is_an_error_that_says_what_to_do() {
    for (kind, data) in [
        ("overlay-added", &b"{\"who\":\"a\",\"why\":"[..]),
        (
            "from-the-future",
            b"{\"who\":\"a\",\"why\":\"b\",\"event\":{\"kind\":\"from-the-future\"}}",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let w = world(dir.path(), FILE, 1000);
        let event = NewEvent {
            id: String::new(),
            kind: kind.into(),
            at_ms: 0,
            data: data.to_vec(),
        };
        w.store
            .append("control", Expect::Any, vec![event])
            .wait()
            .unwrap();
        drop(w);
        let f = open(dir.path(), FILE, 1000).err().unwrap();
        assert_eq!(code(&f), "ledger-unusable");
        assert!(
            f[0].what.contains(kind) && f[0].what.contains("move the ledger"),
            "{f:?}"
        );
    }
}

#[test]
fn the_file_wins_also_when_it_changed_while_plimsoll_was_down() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let o = overlay("a", "routes.product.cache", json!(10));
    w.control.add_overlay(o, "ann").unwrap();
    drop(w);
    let changed = FILE.replace(
        r#""product": { "to": "shop" }"#,
        r#""product": { "to": "shop", "cache": 77 }"#,
    );
    let w = world(dir.path(), &changed, 2000);
    assert_eq!(caches(&w.published.last()).0, ["product=77"]);
    assert!(w.control.overlays().is_empty());
}
