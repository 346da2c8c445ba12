//! Overlays on a file: they compose, leave one by one, give way to the file, and expire.

use crate::common::*;
use config::Overlay;
use serde_json::json;

const CACHED: &str = r#"{
  "services": { "shop": { "instances": ["127.0.0.1:7001"] } },
  "routes": { "buy": { "to": "shop" }, "product": { "to": "shop", "cache": 99 } }
}"#;

#[test]
fn removing_one_overlay_leaves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    assert_eq!(w.published.last().number, 1);
    let add = |o: Overlay| w.control.add_overlay(o, "ann");
    add(overlay("a", "routes.product.cache", json!(10))).unwrap();
    add(overlay("b", "routes.buy.cache", json!(20))).unwrap();
    assert_eq!(caches(&w.published.last()).0, ["buy=20", "product=10"]);
    assert_eq!(w.published.last().number, 3);
    w.control.rollback("a", "bob").unwrap();
    assert_eq!(caches(&w.published.last()).0, ["buy=20"]);

    let diff = w.control.diff();
    assert_eq!(
        (diff[0].path.as_str(), &diff[0].file, &diff[0].value),
        ("routes.buy.cache", &None, &Some(json!(20)))
    );
    let history = w.control.history(100).unwrap();
    assert!(
        history
            .iter()
            .any(|l| l.text == "rolled back a" && l.entry.who == "bob")
    );
    assert_eq!(history[0].time, "1970-01-01 00:16:40 UTC");
    assert_eq!(
        code(&w.control.rollback("a", "bob").unwrap_err()),
        "overlay-unknown"
    );
}

#[test]
fn what_cannot_stand_together_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let canary = |o: Overlay| Overlay {
        share: Some(0.2),
        ..o
    };
    let a = canary(overlay("a", "routes.product.cache", json!(10)));
    w.control.add_overlay(a, "ann").unwrap();
    let before = w.control.shared().ledger.state().version;
    let refused = [
        ("overlay-exists", overlay("a", "routes.buy.cache", json!(1))),
        (
            "overlay-path-taken",
            overlay("b", "routes.product.cache", json!(1)),
        ),
        (
            "overlay-path-taken",
            overlay("b", "routes.product", json!({})),
        ),
        (
            "canary-busy",
            canary(overlay("b", "routes.buy.cache", json!(1))),
        ),
        (
            "overlay-empty",
            Overlay {
                ops: vec![],
                ..overlay("b", "x", json!(1))
            },
        ),
        // Does not compose: the parent is not there.
        ("test-file", overlay("b", "routes.none.cache", json!(1))),
        ("test-file", overlay("b", "routes.buy.to", json!(7))),
    ];
    for (expected, o) in refused {
        let f = w.control.add_overlay(o, "ann").unwrap_err();
        assert_eq!(code(&f), expected, "{f:?}");
    }
    assert_eq!(w.control.shared().ledger.state().version, before);
    assert_eq!(w.published.0.lock().unwrap().len(), 2);
    assert_eq!(
        caches(&w.published.last()),
        (vec![], vec!["product=10".into()])
    );
}

#[test]
fn the_file_wins_where_it_changes_the_same_path() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    for o in [
        overlay("a", "routes.product.cache", json!(10)),
        overlay("b", "routes.buy.cache", json!(20)),
    ] {
        w.control.add_overlay(o, "ann").unwrap();
    }
    w.control.reload(CACHED.into()).unwrap();
    assert_eq!(caches(&w.published.last()).0, ["buy=20", "product=99"]);
    let history = w.control.history(100).unwrap();
    assert!(history.iter().any(|l| {
        l.text
            .contains("the file now sets `routes.product.cache` itself")
    }));
    // A path that goes away takes its overlay along, even if the overlay's own value did not change.
    let less = r#"{ "services": {}, "routes": { "product": { "to": "shop" } } }"#;
    w.control.reload(less.into()).unwrap();
    assert_eq!(caches(&w.published.last()).0, Vec::<String>::new());
    assert!(w.control.overlays().is_empty());
}

#[test]
fn a_broken_file_changes_nothing_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let before = w.published.0.lock().unwrap().len();
    w.control.reload("{ broken".into()).unwrap_err();
    assert_eq!(w.published.0.lock().unwrap().len(), before);
    assert_eq!(w.control.status().file.len(), 1);
    // Overlays still work, on the file that was good.
    let o = overlay("a", "routes.buy.cache", json!(5));
    w.control.add_overlay(o, "ann").unwrap();
    assert_eq!(caches(&w.published.last()).0, ["buy=5"]);
    w.control.reload(CACHED.into()).unwrap();
    assert!(w.control.status().file.is_empty());
    // The same text again is no new generation.
    let number = w.published.last().number;
    w.control.reload(CACHED.into()).unwrap();
    assert_eq!(w.published.last().number, number);
    drop(w);
    assert!(open(dir.path(), "{ broken", 1000).is_err());
}

#[test]
fn an_overlay_ends_at_its_expiry() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let o = Overlay {
        expires_at: Some(1060),
        ..overlay("a", "routes.buy.cache", json!(5))
    };
    w.control.add_overlay(o, "ann").unwrap();
    // The gateway is told beforehand when and to what it must go on, whether control lives or not.
    let expiry = w.published.last().expiry.unwrap();
    assert_eq!(expiry.at, 1060);
    assert_eq!(caches(&expiry.next).0, Vec::<String>::new());
    w.time.pass(59);
    control::loops::list::expiry(w.control.shared()).unwrap();
    assert_eq!(w.control.overlays().len(), 1);
    w.time.pass(1);
    control::loops::list::expiry(w.control.shared()).unwrap();
    assert!(w.control.overlays().is_empty());
    assert_eq!(caches(&w.published.last()).0, Vec::<String>::new());
    let lines = w.control.history(10).unwrap();
    assert!(lines.iter().any(|l| l.text == "overlay a expired"));
}

#[test]
fn a_rollback_takes_effect_even_when_the_ledger_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    let o = overlay("a", "routes.buy.cache", json!(5));
    w.control.add_overlay(o, "ann").unwrap();
    let db = rusqlite::Connection::open(dir.path().join("control.db")).unwrap();
    db.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    .unwrap();
    let f = w.control.rollback("a", "ann").unwrap_err();
    assert!(f[0].what.contains("disk full"), "{f:?}");
    assert_eq!(caches(&w.published.last()).0, Vec::<String>::new());
    // What cannot be written down is not started.
    let o = overlay("b", "routes.buy.cache", json!(5));
    assert!(w.control.add_overlay(o, "ann").is_err());
    assert_eq!(caches(&w.published.last()).0, Vec::<String>::new());
}
