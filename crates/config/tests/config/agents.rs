//! What is wrong with `agents`.

use config::{Secret, check_text};

fn check(agents: &str) -> config::Checked {
    let text = format!(
        "listen: 127.0.0.1:8080\nagents: {agents}\nservices: {{ app: {{ instances: [127.0.0.1:3000] }} }}\n"
    );
    check_text("p.yaml", &text)
}

#[test]
fn agents_need_an_address_and_a_token_from_elsewhere() {
    for (agents, says) in [
        ("{}", "listen"),
        ("{ listen: 0.0.0.0:9701 }", "token"),
        ("{ token: { env: T } }", "listen"),
        ("{ listen: 9701, token: { env: T } }", "is not an address"),
        ("{ listn: 0.0.0.0:9701, token: { env: T } }", "listen"),
        (
            "{ listen: 0.0.0.0:9701, token: abc }",
            "stands in the config itself",
        ),
    ] {
        let findings = check(agents).findings;
        let all: String = findings.iter().map(|f| f.to_string()).collect();
        assert!(all.contains(says), "{agents}: {all}");
    }
    let good = check("{ listen: 0.0.0.0:9701, token: { env: PLIMSOLL_AGENT_TOKEN } }");
    assert!(good.findings.is_empty(), "{:?}", good.findings);
    let agents = good.config.unwrap().agents.unwrap();
    assert_eq!(agents.token, Secret::Env("PLIMSOLL_AGENT_TOKEN".into()));
}
