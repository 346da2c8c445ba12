//! `plimsoll purge` reaches the cache further out, and says so.

use crate::stage::{Stage, instance};

#[test]
fn a_purge_goes_on_and_what_is_not_taken_is_told() {
    let outer = instance();
    let hook = format!("purge_hook: {{ address: \"PURGE http://{outer}{{path}}\" }}");
    let mut stage = Stage::new(&hook);
    stage.start();
    let done = stage.ask(&["purge", "http://shop.example/a?b=1"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}");
    let expected = format!("further out: PURGE http://{outer}/a?b=1 answered 200\n");
    assert!(said.ends_with(&expected), "{said}");
    let not = stage.ask(&["purge", "--group", "g"]);
    let said = String::from_utf8_lossy(&not.stdout).into_owned();
    assert_eq!(not.status.code(), Some(3), "{said}");
    assert!(
        said.contains("NOT purged, purge_hook: `purge_hook` has no `group`"),
        "{said}"
    );
}
