//! Route names guessed from paths: what looks like an id becomes `{id}`.

use std::collections::BTreeSet;

/// Routes told apart; the rest is `other`.
pub const ROUTES: usize = 200;
const SEGMENTS: usize = 8;

/// Names given out so far.
#[derive(Debug, Default)]
pub struct Routes {
    known: BTreeSet<String>,
    pub other: u64,
}

impl Routes {
    pub fn name(&mut self, method: &str, path: &str) -> String {
        let name = format!("{method} {}", template(path));
        if self.known.contains(&name) {
            return name;
        }
        if self.known.len() >= ROUTES {
            self.other += 1;
            return "other".into();
        }
        self.known.insert(name.clone());
        name
    }
    pub fn len(&self) -> usize {
        self.known.len()
    }
}

/// `/users/42/orders/9f8e7d6c5b4a?x=1` is `/users/{id}/orders/{id}`.
pub fn template(path: &str) -> String {
    let path = path.split(['?', '#', ';']).next().unwrap_or("");
    let mut out = String::new();
    for (i, s) in path.split('/').skip(1).enumerate() {
        out.push('/');
        if i == SEGMENTS {
            out.push_str("{rest...}");
            break;
        }
        out.push_str(if is_id(s) { "{id}" } else { s });
    }
    if out.is_empty() { "/".into() } else { out }
}

/// Numbers, uuids, long hexadecimal, and words with several digits in them.
fn is_id(s: &str) -> bool {
    let digits = s.bytes().filter(u8::is_ascii_digit).count();
    let hex = s.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    !s.is_empty()
        && (digits == s.len()
            || (hex && s.len() >= 8 && digits > 0)
            || (digits >= 4 && 2 * digits >= s.len())
            || (s.len() >= 20 && digits >= 4)
            || s.len() > 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_templates_and_words_stay() {
        for (path, want) in [
            ("/", "/"),
            ("/products/42?sort=up", "/products/{id}"),
            ("/u/550e8400-e29b-41d4-a716-446655440000/x", "/u/{id}/x"),
            ("/blob/deadbeef01", "/blob/{id}"),
            ("/api/v1/feed", "/api/v1/feed"),
            ("/decade/facade", "/decade/facade"),
            ("/o/AB12345", "/o/{id}"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/{rest...}"),
            ("*", "/"),
        ] {
            assert_eq!(template(path), want, "{path}");
        }
    }

    #[test]
    fn too_many_paths_are_other() {
        let mut r = Routes::default();
        let names: BTreeSet<String> = (0..500)
            .map(|i| {
                let word = |n: usize| char::from(b'a' + (n % 26) as u8);
                r.name(
                    "GET",
                    &format!("/{}{}{}", word(i), word(i / 26), word(i / 676)),
                )
            })
            .collect();
        assert_eq!((names.len(), r.len(), r.other), (ROUTES + 1, ROUTES, 300));
    }
}
