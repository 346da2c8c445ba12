//! Every service has a runbook, and those that are named exist.

use super::{Facts, spot, unknown};
use crate::fields::Named;
use crate::response::is_address;
use base::Finding;

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let c = facts.catalog;
    for s in c.services.values() {
        let here = |r: &&Named| !is_address(&r.name) && c.runbook(&r.name).is_none();
        for r in s.runbooks.iter().filter(here) {
            let what = format!(
                "`{}` names the runbook `{}`, which is not there",
                s.name, r.name
            );
            let known = c.runbooks.keys().map(String::as_str);
            let stem = r
                .name
                .rsplit('/')
                .next()
                .unwrap_or(&r.name)
                .trim_end_matches(".md");
            let help = format!("write runbooks/{stem}.md");
            found.push(unknown("runbook-missing", what, r, known, &help));
        }
        let routes = facts.config.map_or(Vec::new(), |config| {
            let of = config.routes.iter().filter(|r| r.to == s.name);
            of.map(|r| r.name.as_str()).collect()
        });
        if s.runbooks.is_empty() && c.runbooks_of(&s.name, &routes).is_empty() {
            let what = format!("`{}` has no runbook", s.name);
            let help = format!(
                "write runbooks/{0}.md with `services: [{0}]` in its head",
                s.name
            );
            found.push(spot(Finding::warning("runbook-none", what), &s.spot).help(help));
        }
    }
}
