//! Declared against observed: one rule per file, and their one list.

mod calls;
mod codeowners;
mod dead;
mod on_call;
mod owner;
mod references;
mod runbook_missing;
mod runbook_names;
mod runbook_stale;
mod team_members;

#[cfg(test)]
mod tests;

use crate::fields::{Named, at, did_you_mean};
use crate::{Catalog, Observed};
use base::{Finding, Spot};
use config::Config;
use jiff::{SignedDuration, Timestamp};

/// What the rules look at.
pub struct Facts<'a> {
    pub catalog: &'a Catalog,
    /// `None`: no config was given, or it has errors.
    pub config: Option<&'a Config>,
    /// `None`: no Plimsoll was asked.
    pub observed: Option<&'a Observed>,
    pub now: Timestamp,
    pub limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// A runbook that was not run for so long is stale.
    pub stale: SignedDuration,
    /// A service without a request for so long is dead.
    pub dead: SignedDuration,
    /// How far ahead somebody must be on call.
    pub ahead: SignedDuration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            stale: SignedDuration::from_hours(24 * 90),
            dead: SignedDuration::from_hours(24 * 30),
            ahead: SignedDuration::from_hours(24 * 14),
        }
    }
}

pub struct Rule {
    pub name: &'static str,
    pub about: &'static str,
    pub check: fn(&Facts<'_>, &mut Vec<Finding>),
}

/// Every rule, in the order in which people should care.
pub const RULES: &[Rule] = &[
    Rule {
        name: "owner",
        about: "every service has an owner who exists; traffic without one is an error",
        check: owner::check,
    },
    Rule {
        name: "team-members",
        about: "a team that owns something has members",
        check: team_members::check,
    },
    Rule {
        name: "on-call",
        about: "a team that owns something has somebody on call, in every hour of the days ahead",
        check: on_call::check,
    },
    Rule {
        name: "calls",
        about: "a service that is seen calling another says so in `depends_on`",
        check: calls::check,
    },
    Rule {
        name: "references",
        about: "what `depends_on` names exists",
        check: references::check,
    },
    Rule {
        name: "runbook-missing",
        about: "every service has a runbook, and those that are named exist",
        check: runbook_missing::check,
    },
    Rule {
        name: "runbook-names",
        about: "routes, services, alerts and config keys that a runbook names exist",
        check: runbook_names::check,
    },
    Rule {
        name: "runbook-stale",
        about: "a runbook with steps was run lately",
        check: runbook_stale::check,
    },
    Rule {
        name: "dead",
        about: "what is declared has traffic",
        check: dead::check,
    },
    Rule {
        name: "codeowners",
        about: "every line of CODEOWNERS does what it seems to do",
        check: codeowners::check,
    },
];

/// What all rules find, errors first, then by place.
pub fn lint(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in RULES {
        (rule.check)(facts, &mut found);
    }
    found.sort_by(|a, b| (a.severity, &a.spot).cmp(&(b.severity, &b.spot)));
    found
}

impl Facts<'_> {
    /// Requests to a service; `None`: nothing was observed.
    fn requests(&self, service: &str) -> Option<f64> {
        Some(self.observed?.requests(self.config?, service))
    }

    /// Services with the teams that own them, as far as these are known.
    fn owned(&self) -> impl Iterator<Item = (&crate::team::Team, &str)> {
        let services = self.catalog.services.values();
        services.filter_map(|s| {
            let team = self.catalog.teams.get(&self.catalog.owner(s)?)?;
            Some((team, s.name.as_str()))
        })
    }
}

/// `nobody` is not among `known`: with its place and the nearest of them.
fn unknown<'a>(
    code: &str,
    what: String,
    word: &Named,
    known: impl IntoIterator<Item = &'a str>,
    else_help: &str,
) -> Finding {
    let help = did_you_mean(&word.name, known).unwrap_or_else(|| else_help.to_owned());
    at(Finding::error(code, what), &word.spot).help(help)
}

/// `36 requests`, `1 request`.
fn requests(n: f64) -> String {
    count(n.round() as usize, "request")
}

/// `1 service`, `3 services`.
pub fn count(n: usize, thing: &str) -> String {
    match n {
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// `12 days`, `3 h`, `4 min`.
pub fn rough(d: SignedDuration) -> String {
    match d.as_secs() {
        s @ 172_800.. => format!("{} days", s / 86_400),
        s @ 7_200.. => format!("{} h", s / 3600),
        s @ 120.. => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn spot(finding: Finding, spot: &Spot) -> Finding {
    at(finding, spot)
}
