//! A service that is seen calling another says so.

use super::{Facts, requests, spot};
use base::Finding;

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let (Some(config), Some(observed)) = (facts.config, facts.observed) else {
        return;
    };
    for call in observed.service_calls(config) {
        let Some(from) = facts.catalog.services.get(&call.from) else {
            continue;
        };
        if from.depends_on.iter().any(|d| d.name == call.to) {
            continue;
        }
        let what = format!(
            "`{}` calls `{}` ({} of `{}` for `{}`) and does not say so",
            call.from,
            call.to,
            requests(call.requests),
            call.routes.1,
            call.routes.0
        );
        let finding = Finding::error("call-undeclared", what)
            .why("who changes or stops the called one does not know whom it hurts");
        let help = format!("add `{}` to its `depends_on`", call.to);
        found.push(spot(finding, &from.spot).help(help));
    }
}
