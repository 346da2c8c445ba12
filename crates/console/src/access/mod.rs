//! Who may do what: users, what they show (a token, a certificate, or what a browser got when it signed in), and their roles.
//! Decisions only; `guard` asks for them.

mod session;

pub use config::sections::Role;
pub use session::{COOKIE, LASTS_S};

use axum::http::{HeaderMap, header};
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};

/// Who asks, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// `None`: nobody has to say who they are.
    pub name: Option<String>,
    pub role: Role,
    /// What a command calls whoever started it.
    pub said: String,
}

/// The header in which a command says who started it.
pub const WHO: &str = "plimsoll-who";
/// Shown in the ledger at most, characters.
const NAME: usize = 80;

impl Who {
    pub fn may_operate(&self) -> bool {
        self.role >= Role::Operate
    }

    /// Who it was, for the ledger; `said` is what somebody calls themselves that did not have to show anything.
    pub fn named(&self, said: &str) -> String {
        let said = if said.is_empty() { &self.said } else { said };
        let said = self.name.as_deref().unwrap_or(said);
        let said: String = said
            .chars()
            .filter(|c| !c.is_control())
            .take(NAME)
            .collect();
        match said.trim() {
            "" => "someone at the console".into(),
            name => name.to_owned(),
        }
    }
}

/// Somebody, or something, that may ask.
pub struct User {
    pub name: String,
    pub role: Role,
    /// The name in their certificate.
    pub certificate: Option<String>,
    token: Option<Token>,
}

/// A token is only kept as what it can be recognised by.
struct Token {
    /// Signs what a browser keeps, so that another token ends its session.
    key: Key,
    tag: Tag,
}

impl User {
    pub fn new(name: &str, role: Role) -> User {
        User {
            name: name.to_owned(),
            role,
            certificate: None,
            token: None,
        }
    }

    pub fn with_token(mut self, token: &str) -> User {
        self.token = Some(Token {
            key: Key::new(HMAC_SHA256, token.as_bytes()),
            tag: sign(&known(), token.as_bytes()),
        });
        self
    }

    fn who(&self) -> Who {
        Who {
            name: Some(self.name.clone()),
            role: self.role,
            said: String::new(),
        }
    }
}

/// Under this, tokens are compared: equal ones have equal tags, and the comparison takes the same time whatever is shown.
fn known() -> Key {
    Key::new(HMAC_SHA256, b"plimsoll console token")
}

/// Who may come in, and by which names they ask for the console.
#[derive(Default)]
pub struct Access {
    pub users: Vec<User>,
    /// Hosts beside addresses and `localhost`.
    pub names: Vec<String>,
    /// It speaks TLS, so that what browsers keep goes nowhere else.
    pub encrypted: bool,
}

impl Access {
    /// `None`: they have to show something, or something else.
    pub fn who(&self, certificate: Option<&str>, headers: &HeaderMap, now_s: u64) -> Option<Who> {
        if self.users.is_empty() {
            let said = headers.get(WHO).and_then(|v| v.to_str().ok());
            return Some(Who {
                name: None,
                role: Role::Admin,
                said: said.unwrap_or("").to_owned(),
            });
        }
        let known = certificate.and_then(|name| {
            let has = |u: &&User| u.certificate.as_deref() == Some(name);
            self.users.iter().find(has)
        });
        let bearer = || {
            let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
            self.by_token(value.strip_prefix("Bearer ")?)
        };
        let session =
            || session::read(headers).and_then(|s| session::holder(&self.users, s, now_s));
        known.or_else(bearer).or_else(session).map(User::who)
    }

    /// Looks at all of them, so that the time tells nothing.
    fn by_token(&self, shown: &str) -> Option<&User> {
        let key = known();
        let matches = |u: &&User| {
            let token = u.token.as_ref();
            token.is_some_and(|t| verify(&key, shown.as_bytes(), t.tag.as_ref()).is_ok())
        };
        let keep_first = |found: Option<_>, user| found.or(Some(user));
        self.users.iter().filter(matches).fold(None, keep_first)
    }

    /// The `Set-Cookie` of whoever signs in with this token.
    pub fn sign_in(&self, token: &str, now_s: u64) -> Option<(Who, String)> {
        let user = self.by_token(token)?;
        let cookie = session::begin(user, now_s, self.encrypted)?;
        Some((user.who(), cookie))
    }

    /// The `Set-Cookie` that ends a session in this browser.
    pub fn sign_out(&self) -> String {
        session::end(self.encrypted)
    }
}

#[cfg(test)]
mod tests;
