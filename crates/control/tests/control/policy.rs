//! An error budget that is spent holds changes back, unless somebody says why not; the ledger knows who.

use crate::common::*;
use control::ledger::Event;
use control::policy::Budget;
use control::trial::TryOptions;

fn spent() -> Budget {
    Budget {
        objective: "route-product-latency".into(),
        service: "shop".into(),
        route: Some("product".into()),
        left: -0.3,
    }
}

#[test]
fn a_spent_budget_holds_a_change_back_until_somebody_says_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = FILE.replacen(
        '{',
        "{ \"error_budget\": { \"caution\": 0.25, \"largest\": 1 },",
        1,
    );
    let w = world(dir.path(), &file, 1000);
    let mut options = TryOptions {
        who: "ann".into(),
        ..TryOptions::default()
    };
    w.told.budgets.lock().unwrap().push(spent());
    for reason in [None, Some(" \n".to_owned())] {
        options.override_reason = reason;
        let refused = w.control.try_this(cache_product(), &options).unwrap_err();
        assert_eq!(refused[0].code, "error-budget");
        assert!(refused[0].what.contains("overdrawn by 30 %"), "{refused:?}");
        assert!(
            refused[0]
                .help
                .contains("plimsoll try cache-product --override REASON")
        );
    }
    assert!(w.control.status().trial.is_none());

    options.override_reason = Some("it is what mends it".into());
    w.control.try_this(cache_product(), &options).unwrap();
    let lines = w.control.history(10).unwrap();
    let logged = lines
        .iter()
        .find(|l| matches!(l.entry.event, Event::BudgetOverridden { .. }));
    let logged = logged.unwrap();
    assert_eq!(logged.entry.who, "ann");
    assert_eq!(
        logged.text,
        "error budget of route-product-latency (-30 % left) overridden: it is what mends it"
    );
    assert!(w.control.status().trial.is_some());
}

#[test]
fn without_a_policy_or_with_budget_left_a_reason_is_not_asked_for_nor_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let w = world(dir.path(), FILE, 1000);
    w.told.budgets.lock().unwrap().push(spent());
    let options = TryOptions {
        override_reason: Some("just in case".into()),
        ..TryOptions::default()
    };
    assert!(w.control.held_back(&cache_product()).is_none());
    w.control.try_this(cache_product(), &options).unwrap();
    let lines = w.control.history(10).unwrap();
    assert!(
        lines
            .iter()
            .all(|l| l.entry.event.kind() != "budget-overridden"),
        "{lines:?}"
    );
}
