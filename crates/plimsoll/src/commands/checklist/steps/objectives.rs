//! Every route promises something, and answers are counted for each promise.

use super::{Known, Look};
use crate::commands::checklist::rows;
use serde_json::Value;

pub fn look(k: &Known) -> Look {
    let with = k.routes().iter().filter(|r| r.slo.is_some()).count();
    let without = k.routes().iter().find(|r| r.slo.is_none());
    let mut evidence = vec![format!(
        "{with} of {} routes have an objective",
        k.routes().len()
    )];
    let all: Vec<&Value> = rows(&k.told.slos).collect();
    let counted = |s: &&&Value| s["answers"]["total"].as_u64().unwrap_or(0) > 0;
    let quiet = all.iter().find(|s| !counted(s));
    if !all.is_empty() {
        let n = all.iter().filter(counted).count();
        evidence.push(format!(
            "answers are counted for {n} of {} objectives",
            all.len()
        ));
    }
    let next = match (without, quiet) {
        (Some(r), _) => format!(
            "write `routes.{}.slo`, such as {{ latency: 250ms, target: 99.9%, window: 28d }}",
            r.name
        ),
        (None, _) if with == 0 => "name routes in the config, each with its `slo`".into(),
        (None, Some(s)) => format!(
            "no answer counts for `{}` yet: send traffic, or look at what its route matches",
            s["objective"]["id"].as_str().unwrap_or("?")
        ),
        (None, None) if all.is_empty() => "run Plimsoll with it: nothing is counted yet".into(),
        (None, None) => String::new(),
    };
    Look {
        done: next.is_empty(),
        evidence,
        next,
    }
}
