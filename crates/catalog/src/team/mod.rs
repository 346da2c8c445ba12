//! A team: who belongs to it, how to reach it, which rotation it follows. One file each in `teams/`.

use crate::fields::{Fields, Named};
use base::{Finding, Spot};
use config::Document;

const KEYS: &[&str] = &["title", "members", "contact", "on_call"];

/// Where a team or service was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of its own in the catalog.
    Catalog,
    Config,
    Backstage,
    CodeOwners,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Team {
    pub name: String,
    pub title: Option<String>,
    pub members: Vec<Named>,
    /// A channel, an address or a page.
    pub contact: Option<String>,
    /// The rotation; one with the team's own name when left out.
    pub on_call: Option<Named>,
    pub spot: Spot,
    pub source: Source,
}

impl Team {
    pub fn named(name: &str, spot: Spot, source: Source) -> Team {
        Team {
            name: name.to_owned(),
            title: None,
            members: Vec::new(),
            contact: None,
            on_call: None,
            spot,
            source,
        }
    }

    /// The name of its rotation.
    pub fn rotation(&self) -> &str {
        self.on_call.as_ref().map_or(&self.name, |r| &r.name)
    }
}

/// `teams/NAME.yaml`.
pub fn parse(name: &str, file: &str, text: &str) -> (Team, Vec<Finding>) {
    let (document, mut findings) = Document::parse(file, text);
    let mut f = Fields::new("a team", &document.root, KEYS, &mut findings);
    let mut team = Team::named(name, f.spot(), Source::Catalog);
    team.title = f.text("title");
    team.members = f.words("members");
    team.contact = f.text("contact");
    team.on_call = f.word("on_call");
    (team, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_with_its_place_and_the_nearest_key() {
        let (team, findings) = parse(
            "pay",
            "teams/pay.yaml",
            "members: [ana, ben]\noncall: pay\n",
        );
        assert_eq!(team.members.len(), 2);
        assert_eq!(team.members[1].spot.column, 16);
        assert_eq!(
            findings[0].to_string(),
            "teams/pay.yaml:2:1: error[catalog-unknown-key]: a team has no key `oncall`\n    help: did you mean `on_call`?"
        );
    }

    #[test]
    fn what_is_no_list_or_no_map_is_told() {
        let (_, findings) = parse("pay", "t", "members: { a: b }\ntitle: [x]\n");
        let what: Vec<_> = findings.iter().map(|f| f.what.as_str()).collect();
        assert_eq!(what, ["`title` takes one text", "`members` takes a list"]);
    }
}
