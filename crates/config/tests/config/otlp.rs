//! What is wrong with `otlp`.

use config::check_text;

fn check(otlp: &str) -> String {
    let text = format!(
        "listen: 127.0.0.1:8080\notlp: {otlp}\nservices: {{ app: {{ instances: [127.0.0.1:3000] }} }}\n"
    );
    let findings = check_text("p.yaml", &text).findings;
    findings.iter().map(|f| f.to_string()).collect()
}

#[test]
fn spans_are_taken_somewhere_and_from_strangers_only_with_a_token() {
    for (otlp, says) in [
        ("{}", "spans are taken nowhere"),
        ("{ htp: 127.0.0.1:4318 }", "http"),
        ("{ http: 4318 }", "is not an address"),
        ("{ http: 0.0.0.0:4318 }", "whoever reaches 0.0.0.0:4318"),
        ("{ grpc: '[::]:4317' }", "whoever reaches [::]:4317"),
        (
            "{ http: 127.0.0.1:4318, grpc: 127.0.0.1:4318 }",
            "the same address",
        ),
        (
            "{ http: 0.0.0.0:4318, token: abc }",
            "stands in the config itself",
        ),
        ("{ http: 127.0.0.1:4318, sample: 2 }", "is not a share"),
    ] {
        let all = check(otlp);
        assert!(all.contains(says), "{otlp}: {all}");
    }
    for good in [
        "{ http: 127.0.0.1:4318 }",
        "{ grpc: '[::1]:4317', sample: 100% }",
        "{ http: 0.0.0.0:4318, token: { env: OTLP_TOKEN } }",
    ] {
        assert_eq!(check(good), "", "{good}");
    }
}

#[test]
fn what_is_exported_goes_to_an_address_and_secrets_stand_elsewhere() {
    let check = |otlp: &str| {
        let text = format!(
            "listen: 127.0.0.1:8080\nexport: {{ otlp: {otlp} }}\nservices: {{ app: {{ instances: [127.0.0.1:3000] }} }}\n"
        );
        let findings = check_text("p.yaml", &text).findings;
        findings.iter().map(|f| f.to_string()).collect::<String>()
    };
    for (otlp, says) in [
        ("{}", "endpoint"),
        ("{ endpoint: '127.0.0.1:4318' }", "not an address to call"),
        ("{ endpoint: 'http://a:b@c' }", "not an address to call"),
        ("{ endpoint: 'http://c', protocol: http }", "http/protobuf"),
        (
            "{ endpoint: 'http://c', interval: 1ms }",
            "from 1s to 10min",
        ),
        (
            "{ endpoint: 'http://c', headers: { Authorization: Bearer x } }",
            "stands in the config itself",
        ),
        (
            "{ endpoint: 'http://c', headers: { 'a b': x } }",
            "cannot be a name",
        ),
        ("{ endpoint: 'http://c', gzip: 2 }", "neither `true`"),
    ] {
        let all = check(otlp);
        assert!(all.contains(says), "{otlp}: {all}");
    }
    for good in [
        "{ endpoint: 'https://otlp.example/otlp/', protocol: grpc, gzip: false }",
        "{ endpoint: 'http://c', headers: { x-scope-orgid: shop, api-key: { file: /run/key } } }",
        "{ endpoint: 'http://c', interval: 1min, name: edge-eu }",
    ] {
        assert_eq!(check(good), "", "{good}");
    }
}

#[test]
fn attributes_of_spans_are_named_few_and_short() {
    let check = |traces: &str| {
        let text = format!(
            "listen: 127.0.0.1:8080\ntraces: {traces}\nservices: {{ app: {{ instances: [127.0.0.1:3000] }} }}\n"
        );
        check_text("p.yaml", &text)
    };
    let many: Vec<String> = (0..33).map(|i| format!("app.a{i}")).collect();
    for (traces, says) in [
        (
            "{ attributes: ['http route'] }".to_owned(),
            "no name of an attribute",
        ),
        (
            format!("{{ attributes: [{}] }}", "a".repeat(65)),
            "no name of an attribute",
        ),
        (
            format!("{{ attributes: [{}] }}", many.join(", ")),
            "33 attributes are named, and 32 may be",
        ),
        (
            "{ client: show }".to_owned(),
            "choose one of keep, hash, drop",
        ),
    ] {
        let findings = check(&traces).findings;
        let all: String = findings.iter().map(|f| f.to_string()).collect();
        assert!(all.contains(says), "{traces}: {all}");
    }
    let of = |traces: &str| check(traces).config.unwrap().traces.attributes;
    assert_eq!(of("{ share: 1% }"), None);
    assert_eq!(of("{ attributes: [] }"), Some(Vec::new()));
    assert_eq!(
        of("{ attributes: app.plan }"),
        Some(vec!["app.plan".into()])
    );
}

#[test]
fn traces_tell_of_clients_what_the_access_log_does_unless_said_otherwise() {
    let of = |more: &str| {
        let text = format!(
            "listen: 127.0.0.1:8080\n{more}\nservices: {{ app: {{ instances: [127.0.0.1:3000] }} }}\n"
        );
        check_text("p.yaml", &text).config.unwrap().traced_client()
    };
    use config::sections::ClientAddress::{Drop, Hash, Keep};
    assert_eq!(of(""), Keep);
    assert_eq!(of("access_log: { client: hash }"), Hash);
    assert_eq!(
        of("access_log: { client: hash }\ntraces: { client: drop }"),
        Drop
    );
}
