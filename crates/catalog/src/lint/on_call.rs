//! A team that owns something has somebody on call, in every hour of the days ahead.

use super::{Facts, rough, spot};
use crate::fields::did_you_mean;
use base::Finding;
use jiff::Timestamp;
use std::collections::BTreeSet;

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let c = facts.catalog;
    let teams: BTreeSet<&str> = facts.owned().map(|(t, _)| t.name.as_str()).collect();
    for team in teams.iter().filter_map(|t| c.teams.get(*t)) {
        let Some(rotation) = c.rotation(&team.name) else {
            let (finding, help) = match &team.on_call {
                Some(named) => {
                    let what = format!(
                        "`{}` follows the rotation `{}`, which is not there",
                        team.name, named.name
                    );
                    let near = did_you_mean(&named.name, c.rotations.keys().map(String::as_str));
                    let help = near.unwrap_or_else(|| format!("write on-call/{}.yaml", named.name));
                    (
                        spot(Finding::error("on-call-missing", what), &named.spot),
                        help,
                    )
                }
                None => {
                    let what = format!("nobody is on call for `{}`", team.name);
                    let help = format!(
                        "write on-call/{}.yaml, or save a calendar as on-call/{0}.ics",
                        team.name
                    );
                    (
                        spot(Finding::warning("on-call-missing", what), &team.spot),
                        help,
                    )
                }
            };
            found.push(finding.help(help));
            continue;
        };
        let until = facts
            .now
            .checked_add(facts.limits.ahead)
            .unwrap_or(Timestamp::MAX);
        let gaps = rotation.gaps(facts.now, until);
        if let Some((from, to)) = gaps.first() {
            let more = match gaps.len() {
                1 => String::new(),
                n => format!(
                    ", and {} more times in the next {}",
                    n - 1,
                    rough(facts.limits.ahead)
                ),
            };
            let when = match *from == facts.now {
                true => format!("now, until {}", minutes(*to)),
                false => format!("from {} to {}", minutes(*from), minutes(*to)),
            };
            let what = format!("`{}` has nobody on call {when}{more}", rotation.name);
            let finding = match *from == facts.now {
                true => Finding::error("on-call-gap", what),
                false => Finding::warning("on-call-gap", what),
            };
            let help = "add somebody to `overrides`, or a layer without `hours`";
            found.push(spot(finding, &rotation.spot).help(help));
        }
        let known: BTreeSet<&str> = c
            .teams
            .values()
            .flat_map(|t| &t.members)
            .map(|m| m.name.as_str())
            .collect();
        let strangers: BTreeSet<&str> = rotation
            .layers
            .iter()
            .flat_map(|l| &l.people)
            .map(|p| p.name.as_str())
            .filter(|p| !known.contains(p) && !c.people.contains_key(*p))
            .collect();
        for who in strangers {
            let what = format!("`{who}` is on call for `{}` and in no team", rotation.name);
            let help = did_you_mean(who, known.iter().copied())
                .unwrap_or_else(|| "add them to the `members` of a team, or take them off".into());
            found.push(spot(Finding::warning("on-call-stranger", what), &rotation.spot).help(help));
        }
    }
}

fn minutes(t: Timestamp) -> String {
    t.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
