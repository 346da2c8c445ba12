//! What is wrong with `purge_hook` and `via`.

use config::check_text;

fn check(top: &str) -> String {
    let text = format!(
        "listen: 127.0.0.1:8080\n{top}\nservices: {{ app: {{ instances: [127.0.0.1:3000] }} }}\n"
    );
    let findings = check_text("p.yaml", &text).findings;
    findings.iter().map(|f| f.to_string()).collect()
}

#[test]
fn a_hook_has_calls_and_only_words_that_are_replaced() {
    for (hook, says) in [
        ("{}", "the hook has no call"),
        ("{ address: 'http://h{path}' }", "is not a call"),
        ("{ address: 'PURGE h{path}' }", "is not a call"),
        ("{ address: 'purge http://h{path}' }", "is not a call"),
        (
            "{ address: 'PURGE http://h{group}' }",
            "only {host} and {path} are replaced",
        ),
        (
            "{ group: 'POST http://h/{path}' }",
            "only {host} and {group} are replaced",
        ),
        (
            "{ group: 'POST http://h/{group}', token: abc }",
            "stands in the config itself",
        ),
        (
            "{ group: 'POST http://h/{group}', headers: { 'a b': c } }",
            "not the name of a header",
        ),
        (
            "{ group: 'POST http://h/{group}', attempts: 0 }",
            "from 1 to 10",
        ),
    ] {
        let all = check(&format!("purge_hook: {hook}"));
        assert!(all.contains(says), "{hook}: {all}");
    }
    let good = "purge_hook: { address: 'PURGE http://h:6081{path}', headers: { Host: '{host}' }, on_change: true }\nvia: edge-1";
    assert_eq!(check(good), "");
    assert!(check("via: 'a b'").contains("cannot stand in `Via`"));
}
