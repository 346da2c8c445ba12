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

/// Most specific first: with a method before without (HEAD before GET, which takes HEAD too), the longer literal
/// prefix, segment by segment a literal before a name before the end before the rest, more headers, an exact host
/// before a wildcard before none; then by name.
pub fn by_priority(a: &Route, b: &Route) -> Ordering {
    rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
}

fn rank(r: &Route) -> impl Ord + use<> {
    let m = &r.matcher;
    let method = match m.method.as_deref() {
        Some("HEAD") => 0u8,
        Some(_) => 1,
        None => 2,
    };
    let shape: Vec<u8> = m
        .path
        .segments
        .iter()
        .filter(|s| !matches!(s, Segment::Literal(l) if l.is_empty()))
        .map(|s| match s {
            Segment::Literal(_) => 0,
            Segment::One(_) => 1,
            Segment::Rest(_) => 3,
        })
        .chain([2]) // the end: before the rest
        .collect();
    let literal = shape.iter().take_while(|k| **k == 0).count();
    let host = match m.host.as_deref() {
        None => (2u8, Reverse(0)),
        Some(h) if h.starts_with('*') => (1, Reverse(h.len())),
        Some(h) => (0, Reverse(h.len())),
    };
    (
        method,
        Reverse(literal),
        shape,
        Reverse(m.headers.len()),
        host,
    )
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
