//! More or faster processors for the instances of a service, unless they work on one thread: then `replica` helps. Or more
//! memory, where that is what requests fill; or a disk or a link that does twice as much.

use super::{Action, Candidate, Context, Edit, Kind};
use crate::constraint::signs;
use crate::rank;
use base::{Class, Discipline};

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let double = |k: usize| of(cx, k, 2.0 * cx.fit.resources[k].each()).ok();
    let memory = |k: &usize| rank::fills(cx.fit, *k);
    let hot = cx.hot();
    let bytes = hot.iter().copied().filter(memory).map(|k| memory_of(cx, k));
    let wider = hot.iter().filter_map(|k| wider(cx, *k));
    let cores = hot.iter().copied().filter_map(double);
    cores.chain(bytes).chain(wider).collect()
}

/// A disk or a link, or the part of one that is allowed; not the processors of a database or a store, nor peers that read slowly.
fn wider(cx: &Context, k: usize) -> Option<Candidate> {
    let info = &cx.fit.resources[k].info;
    let name = &info.name;
    let (kind, _) = name.split_once('.')?;
    let (text, guard) = match (kind, info.discipline) {
        ("disk", Discipline::Fcfs) => (
            "raise the limit of its control group (`io.max`, `blkio.throttle`) or the provisioned throughput of its volume, or move it \
             to a disk that is twice as fast",
            "a disk that waits for each sync does not sync faster for having more bytes per second",
        ),
        ("net", Discipline::Fcfs) => (
            "raise the rate to which it is shaped (`tc qdisc`), or take a link or a machine with a faster one",
            "the other end of it has a limit, too",
        ),
        _ => return None,
    };
    let used = (0..cx.fit.routes.len()).filter(|&r| cx.fit.demand[r][k].mean > 0.0);
    Some(Candidate {
        kind: Kind::Resize,
        subject: name.clone(),
        title: format!("{name}: twice as much per second"),
        evidence: format!("{:.0} % of it is in use", 100.0 * cx.utilisation(k)),
        edits: used
            .map(|route| Edit::Demand {
                route,
                resource: k,
                factor: 0.5,
            })
            .collect(),
        action: Action::Instruction {
            text: format!("Allow {name} twice as much: {text}."),
        },
        size: 2,
        // What disks and links cost is not configured.
        cost_per_hour: 0.0,
        reverse: "go back to the smaller limit".into(),
        guards: vec![guard.into()],
        uncertainty: 0.1,
        protects: false,
    })
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
    if r.info.serial {
        return Err(format!(
            "{name} is one thread: more cores would do nothing for it"
        ));
    }
    if r.info.class != Class::Compute || r.info.discipline != Discipline::Ps {
        return Err(format!("{name} is no processor"));
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
