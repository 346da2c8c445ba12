//! More or faster processors for the instances of a service, unless they work on one thread: then `replica` helps.

use super::{Action, Candidate, Context, Edit, Kind};
use base::{Class, Discipline};

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let double = |k: usize| of(cx, k, 2.0 * cx.fit.resources[k].each()).ok();
    cx.hot().into_iter().filter_map(double).collect()
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
        evidence: format!(
            "{:.0} % of its processors are busy",
            cx.utilisation(k) * 100.0
        ),
        edits: vec![Edit::Capacity {
            resource: k,
            factor,
        }],
        action: Action::Instruction {
            text: format!(
                "Give {} {cores:.1} cores (quota, flavour or machine).",
                match &*service {
                    "" => "the machine".to_owned(),
                    service => format!("each instance of {service}"),
                },
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
