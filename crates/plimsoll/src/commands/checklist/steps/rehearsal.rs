//! What was rehearsed before it is needed: mixes for load, and faults on purpose.

use super::{Known, Look};
use crate::commands::checklist::rows;

pub fn look(k: &Known) -> Look {
    let loads = k.loaded.config.as_ref().map_or(&[][..], |c| &c.loads);
    let faults: Vec<&str> = (k.routes().iter())
        .filter(|r| r.fault.is_some())
        .map(|r| r.name.as_str())
        .collect();
    let struck: Vec<(&str, u64)> = (rows(&k.told.gates))
        .filter(|d| d["gate"] == "fault" && d["what"] == "struck")
        .filter_map(|d| Some((d["of"].as_str()?, d["count"].as_u64()?)))
        .filter(|d| d.1 > 0)
        .collect();
    let mut evidence = vec![
        match loads.len() {
            1 => "1 mix of requests is named in the config".into(),
            n => format!("{n} mixes of requests are named in the config"),
        },
        match faults.is_empty() {
            true => "no route has a `fault`".into(),
            false => format!("routes with a `fault`: {}", faults.join(", ")),
        },
    ];
    let each = struck.iter().map(|(route, n)| format!("{n} of {route}"));
    let each: Vec<String> = each.collect();
    if !each.is_empty() {
        let all = each.join(", ");
        evidence.push(format!(
            "requests hit by a fault on purpose since Plimsoll started: {all}"
        ));
    }
    evidence.push(
        "not built yet: experiments with faults that are judged, and a record of load tests".into(),
    );
    let next = match (loads.first(), struck.is_empty()) {
        (None, _) => "name a mix under `loads`, then `plimsoll load --mix NAME --find-limit --p99-below 250ms`".into(),
        (Some(_), true) => "give a route a `fault` with its end (`until`), and see who notices".into(),
        (Some(mix), false) => format!(
            "`plimsoll load --mix {} --find-limit --p99-below 250ms` before the launch, and keep what it says",
            mix.name
        ),
    };
    Look {
        done: false,
        evidence,
        next,
    }
}
