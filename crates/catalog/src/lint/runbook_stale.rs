//! A runbook with steps was run lately: what nobody runs does not work when it is needed.

use super::{Facts, rough, spot};
use crate::runbook::run::last;
use base::Finding;

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let c = facts.catalog;
    for r in c.runbooks.values().filter(|r| !r.blocks.is_empty()) {
        let what = match last(&c.runs, &r.name) {
            None => format!("`{}` was never run", r.name),
            Some(run) => {
                let ago = facts.now.duration_since(run.at);
                if ago > facts.limits.stale {
                    format!("`{}` was last run {} ago", r.name, rough(ago))
                } else if !run.ok {
                    format!(
                        "`{}` failed when it was last run, {} ago",
                        r.name,
                        rough(ago)
                    )
                } else {
                    continue;
                }
            }
        };
        let help = format!("try it on a quiet day: `plimsoll runbook run {}`", r.name);
        found.push(spot(Finding::warning("runbook-stale", what), &r.spot).help(help));
    }
}
