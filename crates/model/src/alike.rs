//! Whether an answer that was simulated for one fit still answers for the next: simulating costs seconds of a processor, a glance
//! nothing.

use crate::fit::Fit;
use crate::rank;

/// Relative change of the traffic, or of the traffic at which a resource is full, up to which it does.
const MOVED: f64 = 0.05;
/// Relative change of the time that was watched: longer is surer, shorter began anew.
const WATCHED: f64 = 0.25;
/// Resources that are compared, those that are full first.
const FIRST: usize = 3;
const SEED: u64 = 1;

pub fn alike(old: &Fit, new: &Fit) -> bool {
    let within = |most: f64, a: f64, b: f64| (a - b).abs() <= most * a.abs().max(b.abs());
    let traffic = |f: &Fit| f.routes.iter().map(|r| r.entry_rate).sum::<f64>();
    let first = |f: &Fit| {
        let all = rank::rank(f, SEED).into_iter().take(FIRST);
        all.map(|r| (r.resource, r.saturation)).collect::<Vec<_>>()
    };
    let full = || {
        let (a, b) = (first(old), first(new));
        let same =
            |((k, x), (l, y)): (&(usize, f64), &(usize, f64))| k == l && within(MOVED, *x, *y);
        a.len() == b.len() && a.iter().zip(&b).all(same)
    };
    within(WATCHED, old.span_s, new.span_s)
        && within(MOVED, traffic(old), traffic(new))
        && (old.routes.iter().map(|r| &r.info)).eq(new.routes.iter().map(|r| &r.info))
        && (old.resources.iter().map(|r| &r.info)).eq(new.resources.iter().map(|r| &r.info))
        && full()
}
