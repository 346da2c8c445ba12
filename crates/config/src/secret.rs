//! Secrets by reference: `{ env: NAME }` or `{ file: PATH }`. They print as `***`.

use base::Finding;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Where a secret comes from; its value is only fetched by [`Secret::fetch`].
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The environment variable of this name.
    Env(String),
    /// The contents of this file, without the newline at its end.
    File(PathBuf),
    /// Written in the config itself.
    Text(String),
}

impl Secret {
    /// The value, from this process's environment or the file as it is now.
    pub fn fetch(&self) -> Result<String, Finding> {
        self.resolve(
            |name| std::env::var(name).ok(),
            |path| std::fs::read_to_string(path),
        )
    }

    /// The value. `env` and `read` do the looking up.
    pub fn resolve(
        &self,
        env: impl Fn(&str) -> Option<String>,
        read: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<String, Finding> {
        match self {
            Secret::Text(t) => Ok(t.clone()),
            Secret::Env(name) => env(name).ok_or_else(|| {
                Finding::error(
                    "secret",
                    format!("the environment variable `{name}` is not set"),
                )
                .help("set it where Plimsoll starts")
            }),
            Secret::File(path) => match read(path) {
                Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(e) => Err(Finding::error(
                    "secret",
                    format!("the secret file {} cannot be read: {e}", path.display()),
                )),
            },
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// A reference is written as it is; a value as `***`.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Secret::Env(name) => Form::Env { env: name.clone() },
            Secret::File(path) => Form::File { file: path.clone() },
            Secret::Text(_) => Form::Text("***".into()),
        }
        .serialize(s)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Secret, D::Error> {
        Ok(match Form::deserialize(d)? {
            Form::Env { env } => Secret::Env(env),
            Form::File { file } => Secret::File(file),
            Form::Text(text) => Secret::Text(text),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Env { env: String },
    File { file: PathBuf },
    Text(String),
}

/// `text` with the password of every URL in it as `***`.
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, password)) = password(rest) {
        out.push_str(&rest[..start]);
        out.push_str("***");
        rest = &rest[start + password..];
    }
    out + rest
}

/// Whether a URL in `text` carries a password.
pub fn has_password(text: &str) -> bool {
    password(text).is_some_and(|(_, length)| length > 0)
}

/// Start and length of the first password of a URL.
fn password(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = text[from..].find("://").map(|i| i + from + 3) {
        let end = text[at..]
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''))
            .map_or(text.len(), |i| i + at);
        if let Some(host) = text[at..end].rfind('@')
            && let Some(colon) = text[at..at + host].find(':')
        {
            return Some((at + colon + 1, host - colon - 1));
        }
        from = at;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars_however_it_is_printed() {
        let s = Secret::Text("hunter2".into());
        let all = format!("{s} {s:?} {}", serde_json::to_string(&s).unwrap());
        assert!(!all.contains("hunter2") && all.contains("***"), "{all}");
        assert_eq!(
            mask("a: postgres://u:p@ss@h/d, b: redis://x:y@h:1/0 c: http://h:80/@"),
            "a: postgres://u:***@h/d, b: redis://x:***@h:1/0 c: http://h:80/@"
        );
        assert!(!has_password("postgres://shop@127.0.0.1/shop"));
    }

    #[test]
    fn references_are_resolved_when_asked() {
        let env = |n: &str| (n == "PW").then(|| "x".to_owned());
        let read = |p: &Path| match p.to_str() {
            Some("/run/pw") => Ok("y\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        assert_eq!(Secret::Env("PW".into()).resolve(env, read).unwrap(), "x");
        assert_eq!(
            Secret::File("/run/pw".into()).resolve(env, read).unwrap(),
            "y"
        );
        let missing = Secret::Env("NO".into()).resolve(env, read).unwrap_err();
        assert!(missing.what.contains("`NO` is not set"));
        assert!(Secret::File("/no".into()).resolve(env, read).is_err());
        let back: Secret = serde_json::from_str(r#"{"file":"/run/pw"}"#).unwrap();
        assert_eq!(back, Secret::File("/run/pw".into()));
    }
}
