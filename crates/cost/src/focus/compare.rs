//! A bill beside what we say: by resource, and what is left over shown.

use super::{Amount, Bill, Charge};
use crate::report::Report;
use serde::Serialize;
use std::collections::BTreeMap;

/// One of our priced resources.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub resource: String,
    pub billed_micro: i64,
    pub ours_micro: i64,
    /// Billed less ours.
    pub residual_micro: i64,
    /// The price that would have been the bill's, dollars per hour of all of it.
    pub price_per_hour: f64,
}

/// What the bill charges for, and has no price here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unmatched {
    pub service: String,
    pub billed_micro: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    pub from_s: u64,
    pub to_s: u64,
    /// Seconds of it that were watched.
    pub covered_s: f64,
    pub currency: String,
    /// The column of the bill that was read.
    pub column: String,
    pub billed_micro: i64,
    pub ours_micro: i64,
    /// Billed less ours: the lines' and what has no price here, summed.
    pub residual_micro: i64,
    pub lines: Vec<Line>,
    /// The largest first.
    pub unmatched: Vec<Unmatched>,
}

/// `ours`: of the same time. `named`: the bill's ids of our resources, where people say them.
pub fn compare(bill: &Bill, ours: &Report, named: &BTreeMap<String, String>) -> Compared {
    let mut billed: BTreeMap<&str, i64> = BTreeMap::new();
    let mut unmatched: BTreeMap<&str, i64> = BTreeMap::new();
    for charge in &bill.charges {
        let micro = inside(charge, ours.from_s, ours.to_s).micro();
        let item = ours.items.iter().find(|i| is(charge, &i.resource, named));
        match item {
            Some(i) => *billed.entry(&i.resource).or_default() += micro,
            None => *unmatched.entry(&charge.service).or_default() += micro,
        }
    }
    let hours = ours.to_s.saturating_sub(ours.from_s).max(1) as f64 / 3600.0;
    let lines: Vec<Line> = (ours.items.iter())
        .map(|i| {
            let billed_micro = billed.get(i.resource.as_str()).copied().unwrap_or(0);
            let ours_micro = i64::try_from(i.micro).unwrap_or(i64::MAX);
            Line {
                resource: i.resource.clone(),
                billed_micro,
                ours_micro,
                residual_micro: billed_micro - ours_micro,
                price_per_hour: billed_micro as f64 / crate::MICRO / hours,
            }
        })
        .collect();
    let mut unmatched: Vec<Unmatched> = (unmatched.into_iter())
        .filter(|(_, micro)| *micro != 0)
        .map(|(service, billed_micro)| Unmatched {
            service: service.to_owned(),
            billed_micro,
        })
        .collect();
    unmatched.sort_by_key(|u| std::cmp::Reverse(u.billed_micro));
    let billed_micro = lines.iter().map(|l| l.billed_micro).sum::<i64>()
        + unmatched.iter().map(|u| u.billed_micro).sum::<i64>();
    let ours_micro: i64 = lines.iter().map(|l| l.ours_micro).sum();
    Compared {
        from_s: ours.from_s,
        to_s: ours.to_s,
        covered_s: ours.covered_s,
        currency: bill.currency.clone(),
        column: bill.column.clone(),
        billed_micro,
        ours_micro,
        residual_micro: billed_micro - ours_micro,
        lines,
        unmatched,
    }
}

/// What falls into the time, where a charge is of a longer one.
fn inside(charge: &Charge, from_s: u64, to_s: u64) -> Amount {
    let mut sum = Amount::default();
    for ((from, to), amount) in &charge.periods {
        let both = (*to).min(to_s).saturating_sub((*from).max(from_s));
        sum.add(amount.of(both, to - from));
    }
    sum
}

/// Whether a charge is for a resource: by what people say, by the tag `plimsoll`, or by its name or the end of its id.
fn is(charge: &Charge, resource: &str, named: &BTreeMap<String, String>) -> bool {
    let bare = resource.split_once('.').map_or(resource, |(_, rest)| rest);
    let ours = |name: &str| name == resource || name == bare;
    match named.get(&charge.resource) {
        Some(said) => ours(said),
        None if !charge.tag.is_empty() => ours(&charge.tag),
        None => {
            let end = charge.resource.rsplit(['/', ':']).next().unwrap_or("");
            [end, &charge.resource, &charge.name].into_iter().any(ours)
        }
    }
}
