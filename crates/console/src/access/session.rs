//! What a browser keeps after it has signed in: a name and an end, signed by the user's token. Nothing is kept here, so nothing
//! grows; another token, or a user that is taken out, ends the session.

use super::User;
use axum::http::{HeaderMap, header};
use ring::hmac::{sign, verify};
use std::fmt::Write;

pub const COOKIE: &str = "plimsoll_session";
/// A working day.
pub const LASTS_S: u64 = 12 * 3600;

/// `None` for who has no token.
pub(super) fn begin(user: &User, now_s: u64, encrypted: bool) -> Option<String> {
    let (end_s, key) = (now_s + LASTS_S, &user.token.as_ref()?.key);
    let mut mac = String::new();
    for byte in sign(key, text(&user.name, end_s).as_bytes()).as_ref() {
        let _ = write!(mac, "{byte:02x}");
    }
    let value = format!("{}.{end_s}.{mac}", user.name);
    Some(cookie(&value, LASTS_S, encrypted))
}

pub(super) fn end(encrypted: bool) -> String {
    cookie("", 0, encrypted)
}

/// No script reads it, and no page of another site has it sent.
fn cookie(value: &str, lasts_s: u64, encrypted: bool) -> String {
    let secure = if encrypted { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{secure}")
}

/// What the browser sends.
pub(super) fn read(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'));
    let mut ours = pairs.filter_map(|p| p.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    ours.next()
}

/// Whose session it is, while it lasts. Names may hold dots.
pub(super) fn holder<'u>(users: &'u [User], shown: &str, now_s: u64) -> Option<&'u User> {
    let mut parts = shown.rsplitn(3, '.');
    let mac = unhex(parts.next()?)?;
    let end_s: u64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let user = users.iter().find(|u| u.name == name)?;
    let key = &user.token.as_ref()?.key;
    let good = verify(key, text(name, end_s).as_bytes(), &mac).is_ok();
    (good && now_s < end_s).then_some(user)
}

/// What is signed: nothing else begins like this.
fn text(name: &str, end_s: u64) -> String {
    format!("plimsoll console session\n{name}\n{end_s}")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |i: usize| u8::from_str_radix(text.get(i..i + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}
