//! Tokens, good and bad, against keys that are made here.

use super::Reader;
use super::keys::Keys;
use super::token::{Bad, Claims, read};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use config::Secret;
use config::sections::{Criticality, Jwt};
use rcgen::{KeyPair, PublicKeyData};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use std::path::PathBuf;

const NOW: u64 = 1_900_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signed(header: Value, claims: Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", b64(signature))
}

fn hs(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    move |m| hmac::sign(&key, m).as_ref().to_vec()
}

fn secret() -> Keys {
    let mut keys = Keys::default();
    keys.add_secret(SECRET).unwrap();
    keys
}

fn rules() -> Jwt {
    Jwt {
        issuer: Some("login".into()),
        audience: Some("shop".into()),
        tenant: Some("org".into()),
        criticality: Some("plan".into()),
        ..Jwt::default()
    }
}

fn good() -> Value {
    json!({ "sub": "ann", "org": 42, "plan": "sheddable", "iss": "login", "aud": ["x", "shop"], "exp": NOW + 10, "nbf": NOW as f64 - 9.5 })
}

fn with(change: &[(&str, Value)]) -> Value {
    let mut claims = good();
    for (name, value) in change {
        claims[name] = value.clone();
    }
    claims
}

fn judge(token: &str) -> Result<Claims, Bad> {
    read(token.as_bytes(), Some(&secret()), &rules(), NOW)
}

fn of(header: Value, claims: Value) -> Result<Claims, Bad> {
    judge(&signed(header, claims, hs(SECRET)))
}

#[test]
fn a_good_token_says_who_it_is() {
    let claims = of(json!({ "alg": "HS256", "typ": "JWT" }), good()).unwrap();
    assert_eq!(claims.user.as_deref(), Some("ann"));
    assert_eq!(claims.tenant.as_deref(), Some("42"));
    assert_eq!(claims.criticality, Some(Criticality::Sheddable));
    assert_eq!((claims.from, claims.until), (NOW - 10, NOW + 10));
}

#[test]
fn time_audience_and_issuer_must_fit() {
    let alg = || json!({ "alg": "HS256" });
    for (claim, value, says) in [
        ("exp", json!(NOW - 60), Some(Bad::Time)),
        ("exp", json!(NOW - 59), None),
        ("exp", json!("soon"), Some(Bad::Time)),
        ("exp", json!(-1), Some(Bad::Time)),
        ("exp", Value::Null, Some(Bad::Time)),
        ("nbf", json!(NOW + 61), Some(Bad::Time)),
        ("nbf", json!(NOW + 60), None),
        ("aud", json!("shop"), None),
        ("aud", json!(["Shop"]), Some(Bad::Issuer)),
        ("aud", Value::Null, Some(Bad::Issuer)),
        ("iss", json!("login2"), Some(Bad::Issuer)),
        ("iss", json!(["login"]), Some(Bad::Issuer)),
    ] {
        let judged = of(alg(), with(&[(claim, value.clone())]));
        assert_eq!(judged.err(), says, "{claim}: {value}");
    }
    let mut endless = good();
    endless.as_object_mut().unwrap().remove("exp");
    assert_eq!(of(alg(), endless), Err(Bad::Time));
}

#[test]
fn what_is_forged_or_broken_is_not_believed() {
    let token = signed(json!({ "alg": "HS256" }), good(), hs(SECRET));
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (head, body) = message.split_once('.').unwrap();
    let other = b64(with(&[("sub", json!("root"))]).to_string());
    assert_eq!(
        judge(&format!("{head}.{other}.{signature}")),
        Err(Bad::Signature)
    );
    assert_eq!(judge(&format!("{message}.")), Err(Bad::Signature));
    assert_eq!(
        judge(&signed(json!({ "alg": "HS256" }), good(), hs(&[7; 32]))),
        Err(Bad::Signature)
    );
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "hs256" }),
        json!({ "alg": "RS256" }),
    ] {
        assert_eq!(of(header.clone(), good()), Err(Bad::Key), "{header}");
        let none = format!("{}.{body}.", b64(header.to_string()));
        assert_eq!(judge(&none), Err(Bad::Key));
    }
    let crit = json!({ "alg": "HS256", "crit": ["b64"], "b64": false });
    assert_eq!(of(crit, good()), Err(Bad::Key));
    let long = with(&[("x", json!("x".repeat(9000)))]);
    assert_eq!(of(json!({ "alg": "HS256" }), long), Err(Bad::Form));
    let deep = format!("{{\"alg\":\"HS256\",\"x\":{}", "[".repeat(3000));
    let broken = [
        String::new(),
        ".".into(),
        "..".into(),
        "a.b".into(),
        format!("{token}.x"),
        format!("{head}={message}"),
        format!("{}.e30.", b64(deep)),
    ];
    for token in broken {
        assert!(
            matches!(judge(&token), Err(Bad::Form | Bad::Signature)),
            "{token}"
        );
    }
}

/// The public half of an ES256 key and how to sign with the other.
fn es() -> (KeyPair, impl Fn(&[u8]) -> Vec<u8>) {
    let pair = KeyPair::generate().unwrap();
    let rng = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        pair.serialized_der(),
        &rng,
    )
    .unwrap();
    (pair, move |m: &[u8]| {
        key.sign(&rng, m).unwrap().as_ref().to_vec()
    })
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

