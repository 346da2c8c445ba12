//! Trials from the first canary to the verdict, with loops taken turn by turn.

use crate::common::*;
use control::loops::{Stage, list};
use control::ports::{Learning, Reading};
use control::trial::{Times, TryOptions, Verdict};
use control::{Change, Effect};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn quick() -> TryOptions {
    TryOptions {
        share: 0.25,
        times: Times {
            settle_s: 2,
            look_s: 2,
            least_s: 4,
            most_s: 20,
            confirm_s: 6,
        },
        who: "ann".into(),
        done: false,
        override_reason: None,
    }
}

fn effect(mean: f64) -> Reading {
    Reading {
        effect: Some(Effect::new(mean, mean - 0.1, mean + 0.1)),
        evidence: "0.31 of 1.02 ms".into(),
        ..Reading::default()
    }
}

/// Second by second until the trial is over.
fn finish(w: &World, id: &str) -> Verdict {
    for _ in 0..200 {
        w.time.pass(1);
        list::trial(w.control.shared()).unwrap();
        if let Some(outcome) = w.control.trial(id).unwrap().record.outcome {
            assert!(w.control.trial(id).unwrap().running.is_none());
            return outcome.verdict;
        }
    }
    panic!("the trial does not end");
}

#[test]
fn what_helps_is_kept_for_everyone_and_the_prior_learns() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    w.told.sees(|c| {
        // By arm while it is a canary; afterwards against the time before. The split is clean.
        assert!(c.before.windows.iter().all(|w| w.index < 1000));
        assert!(c.during.windows.iter().all(|w| w.index > 1000));
        effect(0.6)
    });
    let id = w.control.try_this(cache_product(), &quick()).unwrap();
    let canary = w.published.last();
    assert_eq!(canary.canary.as_ref().unwrap().share, 0.25);
    assert_eq!(caches(&canary), (vec![], vec!["product=10".into()]));
    // With control dead, the gateway ends the canary by itself.
    assert!(canary.expiry.is_some());
    let busy = w.control.try_this(cache_product(), &quick()).unwrap_err();
    assert_eq!(code(&busy), "trial-busy");

    assert_eq!(finish(&w, &id), Verdict::Kept);
    let kept = w.published.last();
    assert_eq!(caches(&kept), (vec!["product=10".into()], vec![]));
    assert!(kept.expiry.is_none(), "a kept change has no end");
    let ratio = w.control.shared().ledger.state().prior_ratios()["cache"];
    assert!((ratio - (3.0 + 0.6 / 0.7) / 4.0).abs() < 1e-9, "{ratio}");
    let verdict = &w.control.history(1).unwrap()[0].text;
    assert!(
        verdict.contains("predicted +70 % (+60 to +80), measured +60 %"),
        "{verdict}"
    );
}

#[test]
fn harm_takes_only_the_canary_away_and_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let other = overlay("other", "routes.buy.cache", serde_json::json!(5));
    w.control.add_overlay(other, "ann").unwrap();
    w.told.sees(|_| Reading {
        harm: Some("errors 9 % on the canary, 0.1 % beside it".into()),
        ..effect(0.7)
    });
    let id = w.control.try_this(cache_product(), &quick()).unwrap();
    assert_eq!(finish(&w, &id), Verdict::Harm);
    assert_eq!(w.time.s(), 1002, "at the first look");
    assert_eq!(caches(&w.published.last()), (vec!["buy=5".into()], vec![]));
    // Harm says nothing about how good the prediction of the gain was.
    assert!(w.control.shared().ledger.state().priors.is_empty());
}

#[test]
fn what_does_not_help_goes_and_lowers_the_prior() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    w.told.sees(|_| effect(0.0));
    let id = w.control.try_this(cache_product(), &quick()).unwrap();
    assert_eq!(finish(&w, &id), Verdict::NoEffect);
    assert_eq!(caches(&w.published.last()), (vec![], vec![]));
    assert_eq!(
        w.control.shared().ledger.state().prior_ratios()["cache"],
        0.75
    );
}

#[test]
fn what_cannot_be_seen_is_kept_unproven() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let id = w.control.try_this(cache_product(), &quick()).unwrap();
    assert_eq!(finish(&w, &id), Verdict::KeptUnproven);
    assert_eq!(caches(&w.published.last()).0, ["product=10"]);
    assert!(w.control.shared().ledger.state().priors.is_empty());
}

#[test]
fn a_rollback_by_hand_withdraws_the_trial() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let id = w.control.try_this(cache_product(), &quick()).unwrap();
    let overlay = w.control.trial(&id).unwrap().record.overlay.unwrap();
    w.control.rollback(&overlay, "bob").unwrap();
    assert_eq!(finish(&w, &id), Verdict::Withdrawn);
    assert_eq!(w.time.s(), 1001);
}

