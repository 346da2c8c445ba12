use super::*;
use config::Op;
use serde_json::json;

fn overlay(id: &str, path: &str, created_at: u64) -> Overlay {
    Overlay {
        id: id.into(),
        owner: "ann".into(),
        reason: format!("because of {id}"),
        evidence: String::new(),
        ops: vec![Op {
            path: path.split('.').map(String::from).collect(),
            value: Some(json!("10s")),
            base: None,
        }],
        created_at,
        expires_at: None,
        share: None,
    }
}

fn canary(o: Overlay) -> Overlay {
    Overlay {
        share: Some(0.2),
        expires_at: Some(o.created_at + 100),
        ..o
    }
}

fn word(overlays: &[Overlay], gone: &[Gone]) -> Word {
    Word {
        format: FORMAT,
        version: "1".into(),
        file: BTreeMap::from([("routes".into(), "r1".into())]),
        overlays: overlays.iter().map(|o| json!(o)).collect(),
        gone: gone.to_vec(),
    }
}

fn gone(o: &Overlay) -> Gone {
    Gone::new(o, "bob", "asked to roll it back", 5000)
}

/// What `b` makes of the word of `a`, when it has `held` and took back `dead`.
fn of(held: &[Overlay], dead: &[Gone], said: Word, now_s: u64) -> (Vec<Step>, Vec<Refused>) {
    let own = Own {
        word: &word(held, dead),
        overlays: held,
        gone: dead,
    };
    decide(own, &[("a".into(), said)], now_s)
}

fn take(o: &Overlay) -> Step {
    Step::Take {
        overlay: o.clone(),
        node: "a".into(),
    }
}

const NOTHING: (Vec<Step>, Vec<Refused>) = (Vec::new(), Vec::new());

#[test]
fn an_overlay_goes_from_some_users_to_everyone_to_gone_and_never_back() {
    let whole = overlay("x", "routes.a.cache", 10);
    let some = canary(whole.clone());
    assert_eq!(
        of(&[], &[], word(std::slice::from_ref(&some), &[]), 20).0,
        [take(&some)]
    );
    let stages = [
        (vec![some.clone()], vec![]),
        (vec![whole.clone()], vec![]),
        (vec![], vec![gone(&whole)]),
    ];
    for (i, (held, dead)) in stages.iter().enumerate() {
        for (j, (said, said_gone)) in stages.iter().enumerate() {
            let (steps, refused) = of(held, dead, word(said, said_gone), 20);
            assert!(refused.is_empty());
            let expected = match (i, j) {
                (0, 1) => vec![Step::Promote {
                    id: "x".into(),
                    node: "a".into(),
                }],
                (0 | 1, 2) => vec![Step::Remove {
                    id: "x".into(),
                    who: "bob at a".into(),
                    why: "asked to roll it back".into(),
                }],
                _ => vec![],
            };
            assert_eq!(steps, expected, "{i} hears {j}");
        }
    }
    assert_eq!(
        of(&[whole], &[], word(&[], &[]), 20),
        NOTHING,
        "not heard is not gone"
    );
}

#[test]
fn the_same_change_made_anew_is_another_one_and_what_has_expired_does_not_come() {
    let first = overlay("x", "routes.a.cache", 10);
    let again = canary(overlay("x", "routes.a.cache", 50));
    let said = word(std::slice::from_ref(&again), &[]);
    let dead = [gone(&first)];
    assert_eq!(of(&[], &dead, said.clone(), 60).0, [take(&again)]);
    assert_eq!(of(&[], &dead, said, 150), NOTHING);
    // Taken back at one of two that say it: the other one has not heard it yet.
    let words = [
        ("a".to_owned(), word(std::slice::from_ref(&first), &[])),
        ("c".to_owned(), word(&[], &dead)),
    ];
    let here = word(&[], &[]);
    let own = Own {
        word: &here,
        overlays: &[],
        gone: &[],
    };
    assert_eq!(decide(own, &words, 60), NOTHING);
}

