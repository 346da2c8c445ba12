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
            Some((name, rest)) => (name.trim(), rest.strip_suffix('}')?),
            None => (text, ""),
        };
        let mut all = Vec::new();
        let mut rest = labels.trim();
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=')?;
            let (value, after) = after.trim_start().strip_prefix('"')?.split_once('"')?;
            is_name(key.trim()).then(|| all.push((key.trim().to_owned(), value.to_owned())))?;
            rest = match after.trim_start() {
                "" => "",
                more => more.strip_prefix(',')?.trim_start(),
            };
        }
        is_name(name).then(|| Selector {
            name: name.to_owned(),
            labels: all,
        })
    }
}

fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with(|c: char| c.is_ascii_digit())
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let labels: Vec<String> = (self.labels.iter())
            .map(|(k, v)| format!("{k}=\"{v}\""))
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
