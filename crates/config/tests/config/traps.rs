//! YAML's traps, mistakes that hide behind others, and files that are too much.

use base::{Finding, Severity};
use config::{Document, check, check_text, parse_patch};

const HEAD: &str = "listen: 127.0.0.1:8080\nservices:\n  app:\n    instances: [127.0.0.1:3000]\n";

fn findings(text: &str) -> Vec<Finding> {
    check_text("p.yaml", text).findings
}

/// Code, place and help of the first finding.
fn first(text: &str) -> (String, String, String) {
    let f = findings(text).into_iter().next().expect("a finding");
    let spot = f
        .spot
        .map(|s| format!("{}:{}", s.line, s.column))
        .unwrap_or_default();
    (f.code, spot, f.help)
}

#[test]
fn traps_are_named() {
    let list = "listen: 127.0.0.1:80\nservices:\n  a:\n    instances:\n      - [::1]:80\n";
    for (text, code, help) in [
        ("listen: [::1]:80\n", "config-syntax", "\"[::1]:80\""),
        (list, "config-syntax", "\"[::1]:80\""),
        (
            "listen: 1.2.3.4:1\nservices: { a: { instances: [[::1]:80] } }\n",
            "config-key",
            "\"[::1]:80\"",
        ),
        ("services:\n\ta: 1\n", "config-syntax", "use spaces"),
        (
            "routes: { p: { match: GET /p/{id}, to: a } }\n",
            "config-syntax",
            "needs quotes",
        ),
        ("a:\n   b: 1\n    c: 2\n", "config-syntax", "indentation"),
        ("a: *x\n", "config-anchor", "write the value out"),
        ("a: 1\n---\nb: 2\n", "config-two-documents", "split it"),
        ("- a\n- b\n", "config-not-a-map", "listen"),
    ] {
        let all = findings(text);
        assert!(
            all.iter().any(|f| f.code == code && f.help.contains(help)),
            "{text}: {all:#?}"
        );
    }
    let (code, spot, _) = first(&format!("{HEAD}    limit: !!int 5\n"));
    assert_eq!((code.as_str(), spot.as_str()), ("config-tag", "5:12"));
    let merge = findings(&format!("x: &a {{ b: 1 }}\n{HEAD}    pool: *a\n"));
    let anchors = merge.iter().filter(|f| f.code == "config-anchor").count();
    assert_eq!(anchors, 2, "{merge:#?}");
}

#[test]
fn yes_is_not_true_and_half_past_one_is_no_duration() {
    let text = format!(
        "{HEAD}routes:\n  a: {{ match: /, to: app, rate: {{ limit: 1/s, observe: yes }}, deadline: {{ first_byte: 1:30 }} }}\n"
    );
    let all: Vec<String> = findings(&text).iter().map(|f| f.what.clone()).collect();
    assert_eq!(
        all,
        [
            "`yes` is neither `true` nor `false`",
            "`1:30` is not a duration; write it like `250ms`, `2s`, `5m`, `1h` or `28d`"
        ]
    );
}

#[test]
fn places_count_characters_and_survive_comments_in_other_scripts() {
    let text = format!("# é ü 漢字\n{HEAD}    owner: \"é\"  # ñ\n    prise: 1\n");
    assert_eq!(first(&text).1, "7:5");
}

#[test]
fn a_mistake_elsewhere_hides_no_other() {
    let text = format!(
        "{HEAD}nonsense: 1\nroutes:\n  a: {{ match: /, to: app, rate: {{ limit: 0/s }} }}\n"
    );
    let codes: Vec<String> = findings(&text).iter().map(|f| f.what.clone()).collect();
    assert_eq!(codes.len(), 2, "{codes:?}");
    assert!(codes[1].contains("a rate of 0"), "{codes:?}");
}

