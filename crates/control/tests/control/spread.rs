//! Overlays of several nodes, by what the nodes say to each other, each with a ledger of its own.

use crate::common::*;
use config::Overlay;
use control::spread::{Heard, Refused};
use control::trial::{TryOptions, Verdict};
use serde_json::json;

fn nodes() -> ([tempfile::TempDir; 2], [World; 2]) {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let worlds = dirs.each_ref().map(|d| world(d.path(), FILE, 1000));
    (dirs, worlds)
}

/// `to` hears what `from` says.
fn hears(to: &World, from: &World, name: &str) -> Vec<Refused> {
    let heard: Vec<Heard> = vec![(name.into(), from.control.said().unwrap().word)];
    let own = to.control.said().unwrap().word;
    to.control.hear(&own, &heard, to.time.s() * 1000)
}

fn lines(w: &World) -> Vec<(String, String)> {
    let history = w.control.history(20).unwrap();
    history.into_iter().map(|l| (l.text, l.entry.who)).collect()
}

#[test]
fn what_one_adds_and_takes_back_is_so_at_the_other_and_told_who_and_where() {
    let (_dirs, [a, b]) = nodes();
    let o = overlay("x", "routes.product.cache", json!(10));
    a.control.add_overlay(o, "ann").unwrap();
    assert_eq!(hears(&b, &a, "a"), []);
    assert_eq!(caches(&b.published.last()).0, ["product=10"]);
    assert_eq!(a.control.overlays(), b.control.overlays());
    assert!(lines(&b).contains(&("overlay x added".into(), "ann at a".into())));
    let number = b.published.last().number;
    hears(&b, &a, "a");
    assert_eq!(b.published.last().number, number, "once");

    b.control.rollback("x", "bob").unwrap();
    hears(&a, &b, "b");
    assert!(a.control.overlays().is_empty());
    assert_eq!(caches(&a.published.last()).0, Vec::<String>::new());
    assert!(lines(&a).contains(&("rolled back x".into(), "bob at b".into())));
    // Whoever heard it last does not bring it back, nor after a restart.
    hears(&b, &a, "a");
    let dir = tempfile::tempdir().unwrap();
    let late = world(dir.path(), FILE, 1000);
    assert_eq!(hears(&late, &b, "b"), []);
    assert!(b.control.overlays().is_empty() && late.control.overlays().is_empty());
}

#[test]
fn a_node_that_was_away_hears_what_was_taken_back_also_when_all_have_restarted() {
    let (dirs, [a, b]) = nodes();
    let o = overlay("x", "routes.product.cache", json!(10));
    a.control.add_overlay(o, "ann").unwrap();
    hears(&b, &a, "a");
    drop(b);
    a.control.rollback("x", "ann").unwrap();
    drop(a);
    let [a, b] = dirs.each_ref().map(|d| world(d.path(), FILE, 1100));
    assert_eq!(b.control.overlays().len(), 1, "from its own ledger");
    hears(&a, &b, "b");
    assert!(a.control.overlays().is_empty());
    hears(&b, &a, "a");
    assert!(b.control.overlays().is_empty());
}

