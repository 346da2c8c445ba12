//! One more instance of a service: what belongs to an instance grows, what is shared does not.

use super::{Action, Candidate, Context, Edit, Kind};
use base::Scope;
use std::collections::BTreeSet;
use std::fmt::Write;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let hot = cx.hot();
    let infos = hot.iter().map(|&k| &cx.fit.resources[k].info);
    let services: BTreeSet<&str> = infos
        .filter(|i| i.scope == Scope::PerInstance)
        .filter_map(|i| i.service.as_deref())
        .collect();
    services
        .into_iter()
        .filter_map(|s| of(cx, s, None).ok())
        .collect()
}

/// `service` with `instances` instances (one more when `None`); `Err` says why not.
pub fn of(cx: &Context, service: &str, instances: Option<u32>) -> Result<Candidate, String> {
    let mine = |k: &usize| {
        let i = &cx.fit.resources[*k].info;
        i.scope == Scope::PerInstance && i.service.as_deref() == Some(service)
    };
    let owned: Vec<usize> = (0..cx.fit.resources.len()).filter(mine).collect();
    let Some(n) = owned
        .iter()
        .map(|&k| cx.fit.resources[k].instances.max(1))
        .max()
    else {
        return Err(format!(
            "nothing that belongs to an instance of {service} has been seen"
        ));
    };
    let to = instances.unwrap_or(n + 1).max(1);
    let factor = to as f64 / n as f64;
    let start = cx
        .config
        .and_then(|c| c.service(service))
        .and_then(|s| s.start.as_ref());
    let startable = start.is_some_and(|s| to <= s.max_instances);
    let names: Vec<&str> = owned
        .iter()
        .map(|&k| cx.fit.resources[k].info.name.as_str())
        .collect();
    let is_serial = |&k: &usize| cx.fit.resources[k].info.serial;
    let serial = owned.iter().copied().find(is_serial);
    let workers = match serial {
        Some(_) => ", or as many worker processes on its machine if it has cores left",
        None => "",
    };
    let mut evidence = format!("{} belong to each instance", names.join(", "));
    if let Some(k) = serial {
        let _ = write!(
            evidence,
            "; {} is one thread, {:.0} % busy: more cores would do nothing for it",
            cx.fit.resources[k].info.name,
            cx.utilisation(k) * 100.0
        );
    }
    let action = if startable && to > n {
        Action::Replicas {
            service: service.into(),
            add: to - n,
        }
    } else {
        Action::Instruction {
            text: format!(
                "Run {to} instances of {service} instead of {n}{workers}, and add their addresses to its `instances`."
            ),
        }
    };
    let mut guards =
        vec!["state kept inside the process is then kept once per instance".to_owned()];
    if start.is_some() && !startable && to > n {
        guards.push(format!(
            "its start recipe allows at most {} instances",
            start.map_or(0, |s| s.max_instances)
        ));
    }
    Ok(Candidate {
        kind: Kind::Replica,
        subject: service.into(),
        title: format!("{service}: {to} instances instead of {n}"),
        evidence,
        edits: owned
            .iter()
            .map(|&resource| Edit::Copies { resource, factor })
            .collect(),
        action,
        size: if startable { 2 } else { 3 },
        cost_per_hour: cx.price(service).unwrap_or(0.0) * (to as f64 - n as f64),
        reverse: format!("go back to {n}"),
        guards,
        uncertainty: 0.05,
        protects: false,
    })
}