#[test]
fn what_can_never_work_is_refused() {
    for (extra, what) in [
        ("    health: { interval: 0 }\n", "0 is too short"),
        ("    pool: { connect_timeout: 0s }\n", "0 is too short"),
        (
            "    start: { command: [x, '{port}'], max_instances: 0 }\n",
            "not a whole number from 1",
        ),
        ("limits: { head: 4GiB }\n", "size must lie between"),
        ("loads: { m: [] }\n", "has no request"),
        (
            "loads: { m: [{ request: GET /, weight: 0 }] }\n",
            "has weight 0",
        ),
        (
            "routes: { r: { match: /, to: app, flag: 1 } }\n",
            "`flag` is not built yet",
        ),
        (
            "routes: { r: { match: /, to: app, session: shop } }\n",
            "no session of `sessions` is named `shop`",
        ),
        (
            "sessions: { s: {} }\nroutes: { r: { match: /, to: app, session: s, async: true } }\n",
            "`session` and `async` exclude each other",
        ),
        (
            "sessions: { s: { shared: true } }\n",
            "`shared` needs an engine that all nodes have",
        ),
        (
            "engines: { shared: 'redis://127.0.0.1:1' }\nsessions: { s: { shared: true, durable: true } }\n",
            "`shared` and `durable` exclude each other",
        ),
        (
            "routes: { r: { match: /, to: app, consistency: session } }\n",
            "nothing says where `app` reads from",
        ),
        (
            "routes: { r: { match: /, to: app, consistency: eventually } }\n",
            "is no consistency",
        ),
        (
            "routes: { r: { match: /, to: app, consistency: bounded } }\n",
            "the bound is missing",
        ),
        (
            "routes: { r: { match: /, to: app, writes: true } }\n",
            "`writes` means nothing",
        ),
        ("    replication: shop\n", "no replication is named `shop`"),
        (
            "    replication: d\nreplication: { d: { primary: { postgres: 'postgres://h/d' }, replicas: { r1: { postgres: 'postgres://h/e' } } } }\nroutes: { r: { match: /, to: app, cache: { ttl: 1s } } }\n",
            "may show nothing that is old",
        ),
        (
            "    replication: d\nreplication: { d: { primary: { postgres: 'postgres://h/d' }, replicas: { r1: { postgres: 'postgres://h/e' } } } }\nroutes: { r: { match: /, to: app, consistency: session, async: true } }\n",
            "`consistency: session` and `async` exclude each other",
        ),
        (
            "    replication: d\nreplication: { d: { primary: { postgres: 'postgres://h/d' }, replicas: { r1: { postgres: 'postgres://h/e' } } } }\nroutes: { r: { match: /, to: app, consistency: bounded 1s, cache: { ttl: 1s } } }\n",
            "the bound must be at least 2 s",
        ),
        (
            "replication: { d: { primary: { postgres: 'postgres://h/d' }, replicas: {} } }\n",
            "1 to 15 can be",
        ),
        ("sessions: { s: {}, t: {} }\n", "have the same cookie"),
        ("sessions: { s: { same_site: none } }\n", "over TLS only"),
        (
            "sessions: { s: { cookie: 'a b' } }\n",
            "cannot be the name of a cookie",
        ),
        (
            "state: { listen: 127.0.0.1:1, token: { env: T } }\n",
            "needs `stores`",
        ),
        (
            "routes: { r: { match: { host: 'a.b:80' }, to: app } }\n",
            "is not a host",
        ),
        (
            "routes: { r: { match: { headers: { 'x y': z } }, to: app } }\n",
            "not the name of a header",
        ),
        (
            "routes: { r: { match: /, to: app, cache: { size: 1kB } } }\n",
            "larger than the whole cache",
        ),
        (
            "routes: { r: { match: /a, to: app }, s: { match: /a/, to: app } }\n",
            "match the same requests",
        ),
    ] {
        let all = findings(&format!("{HEAD}{extra}"));
        assert!(
            all.len() == 1 && all[0].what.contains(what),
            "{extra}: {all:#?}"
        );
    }
    let looped = "listen: 0.0.0.0:8080\nservices: { a: { instances: [127.0.0.1:8080] } }\n";
    assert_eq!(first(looped).0, "config-loop");
    let both = "listen: 0.0.0.0:9400\nservices: { a: { instances: [127.0.0.1:1] } }\n";
    assert_eq!(first(both).0, "config-same-address");
}

#[test]
fn sections_whose_keys_are_all_commented_out_are_empty() {
    let text = format!("{HEAD}    health:\n      # path: /up\nroutes:\n  # home: …\nlimits:\n");
    assert_eq!(findings(&text), []);
    assert_eq!(
        first(&format!("{HEAD}routes: {{ r: {{ match: , to: app }} }}\n")).0,
        "config-not-text"
    );
}

