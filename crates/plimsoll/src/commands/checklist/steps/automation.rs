//! What deploys, scales and recovers without a person: what of it was seen to happen.

use super::{Known, Look};
use crate::commands::checklist::rows;
use catalog::lint::count;

const KEPT: &[&str] = &["kept", "kept-unproven"];
/// How the ledger names a request for another binary.
const UPGRADE: &str = "upgrade to another binary";

pub fn look(k: &Known) -> Look {
    let services = k.loaded.config.as_ref().map_or(&[][..], |c| &c.services);
    let by_hand = services.iter().find(|s| s.start.is_none());
    let starts = services.iter().filter(|s| s.start.is_some()).count();
    let verdicts: Vec<&str> = (k.events("verdict"))
        .filter_map(|e| e["outcome"]["verdict"].as_str())
        .collect();
    let kept = verdicts.iter().filter(|v| KEPT.contains(v)).count();
    let upgrade = |e: &&serde_json::Value| {
        let what = e["what"].as_str();
        what.is_some_and(|w| w.starts_with(UPGRADE))
    };
    let mut evidence = vec![
        format!(
            "{starts} of {} services can be started by Plimsoll (`start`)",
            services.len()
        ),
        format!(
            "{} ended with a verdict, {kept} kept and {} taken back; {} by a person",
            count(verdicts.len(), "trial"),
            verdicts.len() - kept,
            count(k.events("rollback").count(), "rollback")
        ),
        format!(
            "instances were added or taken away {}, Plimsoll was asked to upgrade itself {}",
            times(k.events("scaled").count()),
            times(k.events("done").filter(upgrade).count())
        ),
    ];
    let agents: Vec<_> = rows(&k.told.agents).collect();
    if !agents.is_empty() {
        let heard = agents.iter().filter(|a| a["silent"] == false).count();
        evidence.push(format!(
            "{heard} of {} other hosts are heard of",
            agents.len()
        ));
    }
    evidence.push("not built yet: autoscaling, and rollouts of a service in stages".into());
    let next = match (by_hand, verdicts.is_empty()) {
        (Some(s), _) => format!(
            "write `services.{}.start`, so that `plimsoll try` can add instances of it",
            s.name
        ),
        (None, true) => {
            "`plimsoll try 1`: a change that is kept or taken back by what it does".into()
        }
        (None, false) => "until that is built, scale by what `plimsoll forecast` says".into(),
    };
    Look {
        done: false,
        evidence,
        next,
    }
}

fn times(n: usize) -> String {
    match n {
        0 => "never".into(),
        1 => "once".into(),
        n => format!("{n} times"),
    }
}
