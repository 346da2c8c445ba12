//! A team that owns something has members.

use super::{Facts, spot};
use crate::team::Source;
use base::Finding;
use std::collections::BTreeMap;

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut owns: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (team, service) in facts.owned() {
        owns.entry(&team.name).or_default().push(service);
    }
    for (name, services) in owns {
        let Some(team) = facts
            .catalog
            .teams
            .get(name)
            .filter(|t| t.members.is_empty())
        else {
            continue;
        };
        let what = format!("`{name}` owns {} and has no members", services.join(", "));
        let finding = match team.source {
            // Whom GitHub knows as members is not written there.
            Source::CodeOwners => Finding::warning("team-empty", what),
            _ => Finding::error("team-empty", what),
        };
        let help = format!(
            "write `members: [NAME]` in teams/{name}.yaml, or give what it owns to another team"
        );
        found.push(spot(finding, &team.spot).help(help));
    }
}
