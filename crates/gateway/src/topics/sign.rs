//! Signatures of Standard Webhooks: HMAC-SHA256 of `id.timestamp.body`, one for each secret. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign};

/// How secrets begin that are written down.
const PREFIX: &str = "whsec_";
/// Shortest and longest key, bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// The key that a secret stands for; it prints as nothing.
///
/// # Errors
/// What is wrong with it, without what it is.
pub fn key(secret: &str) -> Result<Key, String> {
    let text = secret.trim();
    let text = text.strip_prefix(PREFIX).unwrap_or(text);
    let bytes = STANDARD.decode(text).map_err(|_| {
        "a secret is no Base64; it is written `whsec_` and 24 to 64 bytes in Base64".to_owned()
    })?;
    match LENGTH.contains(&bytes.len()) {
        true => Ok(Key::new(HMAC_SHA256, &bytes)),
        false => Err(format!(
            "a secret has {} bytes; between {} and {} are asked for",
            bytes.len(),
            LENGTH.start(),
            LENGTH.end()
        )),
    }
}

/// The header `webhook-signature`. `at_s`: seconds since the Unix epoch.
pub fn signature(keys: &[Key], id: &str, at_s: u64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{at_s}.").into_bytes();
    signed.extend_from_slice(body);
    let each = keys.iter().map(|k| {
        let tag = sign(k, &signed);
        format!("v1,{}", STANDARD.encode(tag))
    });
    each.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn it_signs_as_the_specification_does() {
        let one = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = br#"{"test": 2432232314}"#;
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(
            signature(std::slice::from_ref(&one), id, 1_614_265_330, body),
            expected
        );
        let two = signature(&[one.clone(), one], id, 1_614_265_330, body);
        assert_eq!(two, format!("{expected} {expected}"));
    }

    #[test]
    fn a_bad_secret_is_said_and_not_shown() {
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "hunter2-hunter2!"] {
            let why = key(bad).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
