//! What is wrong with who asks, and with limits that go by it.

use config::check_text;

fn check(identity: &str, rest: &str) -> Vec<String> {
    let text = format!(
        "listen: 127.0.0.1:8080\nidentity: {identity}\nservices: {{ app: {{ instances: [127.0.0.1:3000] }} }}\n{rest}"
    );
    let findings = check_text("p.yaml", &text).findings;
    findings.iter().map(|f| f.to_string()).collect()
}

fn route(gates: &str) -> String {
    format!("routes: {{ a: {{ match: /, to: app, {gates} }} }}\n")
}

#[test]
fn tokens_are_verified_or_believed_and_secrets_stand_elsewhere() {
    for (jwt, says) in [
        ("{ issuer: x }", "nothing to verify tokens with"),
        ("{ keys: k.json, verified_in_front: true }", "not both"),
        ("{ secret: hunter2 }", "stands in the config itself"),
        (
            "{ keys: k.json, bad: ignore }",
            "`ignore` is not one of the choices",
        ),
        ("{ keys: k.json, audiance: x }", "did you mean `audience`?"),
        (
            "{ keys: k.json, header: 'a b' }",
            "not the name of a header",
        ),
    ] {
        let all = check(&format!("{{ jwt: {jwt} }}"), "").join("\n");
        assert!(all.contains(says), "{jwt}: {all}");
        assert!(!all.contains("hunter2"), "{all}");
    }
    let text = "{ jwt: { secret: { file: s }, tenant: org, leeway: 0 } }";
    assert_eq!(
        check(text, &route("rate: { limit: 1/s, key: tenant }")),
        [""; 0]
    );
}

#[test]
fn tenants_are_bounded_and_whoever_is_named_is_one() {
    let many: Vec<String> = (0..65).map(|i| format!("t{i}: {{}}")).collect();
    let many = check(&format!("{{ tenants: {{ {} }} }}", many.join(", ")), "").join("\n");
    assert!(many.contains("list the 64 largest"), "{many}");
    let fault = route("fault: { until: 2030-01-31T18:00:00Z, abort: 503, tenant: acmee }");
    let slip = check("{ tenant: x-tenant, tenants: { acme: {} } }", &fault).join("\n");
    assert!(
        slip.contains("`acmee`") && slip.contains("did you mean `acme`?"),
        "{slip}"
    );
    let certificate = "{ tenants: { acme: { certificates: [a.example] } } }";
    let nobody = check(certificate, "").join("\n");
    assert!(
        nobody.contains("clients are not asked for certificates"),
        "{nobody}"
    );
    let seats = "services: { app: { instances: [127.0.0.1:3000], bulkhead: { tenants: true } } }\n";
    let seats = check_text("p", &format!("listen: 127.0.0.1:1\n{seats}")).findings;
    assert!(seats[0].to_string().contains("no tenants are told apart"));
}

#[test]
fn a_rate_goes_by_what_can_be_known_and_a_shared_one_is_one() {
    for (rate, says) in [
        (
            "{ limit: 1/s, key: tenant }",
            "does not say who the tenant is",
        ),
        ("{ limit: 1/s, key: person }", "is not a key"),
        ("{ limit: 5/s, cost: 6 }", "give `burst: 6` or more"),
        ("{ limit: 5/s, cost: dear }", "not a whole number"),
        ("{ limit: 5/s, name: 'a b' }", "cannot be a name"),
    ] {
        let all = check("{ user: x-user }", &route(&format!("rate: {rate}"))).join("\n");
        assert!(all.contains(says), "{rate}: {all}");
    }
    let two = |second: &str| {
        let routes = format!(
            "routes:\n  a: {{ match: /a, to: app, rate: {{ limit: 9/s, name: api, cost: 2 }} }}\n  b: {{ match: /b, to: app, rate: {{ {second}, name: api }} }}\n"
        );
        check("{ user: x-user }", &routes).join("\n")
    };
    assert_eq!(two("limit: 9/s, cost: learned"), "");
    assert!(two("limit: 8/s").contains("`a` and `b` share the limit `api`"));
}

#[test]
fn a_quota_is_of_a_calendar_and_a_shared_one_is_one() {
    for (quota, says) in [
        (
            "{ limit: 9, key: tenant }",
            "does not say who the tenant is",
        ),
        ("{ limit: 9, per: week }", "week"),
        ("{ limit: 9, timezone: Mars/Base }", "is no time zone"),
        ("{ limit: 5, cost: 6 }", "give a higher `limit`"),
        ("{ limit: 0 }", "is not a whole number from 1"),
        ("{ per: day }", "limit"),
        ("{ limit: 5, name: 'a b' }", "cannot be a name"),
    ] {
        let all = check("{ user: x-user }", &route(&format!("quota: {quota}"))).join("\n");
        assert!(all.contains(says), "{quota}: {all}");
    }
    let two = |second: &str| {
        let routes = format!(
            "routes:\n  a: {{ match: /a, to: app, quota: {{ limit: 9, per: month, timezone: Europe/Berlin, name: api }} }}\n  b: {{ match: /b, to: app, quota: {{ {second}, name: api }} }}\n"
        );
        check("{ user: x-user }", &routes).join("\n")
    };
    let same = "limit: 9, per: month, timezone: Europe/Berlin";
    assert_eq!(two(&format!("{same}, cost: 3, observe: true")), "");
    for other in [
        "limit: 9, per: month",
        "limit: 9",
        &format!("{same}, keys: 5"),
    ] {
        assert!(
            two(other).contains("`a` and `b` share the quota `api`"),
            "{other}"
        );
    }
}
