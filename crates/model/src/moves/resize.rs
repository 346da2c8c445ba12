//! More or faster processors for the instances of a service, unless they work on one thread: then `replica` helps. Or more
//! memory, where that is what requests fill.

use super::{Action, Candidate, Context, Edit, Kind};
use crate::constraint::signs;
use crate::rank;
use base::{Class, Discipline};

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let compute = |k: &usize| {
        let i = &cx.fit.resources[*k].info;
        i.class == Class::Compute && i.discipline == Discipline::Ps && !i.serial
    };
    let memory = |k: &usize| rank::fills(cx.fit, *k);
    let hot = cx.hot();
    let cores = hot.iter().copied().filter(compute).map(|k| of(cx, k));
    let bytes = hot.iter().copied().filter(memory).map(|k| memory_of(cx, k));
    cores.chain(bytes).collect()
}

fn memory_of(cx: &Context, k: usize) -> Candidate {
    let r = &cx.fit.resources[k];
    let service = r.info.service.clone().unwrap_or_default();
    let each = r.capacity / f64::from(r.instances.max(1)) / 1e6;
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

fn of(cx: &Context, k: usize) -> Candidate {
    let r = &cx.fit.resources[k];
    let service = r.info.service.clone().unwrap_or_default();
    let each = r.capacity / r.instances.max(1) as f64;
    Candidate {
        kind: Kind::Resize,
        subject: r.info.name.clone(),
        title: format!(
            "{}: {:.1} cores per instance instead of {each:.1}",
            r.info.name,
            2.0 * each
        ),
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
            factor: 2.0,
        }],
        action: Action::Instruction {
            text: format!(
                "Give {} {:.1} cores ({}).",
                match &*service {
                    "" => "the machine".to_owned(),
                    service => format!("each instance of {service}"),
                },
                2.0 * each,
                match signs::throttled(r) {
                    Some(_) => "raise its quota: `cpu.max`, or the CPU limit of its container",
                    None => "quota, flavour or machine",
                }
            ),
        },
        size: 2,
        cost_per_hour: cx.price(&service).unwrap_or(0.0) * r.instances.max(1) as f64,
        reverse: "go back to the smaller size".into(),
        guards: vec!["only helps if the work can use several cores at once".into()],
        uncertainty: 0.1,
        protects: false,
    }
}
