//! Every service has an owner who exists.

use super::{Facts, requests, spot, unknown};
use base::Finding;

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let c = facts.catalog;
    for s in c.services.values() {
        let seen = facts.requests(&s.name).filter(|n| *n > 0.0);
        let Some(owner) = c.owner(s) else {
            let help = format!("write `owner: TEAM` in services/{}.yaml", s.name);
            let finding = match seen {
                Some(n) => Finding::error(
                    "owner-missing",
                    format!("`{}` has traffic ({}) and no owner", s.name, requests(n)),
                )
                .why("when it breaks, nobody is called"),
                None => Finding::warning("owner-missing", format!("`{}` has no owner", s.name)),
            };
            found.push(spot(finding, &s.spot).help(help));
            continue;
        };
        if c.teams.contains_key(&owner) || c.people.contains_key(&owner) {
            continue;
        }
        let known = c.teams.keys().map(String::as_str);
        let help = format!("write teams/{owner}.yaml with its `members`");
        match &s.owner {
            Some(word) => {
                let what = format!("`{}` is owned by `{owner}`, which is no team", s.name);
                found.push(unknown("owner-unknown", what, word, known, &help));
            }
            // CODEOWNERS names a person.
            None => {
                let what = format!("`{}` is owned by one person, `{owner}`", s.name);
                let finding = Finding::warning("owner-unknown", what);
                found.push(spot(finding, &s.spot).help("have a team own it: people are away"));
            }
        }
    }
}
