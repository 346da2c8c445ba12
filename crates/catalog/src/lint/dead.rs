//! What is declared has traffic, or it is said for how long it was looked.

use super::{Facts, rough, spot};
use base::Finding;

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let (Some(config), Some(observed)) = (facts.config, facts.observed) else {
        return;
    };
    for s in facts.catalog.services.values() {
        let seen = observed.requests(config, &s.name) > 0.0;
        let idle = observed.idle(config, &s.name, facts.now);
        if seen && idle.is_none_or(|d| d < facts.limits.dead) {
            continue;
        }
        if config.service(&s.name).is_none() {
            let what = format!(
                "`{}` is not behind this Plimsoll: its traffic is not seen",
                s.name
            );
            let help =
                "add it to `services` of the config, or take it out of the catalog if it is gone";
            found.push(spot(Finding::note("dead-unseen", what), &s.spot).help(help));
            continue;
        }
        match idle {
            Some(idle) if idle >= facts.limits.dead => {
                let what = format!("`{}` had no request in {}", s.name, rough(idle));
                let help = "take it out of the catalog and the config, and stop its instances";
                found.push(spot(Finding::warning("dead-service", what), &s.spot).help(help));
            }
            looked => {
                let looked = looked.map_or("an unknown time".into(), rough);
                let what = format!(
                    "`{}` had no request yet: Plimsoll has looked for {looked}",
                    s.name
                );
                let why = format!("it counts as dead after {}", rough(facts.limits.dead));
                found.push(spot(Finding::note("dead-unsure", what), &s.spot).why(why));
            }
        }
    }
}
