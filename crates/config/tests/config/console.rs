//! Where the console listens, and who may come in.

use config::{Config, check_text};

fn checked(console: &str) -> (Option<Config>, String) {
    let text = format!(
        "listen: 127.0.0.1:8080\nconsole: {console}\nservices: {{ app: {{ instances: [127.0.0.1:3000] }} }}\n"
    );
    let checked = check_text("p.yaml", &text);
    let said = checked.findings.iter().map(|f| format!("{f}\n")).collect();
    (checked.config, said)
}

#[test]
fn whoever_could_come_from_elsewhere_has_to_say_who_they_are() {
    for open in ["0.0.0.0:9400", "{ listen: '[::]:9400' }", "10.0.0.5:9400"] {
        let (config, said) = checked(open);
        assert!(config.is_none(), "{open}");
        assert!(said.contains("may change what runs"), "{open}: {said}");
        assert!(
            said.contains("users: { ann: { role: admin, token:"),
            "{said}"
        );
    }
    for (closed, warns) in [
        ("127.0.0.1:9400", ""),
        ("'[::1]:9400'", ""),
        ("unix:/run/plimsoll/console.sock", ""),
        ("{ users: { ann: { token: { env: ANN } } } }", ""),
        (
            "{ listen: 0.0.0.0:9400, users: { ann: { role: admin, token: { file: /run/ann } } } }",
            "in the clear",
        ),
        (
            "{ listen: 0.0.0.0:9400, tls: { cert: a, key: b, clients: c }, users: { ann: { certificate: ann } } }",
            "",
        ),
    ] {
        let (config, said) = checked(closed);
        assert!(config.is_some(), "{closed}: {said}");
        assert_eq!(said.is_empty(), warns.is_empty(), "{closed}: {said}");
        assert!(said.contains(warns), "{closed}: {said}");
    }
}

#[test]
fn what_cannot_let_anybody_in_is_told() {
    for (console, says) in [
        ("{ users: { ann: {} } }", "`ann` has nothing to show"),
        (
            "{ users: { ann: { token: abc } } }",
            "stands in the config itself",
        ),
        (
            "{ users: { ann: { role: root, token: { env: A } } } }",
            "choose one of read",
        ),
        (
            "{ users: { ann: { certificate: ann } } }",
            "none is asked for",
        ),
        (
            "{ listen: 'unix:/c', tls: { cert: a, key: b } }",
            "TLS is not spoken on a Unix socket",
        ),
        ("{ names: ['https://a:9400'] }", "not a host's name"),
        ("{ lisen: 127.0.0.1:1 }", "did you mean `listen`"),
        ("127.0.0.1", "is not an address"),
        ("{ listen: 127.0.0.1:8080 }", "the same address"),
    ] {
        let (config, said) = checked(console);
        assert!(config.is_none() && said.contains(says), "{console}: {said}");
    }
}
