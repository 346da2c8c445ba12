//! Names series of an exporter: `pg_stat_activity_count{state="active"}`. Labels that are not named may be anything.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A metric's name, and labels that must have these values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    pub name: String,
    pub labels: Vec<(String, String)>,
}

impl Selector {
    /// `None`: that is no selector.
    pub fn parse(text: &str) -> Option<Selector> {
        let text = text.trim();
        let (name, labels) = match text.split_once('{') {
            Some((name, inner)) => match labels(inner)? {
                (labels, "") => (name.trim(), labels),
                _ => return None,
            },
            None => (text, Vec::new()),
        };
        is_name(name).then(|| Selector {
            name: name.to_owned(),
            labels,
        })
    }
}

/// Names and values.
pub type Labels = Vec<(String, String)>;

/// The labels up to the closing brace, and what follows it: `a="b", c="d"} rest`. Values may hold escaped quotes, as
/// in Prometheus' text format. `None`: those are no labels.
pub fn labels(inner: &str) -> Option<(Labels, &str)> {
    let mut all = Vec::new();
    let mut rest = inner.trim_start();
    while !rest.starts_with('}') {
        let (name, after) = rest.split_once('=')?;
        let mut chars = after.trim_start().strip_prefix('"')?.chars();
        let mut value = String::new();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(match chars.next()? {
                    'n' => '\n',
                    c => c,
                }),
                c => value.push(c),
            }
        }
        is_name(name.trim()).then(|| all.push((name.trim().to_owned(), value)))?;
        let after = chars.as_str().trim_start();
        rest = match after.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.starts_with('}') => after,
            None => return None,
        };
    }
    Some((all, &rest[1..]))
}

fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with(|c: char| c.is_ascii_digit())
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let escaped = |v: &str| {
            v.replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n")
        };
        let labels: Vec<String> = (self.labels.iter())
            .map(|(k, v)| format!("{k}=\"{}\"", escaped(v)))
            .collect();
        match labels.is_empty() {
            true => Ok(()),
            false => write!(f, "{{{}}}", labels.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_labels() {
        let one = Selector::parse(" redis_cpu_seconds_total ").unwrap();
        assert_eq!(
            (one.name.as_str(), one.labels.len()),
            ("redis_cpu_seconds_total", 0)
        );
        let two = Selector::parse(r#"a:b{ x = "1,}" , _y="" }"#).unwrap();
        assert_eq!(two.to_string(), r#"a:b{x="1,}",_y=""}"#);
        assert_eq!(Selector::parse(&two.to_string()), Some(two));
        let quoted = Selector::parse(r#"a{x="say \"}\"\n\\"}"#).unwrap();
        assert_eq!(quoted.labels[0].1, "say \"}\"\n\\");
        assert_eq!(Selector::parse(&quoted.to_string()), Some(quoted));
        for bad in [
            "",
            "1a",
            "a b",
            "a{",
            "a}",
            "a{x}",
            "a{x=1}",
            "a{x=\"1\" y=\"2\"}",
            "rate(a[1m])",
            "a{x=~\"1\"}",
        ] {
            assert_eq!(Selector::parse(bad), None, "{bad}");
        }
    }
}