#[test]
fn a_trial_is_shown_kept_and_ended_everywhere_and_judged_by_who_began_it() {
    let (_dirs, [a, b]) = nodes();
    let id = a
        .control
        .try_this(cache_product(), &TryOptions::default())
        .unwrap();
    hears(&b, &a, "a");
    assert_eq!(caches(&b.published.last()).1, ["product=10"]);
    let (here, there) = (a.published.last().canary, b.published.last().canary);
    let arm = |c: config::Canary| (c.overlay, c.share);
    assert_eq!(
        here.map(arm),
        there.map(arm),
        "users are on the same side at both"
    );
    assert!(b.control.status().trial.is_none());
    // The owner is gone: it ends by itself.
    let until = b.control.overlays()[0].expires_at.unwrap();
    b.time.pass(until - b.time.s());
    control::loops::list::expiry(b.control.shared()).unwrap();
    assert!(b.control.overlays().is_empty());
    hears(&b, &a, "a");
    assert!(b.control.overlays().is_empty(), "not again");
    // Yet it was not taken back: the owner goes on, and keeps it.
    hears(&a, &b, "b");
    let overlay = a.control.overlays()[0].id.clone();
    a.control
        .shared()
        .generations
        .promote(
            &overlay,
            &control::generations::By::new("plimsoll", "kept", 1_000_000),
        )
        .unwrap();
    hears(&b, &a, "a");
    assert_eq!(caches(&b.published.last()).0, ["product=10"]);
    // Somebody at the other node ends it.
    b.control.rollback(&overlay, "bob").unwrap();
    hears(&a, &b, "b");
    control::loops::list::trial(a.control.shared()).unwrap();
    let verdict = a
        .control
        .trial(&id)
        .unwrap()
        .record
        .outcome
        .unwrap()
        .verdict;
    assert_eq!(verdict, Verdict::Withdrawn);
}

#[test]
fn a_canary_becomes_a_change_for_everyone_at_the_other_node() {
    let (_dirs, [a, b]) = nodes();
    let o = Overlay {
        share: Some(0.2),
        expires_at: Some(1060),
        ..overlay("x", "routes.product.cache", json!(10))
    };
    a.control.add_overlay(o, "ann").unwrap();
    hears(&b, &a, "a");
    let by = control::generations::By::new("plimsoll", "kept", 1_001_000);
    a.control.shared().generations.promote("x", &by).unwrap();
    hears(&b, &a, "a");
    assert_eq!(a.control.overlays(), b.control.overlays());
    assert_eq!(
        caches(&b.published.last()),
        (vec!["product=10".into()], vec![])
    );
    assert!(lines(&b).contains(&(
        "overlay x now applies to everyone".into(),
        "plimsoll at a".into()
    )));
}

#[test]
fn another_file_takes_nothing_and_says_in_what_it_differs() {
    let (_dirs, [a, b]) = nodes();
    let other = FILE.replace("7001", "7002");
    b.control.reload(other).unwrap();
    a.control
        .add_overlay(overlay("x", "routes.product.cache", json!(10)), "ann")
        .unwrap();
    let refused = hears(&b, &a, "a");
    assert_eq!(refused[0].overlays, ["x"]);
    assert_eq!(
        refused[0].why,
        "its file differs in services: give both the same"
    );
    assert!(b.control.overlays().is_empty());
    b.control.reload(FILE.into()).unwrap();
    assert_eq!(hears(&b, &a, "a"), []);
    assert_eq!(b.control.overlays().len(), 1);
    // A file that says the same itself is a drop of that node, and no rollback at the others.
    let adopted = FILE.replace(
        r#""product": { "to": "shop" }"#,
        r#""product": { "to": "shop", "cache": 10 }"#,
    );
    a.control.reload(adopted).unwrap();
    assert!(a.control.overlays().is_empty());
    hears(&b, &a, "a");
    assert_eq!(b.control.overlays().len(), 1, "until it has that file, too");
    assert_eq!(hears(&a, &b, "b")[0].overlays, ["x"]);
    assert!(a.control.overlays().is_empty());
}

#[test]
fn what_cannot_be_written_down_is_refused_and_told() {
    let (dirs, [a, b]) = nodes();
    a.control
        .add_overlay(overlay("x", "routes.product.cache", json!(10)), "ann")
        .unwrap();
    let db = rusqlite::Connection::open(dirs[1].path().join("control.db")).unwrap();
    db.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    .unwrap();
    let refused = hears(&b, &a, "a");
    assert!(refused[0].why.contains("disk full"), "{refused:?}");
    assert_eq!(caches(&b.published.last()).0, Vec::<String>::new());
    assert!(b.control.overlays().is_empty());
}