#[test]
fn of_two_that_cannot_stand_together_the_first_stands_at_both() {
    let first = canary(overlay("x", "routes.a.cache", 10));
    for second in [
        overlay("y", "routes.a.cache.ttl", 11),
        canary(overlay("y", "routes.b.cache", 11)),
        overlay("x", "routes.b.cache", 11),
    ] {
        let (steps, refused) = of(
            std::slice::from_ref(&second),
            &[],
            word(std::slice::from_ref(&first), &[]),
            20,
        );
        let remove = Step::Remove {
            id: second.id.clone(),
            who: "plimsoll".into(),
            why: "`x` of a was made before it".into(),
        };
        assert_eq!((steps, refused), (vec![remove, take(&first)], vec![]));
        let (steps, refused) = of(
            std::slice::from_ref(&first),
            &[],
            word(std::slice::from_ref(&second), &[]),
            20,
        );
        assert!(steps.is_empty());
        assert_eq!(refused[0].why, "`x` was made before it and stands here");
    }
    let beside = overlay("y", "routes.b.cache", 11);
    let (steps, _) = of(&[first], &[], word(std::slice::from_ref(&beside), &[]), 20);
    assert_eq!(steps, [take(&beside)]);
}

#[test]
fn nothing_new_comes_from_another_file_or_version_but_what_is_taken_back_goes() {
    let (x, y) = (
        overlay("x", "routes.a.cache", 10),
        overlay("y", "routes.b.cache", 11),
    );
    let file = Word {
        file: BTreeMap::from([("routes".into(), "r2".into()), ("slo".into(), "s".into())]),
        ..word(std::slice::from_ref(&y), &[gone(&x)])
    };
    let version = Word {
        version: "2".into(),
        ..file.clone()
    };
    let format = Word {
        format: 2,
        ..word(std::slice::from_ref(&y), &[])
    };
    let held = [x.clone()];
    for (said, why, removed) in [
        (
            file,
            "its file differs in routes, slo: give both the same",
            1,
        ),
        (
            version,
            "that node is of version 2, this one of 1: run the same at both",
            1,
        ),
        (
            format,
            "that node is of version 1, this one of 1: run the same at both",
            0,
        ),
    ] {
        let (steps, refused) = of(&held, &[], said, 20);
        assert_eq!(steps.len(), removed, "{steps:?}");
        assert_eq!(
            (refused[0].overlays.clone(), refused[0].why.as_str()),
            (vec!["y".into()], why)
        );
    }
    // What both have already is no news, whatever the file: a rollout of a file takes nothing away.
    let differs = Word {
        file: BTreeMap::new(),
        ..word(&held, &[])
    };
    assert_eq!(of(&held, &[], differs, 20), NOTHING);
}

#[test]
fn what_is_not_known_or_not_for_others_is_refused_and_told() {
    let mut newer = json!(overlay("new", "routes.a.cache", 10));
    newer["only_in"] = json!("eu");
    let own = json!(overlay("own", "console.listen", 10));
    let secret = json!(overlay("secret", "alerts.a.token", 10));
    let mut large = overlay("large", "routes.a.cache", 10);
    large.evidence = "x".repeat(crate::spread::MAX_OVERLAY);
    let mut said = word(&[large], &[]);
    said.overlays.extend([newer, own, secret, json!(7)]);
    let (steps, refused) = of(&[], &[], said, 20);
    assert!(steps.is_empty(), "{steps:?}");
    let told: Vec<_> = refused.iter().flat_map(|r| r.overlays.clone()).collect();
    assert_eq!(told.len(), 5, "{refused:?}");
    let why = |id: &str| {
        refused
            .iter()
            .find(|r| r.overlays.contains(&id.to_owned()))
            .unwrap()
    };
    assert!(why("new").why.contains("does not know"));
    assert!(why("own").why.contains("belongs to one node"));
    assert!(why("secret").why.contains("carries a secret"));
    assert!(why("large").why.contains("larger than"));
    // More than a node may say are not looked at.
    let many: Vec<_> = (0..2 * MOST)
        .map(|i| overlay(&format!("o{i}"), &format!("routes.r{i}"), 1))
        .collect();
    assert_eq!(of(&[], &[], word(&many, &[]), 20).0.len(), MOST);
}

#[test]
fn a_word_that_cannot_be_read_is_told() {
    for (text, id) in [
        (
            r#"{"format":9,"version":"7","file":[],"overlays":[{"id":"z"}]}"#,
            "z",
        ),
        ("{", "?"),
    ] {
        let (steps, refused) = of(&[], &[], Word::read(text.as_bytes()), 20);
        assert!(steps.is_empty());
        assert_eq!(refused[0].overlays, [id]);
        assert!(
            refused[0].why.contains("run the same at both"),
            "{refused:?}"
        );
    }
    let good = word(&[overlay("x", "routes.a", 1)], &[]);
    assert_eq!(Word::read(&serde_json::to_vec(&good).unwrap()), good);
}