#[test]
fn keys_come_as_a_set_or_as_pem_and_each_has_its_algorithm() {
    let (pair, sign) = es();
    let point = pair.der_bytes();
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "one", "x": b64(&point[1..33]), "y": b64(&point[33..]) });
    let others = [
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }),
        json!({ "kty": "EC", "crv": "P-256", "use": "enc", "x": jwk["x"], "y": jwk["y"] }),
    ];
    let set = json!({ "keys": [others[0], others[1], jwk] }).to_string();
    let token = |kid: &str| signed(json!({ "alg": "ES256", "kid": kid }), good(), &sign);
    for (text, kid_matters) in [(set, true), (pair.public_key_pem(), false)] {
        let (_dir, path) = file(&text);
        let keys = Keys::read(&path).unwrap();
        let judge = |token: &str| read(token.as_bytes(), Some(&keys), &rules(), NOW);
        assert!(judge(&token("one")).is_ok(), "{text}");
        let two = judge(&token("two"));
        assert_eq!(two.err(), kid_matters.then_some(Bad::Key), "{text}");
        // The public key is no secret, whatever the token says.
        let confused = signed(json!({ "alg": "HS256" }), good(), hs(text.as_bytes()));
        assert_eq!(judge(&confused), Err(Bad::Key));
    }
}

#[test]
fn rs256_by_set_and_by_pem() {
    // Made for this test, because `ring` makes none; nothing else knows it.
    let key = RsaKeyPair::from_pkcs8(include_bytes!("rsa.pk8")).unwrap();
    let sign = |m: &[u8]| {
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), m, &mut signature)
            .unwrap();
        signature
    };
    let token = signed(json!({ "alg": "RS256" }), good(), sign);
    let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
    let set = json!({ "keys": [{ "kty": "RSA", "alg": "RS256", "n": b64(&parts.n), "e": b64(&parts.e) }] });
    let der = [
        &[0x30, 0x82, 0x01, 0x22],
        super::keys::RSA,
        &[0x03, 0x82, 0x01, 0x0f, 0],
        key.public().as_ref(),
    ]
    .concat();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(der)
    );
    for text in [set.to_string(), pem] {
        let (_dir, path) = file(&text);
        let keys = Keys::read(&path).unwrap();
        assert!(
            read(token.as_bytes(), Some(&keys), &rules(), NOW).is_ok(),
            "{text}"
        );
    }
}

#[test]
fn files_that_hold_no_key_say_so() {
    for (text, says) in [
        ("", "no key in it"),
        ("{}", "no JWK set"),
        ("{\"keys\": []}", "no key in it"),
        (
            "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2hvcnQ\"}]}",
            "no key in it",
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
            "neither RSA nor P-256",
        ),
        ("-----BEGIN PUBLIC KEY-----\n", "not PEM"),
    ] {
        let (_dir, path) = file(text);
        let said = Keys::read(&path).err().map(|f| f.to_string());
        assert!(
            said.as_deref().is_some_and(|s| s.contains(says)),
            "{text}: {said:?}"
        );
    }
    let short = Keys::default()
        .add_secret(b"hunter2")
        .unwrap_err()
        .to_string();
    assert!(
        short.contains("7 bytes") && !short.contains("hunter2"),
        "{short}"
    );
}

#[test]
fn what_was_verified_is_remembered_and_expires_all_the_same() {
    let (_dir, path) = file(std::str::from_utf8(SECRET).unwrap());
    let reader = Reader::new(&Jwt {
        secret: Some(Secret::File(path)),
        ..rules()
    })
    .unwrap();
    let token = signed(json!({ "alg": "HS256" }), good(), hs(SECRET));
    for _ in 0..3 {
        assert!(reader.read(token.as_bytes(), NOW).is_ok());
    }
    assert_eq!(reader.remembered(), 1);
    assert_eq!(
        reader.read(token.as_bytes(), NOW + 71).err(),
        Some(Bad::Time)
    );
    assert!(reader.read(format!("{token}x").as_bytes(), NOW).is_err());
    assert_eq!(reader.remembered(), 1, "what is bad is not remembered");
    for i in 0..20_000 {
        let token = signed(
            json!({ "alg": "HS256" }),
            with(&[("sub", json!(i))]),
            hs(SECRET),
        );
        reader.read(token.as_bytes(), NOW).unwrap();
    }
    assert!(
        (1000..=16 * 1024).contains(&reader.remembered()),
        "{}",
        reader.remembered()
    );
}

#[test]
fn who_stands_in_front_can_have_verified() {
    let believed = Reader::new(&Jwt {
        verified_in_front: true,
        ..rules()
    })
    .unwrap();
    let unsigned = signed(json!({ "alg": "none" }), good(), |_| Vec::new());
    assert!(believed.read(unsigned.as_bytes(), NOW).is_ok());
    let late = believed.read(unsigned.as_bytes(), NOW + 100);
    assert_eq!(late.err(), Some(Bad::Time));
    let closed = Reader::closed(&rules());
    assert_eq!(closed.read(unsigned.as_bytes(), NOW).err(), Some(Bad::Key));
}
