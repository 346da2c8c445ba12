//! Numbers of the business over a time: those that the config declares, whether anything came or not, and what came
//! of those that it declared before.

use crate::State;
use cost::Span;
use past::Worth;
use std::collections::BTreeMap;

pub fn over(s: &State, span: Span) -> Vec<Worth> {
    let key = |w: &Worth| (w.route.clone(), w.name.clone(), w.unit.clone());
    let declared = s.path.business().into_iter().map(|w| Worth {
        route: w.route,
        name: w.name,
        unit: w.unit,
        ..Worth::default()
    });
    let came = s.past.read().worth(span.from_s * 1000, span.to_s * 1000);
    let all: BTreeMap<_, Worth> = declared.chain(came).map(|w| (key(&w), w)).collect();
    all.into_values().collect()
}

/// Of the last so many seconds, up to what has been counted.
pub fn lately(s: &State, last_s: u64) -> Vec<Worth> {
    // A page does not wait for what is still being read.
    if !s.past.known() {
        return Vec::new();
    }
    let now_s = s.costs.now_s();
    let from_s = now_s.saturating_sub(last_s);
    over(
        s,
        Span {
            from_s,
            to_s: now_s,
        },
    )
}
