//! Every line of CODEOWNERS does what it seems to do. What its syntax alone tells is found when it is read.

use super::{Facts, spot};
use crate::codeowners::{CodeOwners, Line, team};
use crate::fields::did_you_mean;
use crate::team::Source;
use base::{Finding, Spot};
use std::collections::{BTreeMap, BTreeSet};

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let c = facts.catalog;
    let Some(owners) = &c.codeowners else {
        return;
    };
    for place in &c.shadowed {
        let what = format!("this file does nothing: {} comes before it", owners.file);
        let finding = spot(Finding::warning("codeowners-second", what), place);
        found.push(finding.help("keep one of them"));
    }
    shadowed(owners, found);
    let known: Vec<&str> = c
        .teams
        .values()
        .filter(|t| t.source != Source::CodeOwners)
        .map(|t| t.name.as_str())
        .collect();
    // Without any team of its own the catalog has nothing to compare with.
    let mut told = BTreeSet::new();
    for owner in owners
        .lines
        .iter()
        .flat_map(|l| &l.owners)
        .filter(|_| !known.is_empty())
    {
        let Some(name) =
            team(&owner.name).filter(|n| !known.contains(n) && told.insert(n.to_string()))
        else {
            continue;
        };
        let what = format!("`{}` is no team of the catalog", owner.name);
        let help = did_you_mean(name, known.iter().copied())
            .unwrap_or_else(|| format!("write teams/{name}.yaml with its members"));
        found.push(spot(Finding::warning("codeowners-team", what), &owner.spot).help(help));
    }
}

/// Lines that a later one takes everything from.
fn shadowed(owners: &CodeOwners, found: &mut Vec<Finding>) {
    let mut later: BTreeMap<&str, &Spot> = BTreeMap::new();
    let mut all: Option<&Line> = None;
    for line in owners.lines.iter().rev().filter(|_| !owners.has_sections()) {
        let hidden = match (all, later.get(line.text.as_str())) {
            (Some(all), _) => Some((&all.text, &all.spot)),
            (None, Some(spot)) => Some((&line.text, *spot)),
            _ => None,
        };
        if let Some((by, place)) = hidden {
            let what = format!(
                "`{}` never holds: `{by}` in line {} matches all of it",
                line.text, place.line
            );
            let help = "the last line that matches holds: put the general ones first";
            found.push(spot(Finding::warning("codeowners-shadowed", what), &line.spot).help(help));
        }
        later.insert(&line.text, &line.spot);
        if matches!(line.text.as_str(), "*" | "/**" | "**" | "**/*") && all.is_none() {
            all = Some(line);
        }
    }
}
