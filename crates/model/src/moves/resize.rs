//! More or faster processors for the instances of a service, unless they work on one thread: then `replica` helps. Or more
//! memory, where that is what requests fill.

use super::{Action, Candidate, Context, Edit, Kind};
use crate::constraint::signs;
use crate::rank;
use base::{Class, Discipline};

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let double = |k: usize| of(cx, k, 2.0 * cx.fit.resources[k].each()).ok();
    let memory = |k: &usize| rank::fills(cx.fit, *k);
    let hot = cx.hot();
    let bytes = hot.iter().copied().filter(memory).map(|k| memory_of(cx, k));
    let cores = hot.iter().copied().filter_map(double);
    cores.chain(bytes).collect()
}

fn memory_of(cx: &Context, k: usize) -> Candidate {
    let r = &cx.fit.resources[k];
    let service = r.info.service.clone().unwrap_or_default();
    let each = r.each() / 1e6;
    Candidate {
        kind: Kind::Resize,
        subject: r.info.name.clone(),
        title: format!(
            "{}: {:.0} MB per instance instead of {each:.0}",
            r.info.name,
            2.0 * each
        ),
        evidence: format!("{:.0} % of its memory is in use", 100.0 * r.utilisation),
        // What is held without requests stays what it is, so that this promises too little rather than too much.
        edits: vec![Edit::Capacity {
            resource: k,
            factor: 2.0,
        }],
        action: Action::Instruction {
            text: format!(
                "Give each instance of {service} {:.0} MB (`memory.max`, the limit of its container, or a larger machine).",
                2.0 * each
            ),
        },
        size: 2,
        cost_per_hour: cx.price(&service).unwrap_or(0.0) * f64::from(r.instances.max(1)),
        reverse: "go back to the smaller size".into(),
        guards: vec![
            "a leak fills any memory: look whether it grows while traffic does not".into(),
        ],
        uncertainty: 0.1,
        protects: false,
    }
}

/// Processors `k` with `cores` for each instance; `Err` says why not.
pub fn of(cx: &Context, k: usize, cores: f64) -> Result<Candidate, String> {
    let r = &cx.fit.resources[k];
    let name = &r.info.name;
    if r.info.class != Class::Compute || r.info.discipline != Discipline::Ps {
        return Err(format!("{name} is no processor"));
    }
    if r.info.serial {
        return Err(format!(
            "{name} is one thread: more cores would do nothing for it"
        ));
    }
    let service = r.info.service.clone().unwrap_or_default();
    let (each, instances) = (r.each(), r.instances.max(1) as f64);
    let factor = cores / each.max(1e-9);
    Ok(Candidate {
        kind: Kind::Resize,
        subject: r.info.name.clone(),
        title: format!("{name}: {cores:.1} cores per instance instead of {each:.1}"),
        evidence: match signs::throttled(r) {
            Some(share) => format!(
                "its quota is spent early in {:.0} % of its periods: the quota holds it, not the machine",
                share * 100.0
            ),
            None => format!(
                "{:.0} % of its processors are busy",
                cx.utilisation(k) * 100.0
            ),
        },
        edits: vec![Edit::Capacity {
            resource: k,
            factor,
        }],
        action: Action::Instruction {
            text: format!(
                "Give {} {cores:.1} cores ({}).",
                match &*service {
                    "" => "the machine".to_owned(),
                    service => format!("each instance of {service}"),
                },
                match signs::throttled(r) {
                    Some(_) => "raise its quota: `cpu.max`, or the CPU limit of its container",
                    None => "quota, flavour or machine",
                }
            ),
        },
        size: 2,
        cost_per_hour: cx.price(&service).unwrap_or(0.0) * instances * (factor - 1.0),
        reverse: format!("go back to {each:.1} cores"),
        guards: vec!["only helps if the work can use several cores at once".into()],
        uncertainty: 0.1,
        protects: false,
    })
}
