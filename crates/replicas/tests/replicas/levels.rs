//! What each level shows, and what clients and services may say.

use crate::history::{all_wrong, not_linear, play, reads};
use crate::stage::Stage;
use std::time::{Duration, Instant};

const LASTS: Duration = Duration::from_millis(1200);

#[test]
fn a_level_is_what_it_says() {
    let Some(mut stage) = Stage::start() else {
        return;
    };
    // The checker can find something: else nothing below means anything.
    let eventual = play(&stage, "eventual", 4, LASTS);
    let (own, back) = all_wrong(&eventual);
    assert!(own > 0, "no stale read of {}", reads(&eventual));
    assert_eq!(back, 0, "a session stays with its replica");
    assert!(not_linear(&eventual) > 0);
    for prefix in ["", "told-"] {
        let level = format!("{prefix}session");
        let session = play(&stage, &level, 4, LASTS);
        assert_eq!(all_wrong(&session), (0, 0), "{level}");
        let decided = stage.decided(&level);
        assert!(
            decided["replica"] > 0 && decided["waited"] > 0,
            "{decided:?}"
        );
    }
    let strong = play(&stage, "strong", 4, LASTS);
    assert_eq!((all_wrong(&strong), not_linear(&strong)), ((0, 0), 0));
    assert_eq!(stage.decided("strong")["replica"], 0);
    let bounded = play(&stage, "bounded", 2, LASTS);
    assert!(reads(&bounded) > 0);
    let decided = stage.decided("bounded");
    assert!(
        decided["replica"] > decided["behind"] + decided["away"],
        "{decided:?}"
    );
    what_is_divided(&stage);
    what_is_told(&stage);
    what_is_claimed(&stage);
    for _ in 0..5 {
        let mut session = stage.session();
        let written = session.version("PUT", "/session/again").unwrap();
        stage.restart();
        session.moves(&stage);
        assert_eq!(session.version("GET", "/session/again"), Some(written));
    }
}

/// Reads and writes of one route are two services', and one session's.
fn what_is_divided(stage: &Stage) {
    let mut session = stage.session();
    for _ in 0..10 {
        let write = session.ask("PUT", "/divided/x").unwrap();
        assert_eq!(write.header("x-bound"), Some("true"));
        let read = session.ask("GET", "/divided/x").unwrap();
        assert_eq!(read.header("x-bound"), Some("false"));
        assert_eq!(read.text(), write.text());
    }
}

/// A service that says what it has committed needs no sample, and clients do not see it.
fn what_is_told(stage: &Stage) {
    let mut session = stage.session();
    let answer = session.ask("PUT", "/session/exact").unwrap();
    assert_eq!(answer.header("plimsoll-commit"), None);
    let cookie = session.cookie.clone().unwrap();
    assert!(
        cookie.starts_with("plimsoll-seen-shop=00000001"),
        "{cookie}"
    );
    assert_eq!(cookie.len(), "plimsoll-seen-shop=".len() + 24);
    let written: u64 = answer.text().parse().unwrap();
    assert_eq!(session.version("GET", "/session/exact"), Some(written));
}

/// Who claims to have seen the future waits, reads from the primary, and is cured.
fn what_is_claimed(stage: &Stage) {
    for claim in [
        "00000001ffffffffffffff00",
        "ffffffffffffffffffffffff",
        "zz",
        "00000001ffffffffffffff00-nobody",
    ] {
        let mut session = stage.session();
        session.cookie = Some(format!("plimsoll-seen-shop={claim}"));
        let began = Instant::now();
        let answer = session.ask("GET", "/session/again").unwrap();
        assert_eq!(answer.status, 200, "{claim}");
        assert!(began.elapsed() < stage.max_wait + Duration::from_secs(1));
        if claim != "zz" {
            assert_eq!(answer.header("x-database"), Some("primary"));
            let cookie = session.cookie.clone().unwrap();
            assert!(!cookie.contains("fffff"), "{cookie}");
        }
    }
    let mut younger = stage.session();
    younger.cookie = Some("plimsoll-seen-shop=000000090000000000000001".into());
    let answer = younger.ask("GET", "/session/again").unwrap();
    assert_eq!((answer.status, answer.reason()), (503, "no-primary"));
}
