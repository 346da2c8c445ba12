//! An incident from its begin to its postmortem.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn happened(time: &str, text: &str) -> Happened {
    Happened {
        at: at(time),
        text: text.into(),
    }
}

fn sample() -> String {
    let head = [
        ("title", "Checkout: slow for ana"),
        ("service", "shop"),
        ("detected", "2026-11-28T04:02:00Z"),
    ];
    new(&head, &happened("2026-11-28T04:02:00Z", "opened (ana)"))
}

#[test]
fn a_life_is_written_and_read_again() {
    let mut text = sample();
    for (key, time) in [
        ("began", "04:00:00"),
        ("acknowledged", "04:05:30"),
        ("resolved", "05:10:00"),
    ] {
        text = set(&text, key, &format!("2026-11-28T{time}Z"));
    }
    text.push_str("\n## Notes\n\nkeep me\n");
    let later = [
        happened("2026-11-28T04:01:00Z", "ledger: trial t1 started\nby x"),
        happened("2026-11-28T04:02:00Z", "opened (ana)"),
    ];
    text = add(&text, &later);
    assert_eq!(add(&text, &later), text, "twice is the same as once");
    let (i, findings) = parse("1", "1.md", &text);
    assert_eq!(findings, []);
    assert_eq!(i.title, "Checkout: slow for ana");
    let told: Vec<_> = i.timeline.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(told, ["ledger: trial t1 started by x", "opened (ana)"]);
    assert!(text.ends_with("## Notes\n\nkeep me\n"), "{text}");
    let t = i.times();
    assert_eq!(t.detect.unwrap().as_secs(), 120);
    assert_eq!(t.acknowledge.unwrap().as_secs(), 330);
    assert_eq!((t.mitigate, t.resolve.unwrap().as_secs()), (None, 4200));
    assert_eq!(i.stage(), Stage::Resolved);
    assert_eq!(set(&text, "resolved", "2026-11-28T05:10:00Z"), text);
}

#[test]
fn the_draft_names_roles() {
    let text = add(
        &sample(),
        &[happened(
            "2026-11-28T04:00:00Z",
            "ledger: overlay x added, by Ana.",
        )],
    );
    let (i, _) = parse("1", "1.md", &text);
    let roles = [("ana".to_owned(), "the on-call engineer".to_owned())];
    let draft = draft(&i, &roles);
    assert!(!draft.to_lowercase().contains("ana"), "{draft}");
    assert!(draft.contains("opened (the on-call engineer)"), "{draft}");
    assert!(
        draft.contains(
            "The last change before it: ledger: overlay x added, by the on-call engineer."
        ),
        "{draft}"
    );
    assert!(
        draft.contains("| resolved | not known |") && draft.contains("set `began`"),
        "{draft}"
    );
}

#[test]
fn times_that_contradict_are_told() {
    let text = set(&sample(), "acknowledged", "2026-11-28T04:00:00Z");
    let (_, findings) = parse("1", "1.md", &set(&text, "mitigated", "soon"));
    let what: Vec<_> = findings.iter().map(|f| f.what.as_str()).collect();
    assert!(what[0].contains("`soon` is no time"), "{what:?}");
    assert!(
        what[1].starts_with("`acknowledged` (2026-11-28T04:00:00Z) is before `detected`"),
        "{what:?}"
    );
}

#[test]
fn any_text_can_be_changed() {
    for text in ["", "---", "---\n", "x\n", "## Timeline", "---\na: b"] {
        let text = add(
            &set(text, "title", "a \"b\""),
            &[happened("2026-11-28T04:00:00Z", "x")],
        );
        let (i, _) = parse("1", "1.md", &text);
        assert_eq!((i.title.as_str(), i.timeline.len()), ("a \"b\"", 1));
    }
}

#[test]
fn what_a_step_says_does_not_steer_terminals() {
    let text = add(
        "",
        &[happened("2026-11-28T04:00:00Z", "a\x07\tb\n- \x1b[2Jc")],
    );
    assert!(text.ends_with("Z a b - [2Jc\n"), "{text:?}");
}

#[test]
fn what_is_known_besides_comes_from_around_it() {
    let (mut i, _) = parse(
        "1",
        "1.md",
        &set(&sample(), "began", "2026-11-28T04:00:00Z"),
    );
    let until = at("2026-11-28T05:00:00Z");
    let known = ["03:29:59", "03:30:00", "05:00:00", "05:00:01"];
    let known = known.map(|t| happened(&format!("2026-11-28T{t}Z"), "x"));
    let more = i.around(known.to_vec(), until);
    assert_eq!(more, known[1..3]);
    i.learn(more.clone());
    i.learn(more);
    assert_eq!(i.timeline.len(), 3, "twice is once: {:?}", i.timeline);
    assert_eq!(i.timeline[0], known[1]);
    let told = i.to_json();
    assert_eq!(
        (
            &told["stage"],
            &told["detect_s"],
            &told["timeline"][0]["text"]
        ),
        (&"open".into(), &120.into(), &"x".into())
    );
    let change = changed(1_700_000_000_400, "generation 2", "ana").unwrap();
    assert_eq!(
        change,
        happened("2023-11-14T22:13:20Z", "ledger: generation 2 (ana)")
    );
    assert_eq!(changed(i64::MAX, "x", "y"), None);
}

#[test]
fn who_was_on_call_is_told_apart_from_the_others() {
    use crate::{Catalog, oncall, service, team};
    let mut c = Catalog::default();
    let (shop, _) = service::parse("shop", "s.yaml", "owner: pay\n");
    let (pay, _) = team::parse("pay", "t.yaml", "members: [ana, ben]\n");
    let rotation = "people: [ben, ana]\nstarts: 2026-01-05T09:00\nturn: 1d\n";
    let (rotation, _) = oncall::parse("pay", "o.yaml", rotation);
    c.services.insert("shop".into(), shop);
    c.teams.insert("pay".into(), pay);
    c.rotations.insert("pay".into(), rotation);
    let text = "---\nservice: shop\ndetected: 2026-01-06T10:00:00Z\n---\n";
    let (i, findings) = parse("1", "1.md", text);
    assert_eq!(findings, []);
    let roles = c.roles(&i, Some("carl".into()));
    let role = |who: &str| roles.iter().find(|r| r.0 == who).map(|r| r.1.as_str());
    assert_eq!(role("ana"), Some("the on-call engineer"));
    assert_eq!(role("ben"), Some("a responder"));
    assert_eq!(role("carl"), Some("a responder"));
    c.incidents.insert("1".into(), i);
    assert_eq!((c.open().len(), c.newest().len()), (1, 1));
}

#[test]
fn what_is_typical_is_in_the_middle_of_those_that_came_so_far() {
    let one = |ack: &str| {
        let text = set(&sample(), "began", "2026-11-28T04:00:00Z");
        match ack {
            "" => parse("1", "1.md", &text).0,
            ack => parse("1", "1.md", &set(&text, "acknowledged", ack)).0,
        }
    };
    let all = [
        one("2026-11-28T04:09:00Z"),
        one(""),
        one("2026-11-28T04:03:00Z"),
        one("2026-11-28T09:00:00Z"),
    ];
    let t = typical(all.iter());
    assert_eq!(t.acknowledge.unwrap().as_secs(), 540);
    assert_eq!((t.detect.unwrap().as_secs(), t.resolve), (120, None));
    assert_eq!(typical(all[..0].iter()), Times::default());
}
