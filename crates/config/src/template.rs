//! Path templates, `METHOD /path` shorthands, and which of two routes is the more specific.

use crate::sections::{Match, PathTemplate, Route, Segment};
use std::cmp::{Ordering, Reverse};
use std::fmt;

impl PathTemplate {
    /// `/products/{id}` or `/static/{rest...}`; the error says what is wrong.
    pub fn parse(text: &str) -> Result<PathTemplate, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("the path `{text}` must begin with `/`"));
        };
        if text.contains(['?', '#']) || text.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(format!(
                "the path `{text}` must not hold `?`, `#` or spaces"
            ));
        }
        let mut segments = Vec::new();
        let parts: Vec<&str> = if rest.is_empty() {
            Vec::new()
        } else {
            rest.split('/').collect()
        };
        for (i, part) in parts.iter().enumerate() {
            let name = part.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
            segments.push(match name {
                Some(n) if n.ends_with("...") => {
                    if i + 1 != parts.len() {
                        return Err(format!(
                            "`{part}` takes the rest of the path, so it must come last"
                        ));
                    }
                    Segment::Rest(n.trim_end_matches("...").to_owned())
                }
                Some("") => return Err("`{}` needs a name, such as `{id}`".into()),
                Some(n) => Segment::One(n.to_owned()),
                None if part.contains(['{', '}']) => {
                    return Err(format!(
                        "in `{part}` the braces must enclose the whole segment, such as `/{{id}}`"
                    ));
                }
                None => Segment::Literal((*part).to_owned()),
            });
        }
        Ok(PathTemplate { segments })
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        for s in &self.segments {
            match s {
                Segment::Literal(l) => write!(f, "/{l}")?,
                Segment::One(n) => write!(f, "/{{{n}}}")?,
                Segment::Rest(n) => write!(f, "/{{{n}...}}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(m) = &self.method {
            write!(f, "{m} ")?;
        }
        write!(f, "{}{}", self.host.as_deref().unwrap_or(""), self.path)?;
        for (name, value) in &self.headers {
            write!(f, " [{name}: {value}]")?;
        }
        Ok(())
    }
}

/// Most specific first: exact host, wildcard host, none; then literal segments before named ones before the rest,
/// longer before shorter; then with a method; then with more headers; then by name.
pub fn by_priority(a: &Route, b: &Route) -> Ordering {
    let rank = |r: &Route| {
        let m = &r.matcher;
        let host = match &m.host {
            Some(h) if !h.starts_with("*.") => (0, Reverse(h.len())),
            Some(h) => (1, Reverse(h.len())),
            None => (2, Reverse(0)),
        };
        let shape: Vec<u8> = m
            .path
            .segments
            .iter()
            .map(|s| match s {
                Segment::Literal(_) => 0,
                Segment::One(_) => 1,
                Segment::Rest(_) => 3,
            })
            // An exact end is more specific than any "rest", less than a further literal.
            .chain([2])
            .collect();
        (host, shape, m.method.is_none(), Reverse(m.headers.len()))
    };
    rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_round_trip_and_refuse_nonsense() {
        for t in ["/", "/products/{id}", "/static/{rest...}", "/a//b", "/a/"] {
            assert_eq!(PathTemplate::parse(t).unwrap().to_string(), t);
        }
        for t in ["a", "/{}", "/x{id}", "/{all...}/x", "/a?b", "/a b"] {
            assert!(PathTemplate::parse(t).is_err(), "{t}");
        }
    }
}
