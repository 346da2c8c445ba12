//! Which series a selector chooses.

use super::Refused;
use crate::Found;
use crate::read::Group;
use regex::{Regex, RegexBuilder};

/// Memory of one compiled expression, bytes.
const MAX_REGEX: usize = 1 << 20;

#[derive(Clone, Debug)]
pub struct Matcher {
    pub label: String,
    pub value: String,
    /// `=~` and `!~`.
    regex: Option<Regex>,
    not: bool,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        let of = |m: &Matcher| (m.label.clone(), m.value.clone(), m.regex.is_some(), m.not);
        of(self) == of(other)
    }
}

impl Matcher {
    pub fn new(label: &str, op: &str, value: &str) -> Result<Matcher, Refused> {
        let regex = match op {
            "=~" | "!~" => {
                let built = RegexBuilder::new(&format!("^(?s:{value})$"))
                    .size_limit(MAX_REGEX)
                    .build();
                Some(built.map_err(|e| {
                    super::lex::wrong(&format!("the expression {value:?} cannot be used: {e}"))
                })?)
            }
            _ => None,
        };
        Ok(Matcher {
            label: label.to_owned(),
            value: value.to_owned(),
            regex,
            not: op.starts_with('!'),
        })
    }

    pub fn takes(&self, value: &str) -> bool {
        let same = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => self.value == value,
        };
        same != self.not
    }
}

/// Labels of this Plimsoll's series; one that is not there is empty.
fn value<'a>(label: &str, name: &'a str, labels: &'a [(&'static str, String)]) -> &'a str {
    if label == "__name__" {
        return name;
    }
    let found = labels.iter().find(|l| l.0 == label);
    found.map_or("", |l| &l.1)
}

/// Whether any series of the group may fit: `le` is not known yet.
pub fn may_fit(matchers: &[Matcher], group: &Group) -> bool {
    (matchers.iter())
        .filter(|m| m.label != "le" || !group.has_parts())
        .all(|m| m.takes(value(&m.label, group.name, &group.labels)))
}

pub fn fits(matchers: &[Matcher], found: &Found) -> bool {
    let one = |m: &Matcher| m.takes(value(&m.label, found.name, &found.labels));
    matchers.iter().all(one)
}
