//! When a certificate is due, what is read from one, what is kept, and what the authority is shown.

use super::challenge::{Challenge, certificate};
use super::core::{Held, Life, again, due};
use super::files::{held, keep_certificate, path};
use super::validity::life;
use super::*;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::os::unix::fs::PermissionsExt;

const DAY: u64 = 86_400;

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|n| n.to_string()).collect()
}

#[test]
fn it_is_renewed_at_two_thirds_of_its_life_or_at_once_for_another_name() {
    let from = 1_000 * DAY;
    let held = Held {
        life: Life {
            from,
            until: from + 90 * DAY,
        },
        names: names(&["a.example", "B.example"]),
    };
    let wanted = names(&["b.example"]);
    assert_eq!(due(Some(&held), &wanted, 0.0), from + 60 * DAY);
    let early = due(Some(&held), &wanted, 1.0);
    assert!(
        (from + 58 * DAY..from + 59 * DAY).contains(&early),
        "{early}"
    );
    assert_eq!(due(Some(&held), &names(&["c.example"]), 0.0), 0);
    assert_eq!(due(None, &wanted, 0.5), 0);
}

#[test]
fn failures_wait_longer_and_longer_up_to_a_bound() {
    let waits: Vec<u64> = (1..=9).map(|n| again(1000, n, 1.0) - 1000).collect();
    assert_eq!(waits[..3], [300, 600, 1200]);
    assert_eq!(waits[8], 6 * 3600);
    assert_eq!(again(0, u32::MAX, 1.0), 6 * 3600);
    assert_eq!(again(0, 1, 0.0), 225);
}

fn made(from: i32, until: i32) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(names(&["a.example"])).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

#[test]
fn the_life_of_a_certificate_is_read_and_rubbish_is_none() {
    // The second is written with four digits of the year.
    let (certificate, _) = made(2024, 2051);
    let der = certificate.der();
    let read = life(der).unwrap();
    assert_eq!((read.from, read.until), (1_704_067_200, 2_556_144_000));
    for cut in 0..der.len() {
        assert_eq!(life(&der[..cut]), None);
        let mut broken = der.to_vec();
        broken[cut] ^= 0xff;
        let _ = life(&broken);
    }
    assert_eq!(life(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
}

#[test]
fn what_is_kept_is_whole_and_nobody_else_s() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(held(folder.path()), None);
    let (certificate, key) = made(2024, 2030);
    let pem = format!("{}\n{}", certificate.pem(), key.serialize_pem());
    keep_certificate(folder.path(), &pem).unwrap();
    keep_certificate(folder.path(), &pem).unwrap();
    assert_eq!(held(folder.path()).unwrap().names, ["a.example"]);
    let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    let file = path(folder.path());
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    keep_certificate(folder.path(), "half of it").unwrap();
    assert_eq!(held(folder.path()), None, "it is asked for anew");
}

#[test]
fn the_authority_is_shown_what_it_asks_for_while_an_order_is_under_way() {
    let challenges = Challenges::default();
    let at = b"/.well-known/acme-challenge/token";
    assert_eq!(challenges.answer(at), None);
    challenges.set(vec![Challenge {
        name: "a.example".into(),
        token: "token".into(),
        answer: "token.print".into(),
        certificate: Some(certificate("a.example", &[7; 32]).unwrap()),
    }]);
    assert_eq!(challenges.answer(at).as_deref(), Some("token.print"));
    assert_eq!(
        challenges.answer(b"/.well-known/acme-challenge/other"),
        None
    );
    assert_eq!(challenges.answer(b"/token"), None);
    assert!(challenges.certificate("A.example").is_some());
    assert!(challenges.certificate("b.example").is_none());
    challenges.set(Vec::new());
    assert!(challenges.certificate("a.example").is_none());
}
