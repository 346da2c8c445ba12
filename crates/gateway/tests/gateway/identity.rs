//! Who asks, through sockets: tokens are verified, keys are changed while it runs, and tenants are told apart.

use crate::common::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::Secret;
use config::sections::{AccessLog, BadToken, Identity, Jwt, LogTo, Rate, RateKey, Tenant};
use ring::hmac;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Valid for an hour from `in_s` seconds from now.
fn token(secret: &str, tenant: &str, in_s: i64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs() as i64;
    let claims = format!(
        "{{\"sub\":\"ann\",\"org\":\"{tenant}\",\"nbf\":{},\"exp\":{}}}",
        now + in_s,
        now + in_s + 3600
    );
    let message = [r#"{"alg":"HS256"}"#, &claims]
        .map(|p| URL_SAFE_NO_PAD.encode(p))
        .join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

fn identity(secret: &Path, bad: BadToken) -> Identity {
    Identity {
        jwt: Some(Jwt {
            secret: Some(Secret::File(secret.into())),
            tenant: Some("org".into()),
            bad,
            ..Jwt::default()
        }),
        tenants: vec![Tenant::named("acme")],
        ..Identity::default()
    }
}

fn ask(client: &mut Client, token: &str) -> Answer {
    let request = format!("GET / HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\n\r\n");
    client.send(request).answer()
}

#[test]
fn each_tenant_has_its_limit_and_what_is_forged_gets_401() {
    let dir = tempfile::tempdir().unwrap();
    let (secret, log) = (dir.path().join("secret"), dir.path().join("log"));
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.identity = Some(identity(&secret, BadToken::Refuse));
    c.routes[0].rate = Some(Rate {
        burst: 2,
        key: RateKey::Tenant,
        ..Rate::of(0.001)
    });
    c.access_log = Some(AccessLog {
        to: LogTo::File(log.clone()),
        ..AccessLog::default()
    });
    assert_eq!(gateway::check(&c), []);
    let running = Running::with(c);
    let mut client = running.client();
    let [acme, globex] = ["acme", "globex"].map(|t| token(SECRET, t, -10));
    let statuses = [&acme, &globex, &acme, &acme, &globex].map(|t| ask(&mut client, t).status);
    assert_eq!(statuses, [200, 200, 200, 429, 200]);
    for bad in [
        token(&SECRET.replace('0', "1"), "acme", 0),
        token(SECRET, "acme", -8000),
        token(SECRET, "acme", 3000),
        "a.b.c".into(),
    ] {
        let refused = ask(&mut client, &bad);
        assert_eq!(
            (refused.status, refused.reason()),
            (401, "bad-token"),
            "{}",
            refused.text()
        );
        assert_eq!(
            refused.header("WWW-Authenticate"),
            Some("Bearer error=\"invalid_token\"")
        );
    }
    assert_eq!(
        client.get("/").status,
        200,
        "without a token it is nobody's"
    );
    let gauges = running.gateway.gauges();
    let counts: Vec<_> = gauges
        .tenants
        .iter()
        .map(|t| (t.tenant.as_str(), t.requests))
        .collect();
    assert_eq!(counts, [("acme", 3), ("other", 2)]);
    until("the log", || {
        std::fs::read_to_string(&log).is_ok_and(|t| t.lines().count() == 10)
    });
    let lines = std::fs::read_to_string(&log).unwrap();
    assert_eq!(
        lines.matches(r#""plimsoll.tenant":"acme""#).count(),
        3,
        "{lines}"
    );
    assert_eq!(lines.matches("bad_signature").count(), 1, "{lines}");
}

#[test]
fn keys_are_read_again_and_a_broken_file_leaves_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.identity = Some(identity(&secret, BadToken::Anonymous));
    let running = Running::with(c);
    let mut client = running.client();
    let anonymous = |running: &Running| {
        let all = running.gateway.gauges().decisions;
        let of = all.iter().filter(|d| d.gate == "identity");
        of.map(|d| d.count).sum::<u64>()
    };
    let old = token(SECRET, "acme", -10);
    assert_eq!(ask(&mut client, &old).status, 200);
    assert_eq!(anonymous(&running), 0);
    std::fs::write(&secret, "short").unwrap();
    assert_eq!(running.gateway.reload_certificates(), []);
    assert_eq!(ask(&mut client, &old).status, 200);
    assert_eq!(anonymous(&running), 0, "the old key is in service");
    let next = "another secret of thirty-two bytes";
    std::fs::write(&secret, next).unwrap();
    running.gateway.reload_certificates();
    assert_eq!(ask(&mut client, &token(next, "acme", -10)).status, 200);
    assert_eq!(anonymous(&running), 0);
    assert_eq!(
        ask(&mut client, &old).status,
        200,
        "as one of whom nothing is known"
    );
    assert_eq!(anonymous(&running), 1);
}
