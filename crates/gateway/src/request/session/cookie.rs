//! The client's side: ids in cookies. Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::sections::{SameSite, Session as Rules};
use sha2::{Digest, Sha256};

/// Random bytes of an id.
pub const BYTES: usize = 24;
/// Characters of one.
const CHARS: usize = BYTES * 4 / 3;

/// Knowing it is having the session.
#[derive(Clone, PartialEq, Eq)]
pub struct Id(String);

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Id(***)")
    }
}

impl Id {
    pub fn new(random: [u8; BYTES]) -> Id {
        Id(URL_SAFE_NO_PAD.encode(random))
    }

    pub fn parse(text: &[u8]) -> Option<Id> {
        let text = std::str::from_utf8(text).ok()?;
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (text.len() == CHARS && text.bytes().all(good)).then(|| Id(text.to_owned()))
    }

    /// Where the session is stored: who reads the store cannot be anybody's client.
    pub fn key(&self, prefix: &str) -> String {
        let hash = Sha256::digest(self.0.as_bytes());
        let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
        format!("{prefix}{hex}")
    }
}

/// The names of a session's cookies, as one client is told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub id: String,
    pub copy: String,
    secure: bool,
    same_site: SameSite,
}

impl Names {
    /// `secure`: the client speaks TLS, to us or to whoever stands in front.
    pub fn of(rules: &Rules, secure: bool) -> Names {
        let prefix = if secure { "__Host-" } else { "" };
        Names {
            id: format!("{prefix}{}", rules.cookie),
            copy: format!("{prefix}{}-copy", rules.cookie),
            secure,
            same_site: rules.same_site,
        }
    }

    pub fn set(&self, id: &Id) -> String {
        self.line(&self.id, &id.0, "")
    }
    pub fn set_copy(&self, sealed: &str) -> String {
        self.line(&self.copy, sealed, "")
    }
    pub fn clear(&self) -> String {
        self.line(&self.id, "", "; Max-Age=0")
    }
    pub fn clear_copy(&self) -> String {
        self.line(&self.copy, "", "; Max-Age=0")
    }

    fn line(&self, name: &str, value: &str, age: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let same_site = match self.same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        };
        format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}{secure}{age}")
    }
}

/// The cookies of a request, told apart: ours, and what goes on to the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    pub id: Option<Vec<u8>>,
    pub copy: Option<Vec<u8>>,
    /// The others, as one line.
    pub rest: Vec<u8>,
    /// There was one of ours.
    pub changed: bool,
}

impl Cookies {
    /// Of one `Cookie` line. Of two with our name the first counts, as with browsers it is the more specific one.
    pub fn add(&mut self, line: &[u8], names: &Names) {
        for pair in line.split(|&b| b == b';') {
            let pair = pair.trim_ascii();
            let end = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
            let (name, value) = (&pair[..end], pair.get(end + 1..).unwrap_or(b""));
            let place = match name {
                n if n == names.id.as_bytes() => &mut self.id,
                n if n == names.copy.as_bytes() => &mut self.copy,
                _ if pair.is_empty() => continue,
                _ => {
                    if !self.rest.is_empty() {
                        self.rest.extend_from_slice(b"; ");
                    }
                    self.rest.extend_from_slice(pair);
                    continue;
                }
            };
            self.changed = true;
            place.get_or_insert_with(|| value.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(secure: bool) -> Names {
        Names::of(&Rules::named("shop"), secure)
    }

    #[test]
    fn an_id_is_long_random_and_nothing_else() {
        let id = Id::new([255; BYTES]);
        assert_eq!(Id::parse(id.0.as_bytes()), Some(id.clone()));
        for bad in [
            &b""[..],
            b"short",
            &[b'a'; CHARS + 1],
            &[b' '; CHARS],
            &[0xff; CHARS],
        ] {
            assert_eq!(Id::parse(bad), None);
        }
        let key = id.key("sess/shop/");
        assert!(key.starts_with("sess/shop/") && !key.contains(&id.0));
        assert_eq!(format!("{id:?}"), "Id(***)");
    }

    #[test]
    fn over_tls_the_cookie_belongs_to_the_host() {
        let id = Id::new([0; BYTES]);
        let plain = names(false).set(&id);
        assert!(
            plain.starts_with("session=") && !plain.contains("Secure"),
            "{plain}"
        );
        assert!(
            plain.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
            "{plain}"
        );
        let secure = names(true).set(&id);
        assert!(
            secure.starts_with("__Host-session=") && secure.ends_with("; Secure"),
            "{secure}"
        );
        assert!(names(true).clear().ends_with("; Max-Age=0"));
    }

    #[test]
    fn our_cookies_do_not_go_on() {
        let of = |lines: &[&str]| {
            let mut cookies = Cookies::default();
            lines
                .iter()
                .for_each(|l| cookies.add(l.as_bytes(), &names(false)));
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            (
                cookies.id.as_deref().map(text),
                text(&cookies.rest),
                cookies.changed,
            )
        };
        assert_eq!(
            of(&["a=1; session=x;b=2"]),
            (Some("x".into()), "a=1; b=2".into(), true)
        );
        assert_eq!(
            of(&["session=x", "c", "session=y"]),
            (Some("x".into()), "c".into(), true)
        );
        assert_eq!(
            of(&["xsession=1; session2=2"]),
            (None, "xsession=1; session2=2".into(), false)
        );
        assert_eq!(
            of(&[";;session;"]),
            (Some(String::new()), String::new(), true)
        );
        assert_eq!(of(&["session-copy=z"]), (None, String::new(), true));
    }
}