#[test]
fn a_secret_is_a_reference_and_never_shown() {
    let by_env = format!("{HEAD}resources: {{ db: {{ postgres: {{ env: DB }} }} }}\n");
    let checked = check_text("p.yaml", &by_env);
    let c = checked.config.unwrap();
    assert_eq!(
        c.resources[0].postgres,
        Some(config::Secret::Env("DB".into()))
    );
    let text = format!("{HEAD}resources: {{ db: {{ postgres: 'postgres://u:hunter2@h/d' }} }}\n");
    let checked = check_text("p.yaml", &text);
    let shown = config::report::render(&checked.findings, &checked.document, false);
    assert!(
        shown.contains("a password is written in the file")
            && shown.contains("postgres://u:***@h/d"),
        "{shown}"
    );
    let patch = parse_patch("resources.db.postgres=postgres://u:hunter3@h/d").unwrap();
    let overlay = config::Overlay {
        id: "o".into(),
        owner: "x".into(),
        reason: String::new(),
        evidence: String::new(),
        ops: config::overlay_for(&checked.document, vec![patch]),
        created_at: 0,
        expires_at: None,
        share: None,
    };
    let changes = config::diff(&checked.document, &[overlay]);
    let all = format!(
        "{shown}{:?}{}",
        checked.config,
        serde_json::to_string(&changes).unwrap()
    );
    assert!(!all.contains("hunter"), "{all}");
    for bad in ["{ env: A, file: B }", "{ vault: x }", "[a]", "''"] {
        let all = findings(&format!(
            "{HEAD}resources: {{ db: {{ postgres: {bad} }} }}\n"
        ));
        assert!(
            all.iter().any(|f| f.severity == Severity::Error),
            "{bad}: {all:?}"
        );
    }
}

#[test]
fn a_route_for_each_address_is_refused_however_many_there_are() {
    let with = |n: u32| {
        let routes = (0..n).map(|i| format!("  r{i}: {{match: GET /{i}, to: app}}\n"));
        format!("{HEAD}routes:\n{}", routes.collect::<String>())
    };
    let few = check_text("p.yaml", &with(1000));
    assert!(few.findings.is_empty() && few.config.is_some());
    assert_eq!(first(&with(1001)).0, "config-too-many");
    assert_eq!(first(&with(20_000)).0, "config-too-many");
    // So many are not even read to their end.
    assert_eq!(first(&with(100_000)).0, "config-too-deep");
}

#[test]
fn too_much_is_refused_in_time() {
    let many: String = (0..50_000).map(|i| format!("k{i}: 1\n")).collect();
    let all = findings(&many);
    assert!(
        all.len() == 201 && all[200].code == "config-more",
        "{}",
        all.len()
    );
    assert_eq!(first(&"a".repeat(5 << 20)).0, "config-too-large");
    assert_eq!(
        first(&format!("a: {}\n", "[".repeat(100))).0,
        "config-too-deep"
    );
    for open in ["[", "{", "- ", "? ", "a: ["] {
        assert!(!findings(&open.repeat(20_000)).is_empty());
    }
}

#[test]
fn a_folder_is_one_document_and_a_key_in_two_files_names_both() {
    let dir = std::env::temp_dir().join(format!("plimsoll-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("a.yaml"), HEAD).unwrap();
    std::fs::write(dir.join("b.yaml"), "routes:\n  home: { match: /, to: app }\nservices:\n  web:\n    instances: [127.0.0.1:3001]\n").unwrap();
    let good = check(&dir);
    std::fs::write(
        dir.join("c.yaml"),
        "services:\n  app:\n    instances: [127.0.0.1:3002]\n",
    )
    .unwrap();
    let twice = check(&dir);
    std::fs::write(dir.join("c.yaml"), b"data_dir: \xff\n").unwrap();
    let encoding = check(&dir);
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(good.findings, []);
    assert_eq!(good.config.unwrap().services.len(), 2);
    let f = &twice.findings[0];
    assert!(
        f.spot.as_ref().unwrap().file.ends_with("c.yaml") && f.why.contains("a.yaml:3:3"),
        "{f}"
    );
    assert_eq!(encoding.findings[0].code, "config-encoding");
    assert_eq!(check(&dir).findings[0].code, "config-unreadable");
}

proptest::proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        check_text("p.yaml", &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn yaml_like_noise_never_panics(text in "([a-z]{1,3}|[\\[\\]{}:,&*#!|>?%@`\"' -]|\n|\r|\t|  |: |- |---|\\.\\.\\.|<<|é){0,60}") {
        let (document, _) = Document::parse("p.yaml", &text);
        let checked = check_text("p.yaml", &text);
        config::report::render(&checked.findings, &document, true);
    }

    #[test]
    fn any_patch_text_is_an_op_or_a_finding(text in "[a-z.\"= {}:\\[\\]]{0,30}") {
        let _ = parse_patch(&text);
    }
}
