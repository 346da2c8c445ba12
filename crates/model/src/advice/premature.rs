//! Bigger changes that people reach for, and why they can wait.

use super::{Premature, Proposal};
use base::Class;

/// What is larger than any move here, by class of the constraint.
const LARGER: &[(Class, &str, u8)] = &[
    (
        Class::Compute,
        "rewriting the hot path in another language",
        5,
    ),
    (
        Class::PoolOrLock,
        "rewriting the service without the shared state",
        5,
    ),
    (Class::Dependency, "replacing the dependency", 4),
    (Class::Network, "another region", 4),
];

/// What `chosen` makes needless: the compared changes that are bigger, and the larger ones nobody measured.
pub fn list(
    chosen: &Proposal,
    others: &[Proposal],
    class: Option<Class>,
    target: f64,
) -> Vec<Premature> {
    let p = &chosen.predicted;
    let carried = if chosen.reaches_target {
        format!(
            "{} carries {:.0}/s, the target is {target:.0}/s",
            chosen.title, p.after_safe
        )
    } else {
        format!(
            "{} comes first: it is smaller and brings x{:.2}",
            chosen.title, p.gain.value
        )
    };
    let bigger = |o: &&Proposal| !o.protects && o.id != chosen.id && weight(o) > weight(chosen);
    let mut out: Vec<Premature> = others
        .iter()
        .filter(bigger)
        .map(|o| Premature {
            title: o.title.clone(),
            size: o.size,
            why: format!("would bring x{:.2}, but {carried}", o.predicted.gain.value),
        })
        .collect();
    let after = chosen.next_constraint.as_ref().map_or(String::new(), |l| {
        format!("; {} is next, at {:.0}/s", l.resource, l.saturation)
    });
    for (_, title, size) in LARGER
        .iter()
        .filter(|l| Some(l.0) == class && l.2 > chosen.size)
    {
        out.push(Premature {
            title: (*title).into(),
            size: *size,
            why: format!("{carried}{after}"),
        });
    }
    out
}

/// Size times cost, with a floor so that free changes are still ordered by size.
pub fn weight(p: &Proposal) -> f64 {
    p.size as f64 * (0.01 + p.cost_per_hour.max(0.0))
}
