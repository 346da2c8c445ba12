//! What `depends_on` names exists.

use super::{Facts, unknown};
use base::Finding;

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let c = facts.catalog;
    let known = || c.services.keys().chain(c.others.keys()).map(String::as_str);
    for s in c.services.values() {
        for d in &s.depends_on {
            if known().any(|k| k == d.name) {
                continue;
            }
            let what = format!(
                "`{}` depends on `{}`, which is nowhere declared",
                s.name, d.name
            );
            let help = "declare it as a service here, or as a resource in the config";
            found.push(unknown("depends-unknown", what, d, known(), help));
        }
    }
}