#[test]
fn an_instruction_is_measured_once_somebody_has_done_it() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let index = || {
        let text = "create index on products(category)".into();
        proposal("index-products", "index", Change::Instruction { text })
    };
    let f = w.control.try_this(index(), &quick()).unwrap_err();
    assert!(
        code(&f) == "proposal-instruction" && f[0].what.contains("create index"),
        "{f:?}"
    );
    w.told.sees(|c| {
        assert!(!c.by_arm);
        effect(0.7)
    });
    let done = TryOptions {
        done: true,
        ..quick()
    };
    let id = w.control.try_this(index(), &done).unwrap();
    assert_eq!(finish(&w, &id), Verdict::Kept);
    assert!(w.published.last().canary.is_none());
}

#[test]
fn more_instances_need_a_recipe() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let change = Change::Replicas {
        service: "shop".into(),
        add: 1,
    };
    let f = w
        .control
        .try_this(proposal("r", "replica", change), &quick())
        .unwrap_err();
    assert!(f[0].help.contains("services.shop.start.command"), "{f:?}");
    assert!(w.control.shared().ledger.state().trials.is_empty());
}

#[test]
fn learning_goes_from_waiting_to_ready_and_proposals_are_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 0);
    let shared = w.control.shared();
    list::observe(shared).unwrap();
    assert_eq!(w.control.diagnose().progress, "waiting for traffic");
    assert!(w.control.whatif("traffic x2").is_err());
    w.time.pass(100);
    *w.told.learning.lock().unwrap() = Some(Learning {
        have_s: 32.0,
        need_s: 60.0,
        why: String::new(),
    });
    list::observe(shared).unwrap();
    list::advise(shared).unwrap();
    assert_eq!(w.control.diagnose().progress, "learning, 32 of 60 s");
    *w.told.learning.lock().unwrap() = None;
    *w.told.proposals.lock().unwrap() = vec![cache_product()];
    list::observe(shared).unwrap();
    let limited = || w.published.1.lock().unwrap().services.len();
    assert_eq!((limited(), w.control.status().protections.len()), (1, 1));
    let d = w.control.diagnose();
    assert!(d.provisional && d.diagnosis.unwrap()["from"] == "bounds");
    for _ in 0..3 {
        list::advise(shared).unwrap();
        list::observe(shared).unwrap();
        let d = w.control.diagnose();
        assert!(!d.provisional && d.diagnosis.unwrap()["from"] == "twin");
    }
    assert_eq!(w.control.advise().counsel.proposals.len(), 1);
    let made = |l: &control::api::HistoryLine| l.entry.event.kind() == "proposal-made";
    let history = w.control.history(100).unwrap();
    assert_eq!(history.iter().filter(|l| made(l)).count(), 1);
    // By number or by id; anything else says what there is.
    let f = w.control.try_proposal("2", &quick()).unwrap_err();
    assert!(f[0].help.contains("cache-product"), "{f:?}");
    assert!(w.control.try_proposal("1", &quick()).is_ok());
    assert_eq!(w.control.whatif("traffic x2").unwrap(), "traffic x2");
    // A cancelled run leaves what was known.
    shared.cancel.cancel();
    list::advise(shared).unwrap();
    assert_eq!(w.control.diagnose().stage, Stage::Ready);
    // What is not known any more must not limit anybody.
    *w.told.learning.lock().unwrap() = Some(Learning {
        have_s: 1.0,
        need_s: 60.0,
        why: String::new(),
    });
    list::observe(shared).unwrap();
    assert_eq!((limited(), w.control.status().protections.len()), (0, 0));
}

#[test]
fn what_has_not_moved_is_not_simulated_again() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let shared = w.control.shared();
    let turn = |proposals| {
        *w.told.proposals.lock().unwrap() = proposals;
        list::observe(shared).unwrap();
        list::advise(shared).unwrap();
        w.control.advise().counsel.proposals.len()
    };
    assert_eq!(turn(vec![]), 0);
    w.told.alike.store(true, Ordering::SeqCst);
    assert_eq!(
        turn(vec![cache_product()]),
        0,
        "the same traffic, a moment later"
    );
    w.time.pass(60);
    assert_eq!(turn(vec![cache_product()]), 1, "a minute later");
    assert_eq!(turn(vec![]), 1);
    w.told.alike.store(false, Ordering::SeqCst);
    assert_eq!(turn(vec![]), 0, "other traffic");
    w.told.alike.store(true, Ordering::SeqCst);
    assert_eq!(turn(vec![cache_product()]), 0);
    // A change of the config asks anew.
    w.control.try_this(cache_product(), &quick()).unwrap();
    assert_eq!(turn(vec![cache_product()]), 1, "another generation");
}

#[test]
fn a_verdict_that_cannot_be_written_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let looks = Arc::new(AtomicUsize::new(0));
    let count = looks.clone();
    w.told.sees(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Reading {
            harm: Some("bad".into()),
            ..Reading::default()
        }
    });
    w.control.try_this(cache_product(), &quick()).unwrap();
    let db = rusqlite::Connection::open(dir.path().join("control.db")).unwrap();
    db.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    .unwrap();
    for _ in 0..10 {
        w.time.pass(1);
        let turn = list::trial(w.control.shared());
        // The canary is out of service from the first look on, whatever the ledger says.
        if looks.load(Ordering::SeqCst) > 0 {
            assert!(turn.is_err());
            assert!(w.published.last().canary.is_none());
        }
    }
    assert_eq!(looks.load(Ordering::SeqCst), 1);
}
