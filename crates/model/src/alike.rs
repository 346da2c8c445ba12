//! Whether an answer that was simulated for one fit still answers for the next: simulating costs seconds of a processor, a glance
//! nothing. What is within the error of the fit itself has not moved.

use crate::closure;
use crate::fit::Fit;
use crate::pattern::Pattern;
use crate::rank::{self, Ranked};
use std::mem::Discriminant;

/// Relative change of the traffic, or of the traffic at which a resource is full, up to which it does; more where neither is known
/// as well as that.
const MOVED: f64 = 0.05;
/// And so much at most: a change of the demand begins the fit anew, and that is seen by the time that was watched.
const MOST: f64 = 0.25;
/// Standard errors that are no change yet.
const ERRORS: f64 = 2.0;
/// Relative change of the time that was watched: longer is surer, shorter began anew.
const WATCHED: f64 = 0.25;
/// Resources that are compared, those that are full first.
const FIRST: usize = 3;
const SEED: u64 = 1;

/// What has moved too far, in words; `None`: the answer stands.
pub fn moved(old: &Fit, new: &Fit) -> Option<String> {
    if !within(WATCHED, old.span_s, new.span_s) {
        return Some(format!(
            "{:.0} s were watched, then {:.0}",
            old.span_s, new.span_s
        ));
    }
    if !(old.routes.iter().map(|r| &r.info)).eq(new.routes.iter().map(|r| &r.info)) {
        return Some("routes".into());
    }
    if !(old.resources.iter().map(|r| &r.info)).eq(new.resources.iter().map(|r| &r.info)) {
        return Some("resources".into());
    }
    let seen = |f: &Fit| (kinds(f), f.unexplained > closure::LIMIT);
    if seen(old) != seen(new) {
        return Some("what is seen of causes, or that something is not seen".into());
    }
    traffic(old, new).or_else(|| full(old, new))
}

fn kinds(f: &Fit) -> Vec<Discriminant<Pattern>> {
    f.patterns.iter().map(std::mem::discriminant).collect()
}

fn within(most: f64, a: f64, b: f64) -> bool {
    (a - b).abs() <= most * a.abs().max(b.abs())
}

/// How far two numbers may be apart that are known this well each.
fn may(a: f64, b: f64) -> f64 {
    (ERRORS * a.max(b)).clamp(MOVED, MOST)
}

fn traffic(old: &Fit, new: &Fit) -> Option<String> {
    let rate = |f: &Fit| f.routes.iter().map(|r| r.entry_rate).sum::<f64>();
    // Of requests that come by chance.
    let error = |f: &Fit| (rate(f) * f.span_s).max(1.0).sqrt().recip();
    let (a, b) = (rate(old), rate(new));
    let same = within(may(error(old), error(new)), a, b);
    (!same).then(|| format!("{a:.1} requests per second, then {b:.1}"))
}

/// The resources that are full first, in either.
fn full(old: &Fit, new: &Fit) -> Option<String> {
    let (a, b) = (rank::rank(old, SEED), rank::rank(new, SEED));
    let of = |all: &[Ranked], k| all.iter().find(|r| r.resource == k).map(|r| r.saturation);
    let first = a.iter().take(FIRST).chain(b.iter().take(FIRST));
    first.map(|r| r.resource).find_map(|k| {
        let name = &new.resources[k].info.name;
        let (Some(x), Some(y)) = (of(&a, k), of(&b, k)) else {
            return Some(format!("{name} can be full in one only"));
        };
        let most = may(rank::total_spread(old, k), rank::total_spread(new, k));
        (!within(most, x, y)).then(|| format!("{name} is full at {x:.0}/s, then at {y:.0}/s"))
    })
}
