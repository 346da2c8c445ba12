//! The part of a column that nothing tells directly: its prior, its fit, and what to do when the fit is no good.

use super::change;
use super::columns::{Draft, Known};
use super::crowd::Crowd;
use super::fin::{Fin, Input, fin};
use base::{Discipline, Grade, ResourceInfo};

/// The service that the gateway's own processor belongs to.
const GATEWAY: &str = "plimsoll";
/// After a change, at least this many seconds must be left to start anew.
const RESTART_S: usize = 40;

/// Fits what reports do not explain on the routes `open`, adding to what is there.
pub(super) fn regress(
    known: &Known,
    k: usize,
    open: &[usize],
    capacity: f64,
    c: &mut Draft,
    notes: &mut Vec<String>,
) {
    let series = &known.series.resources[k];
    let told: Vec<(usize, f64)> = (0..c.demand.len())
        .map(|r| (r, c.demand[r].mean))
        .filter(|(_, d)| *d > 0.0)
        .collect();
    let y: Vec<f64> = (0..known.series.seconds)
        .map(|t| {
            let background = series.background.as_ref().map_or(0.0, |b| b[t]);
            let direct: f64 = told.iter().map(|&(r, d)| d * known.series.life[r][t]).sum();
            series.busy[t] - background - direct
        })
        .collect();
    let measured = series.background.is_some();
    if !measured {
        notes.push("background not measured".to_owned());
    }
    let seen = series.seen.iter().filter(|s| **s).count().max(1) as f64;
    let total = (0..y.len())
        .filter(|&t| series.seen[t])
        .map(|t| y[t])
        .sum::<f64>()
        / seen;
    // Response-time apportioning, without the time that a route waits for others; overhead beside reports is
    // shared out per request, and so is what the gateway itself does, however long an answer takes.
    let is_ours = known.history.resources[k].service.as_deref() == Some(GATEWAY);
    let lives: Vec<f64> = open.iter().map(|&r| known.rate(r)).collect();
    let weight = |r: usize| {
        let t = &known.totals[r];
        if told.is_empty() && !is_ours {
            (t.attempt_s - t.child_s).max(0.05 * t.attempt_s).max(1e-6)
        } else {
            1.0
        }
    };
    let whole: f64 = open.iter().zip(&lives).map(|(&r, l)| l * weight(r)).sum();
    let prior: Vec<f64> = open
        .iter()
        .map(|&r| total.max(0.0) * weight(r) / whole.max(1e-12))
        .collect();
    let in_flight: f64 = open
        .iter()
        .map(|&r| known.series.in_flight[r].iter().sum::<f64>() / known.series.covered().max(1.0))
        .sum();
    let reference = if capacity > 0.0 {
        capacity
    } else {
        total.max(1e-12)
    };
    let usual = usual(total, lives.iter().sum());
    let mut ok = series.seen.clone();
    let columns: Vec<&[f64]> = open.iter().map(|&r| &*known.series.life[r]).collect();
    let crowd = Crowd::of(&lives, &prior, &columns);
    if !crowd.is_empty() {
        notes.push(format!(
            "{} routes that are seldom there are fitted as one",
            crowd.len()
        ));
    }
    let mut input = Input {
        z: crowd.columns(&columns),
        y: &y,
        ok: &ok.clone(),
        prior: &crowd.priors(&prior),
        usual,
        background_sd: if measured { 0.003 } else { 0.2 } * reference,
        lags: known.options.lags(),
        flat: told.is_empty() && total > 0.8 * in_flight,
    };
    let mut found = fin(&input);
    let changed = found
        .as_ref()
        .and_then(|f| change::changed_at(&f.left, measured));
    if let Some(at) = changed.filter(|at| known.series.seconds - at >= RESTART_S) {
        ok[..at].iter_mut().for_each(|o| *o = false);
        input.ok = &ok;
        if let Some(again) = fin(&input) {
            let since = known.series.seconds - at;
            notes.push(format!("learning since {since} s: its use changed"));
            found = Some(again);
        }
    }
    let bursts = found.as_ref().is_some_and(|f| f.bursts);
    if bursts {
        notes.push("burst residual: work that no request explains comes in bursts".to_owned());
    }
    match found.filter(|f| !bursts && f.demand.iter().any(|d| *d > 0.0)) {
        Some(f) => {
            let mut f = crowd.spread(f);
            if within(&known.history.resources[k]) {
                let most = |r: usize| {
                    let t = &known.totals[r];
                    (t.attempt_s - t.child_s - c.demand[r].mean).max(0.0)
                };
                let most: Vec<f64> = open.iter().map(|&r| most(r)).collect();
                f.background += bound(&mut f.demand, &most, &lives);
            }
            take(&f, open, &crowd, measured, c);
        }
        None => {
            for (&r, &p) in open.iter().zip(&prior) {
                let before = c.demand[r];
                let grade = if before.mean > p {
                    before.grade
                } else {
                    Grade::Prior
                };
                c.set(
                    r,
                    before.mean + p,
                    before.sd.hypot(p.max(usual)),
                    before.scv,
                    grade,
                );
            }
        }
    }
}

/// What one request costs on average, of `total` per second caused by `rate` requests per second. Of one of which response times say
/// that it costs hardly anything, it may cost this as well, for all that is known.
pub(super) fn usual(total: f64, rate: f64) -> f64 {
    total.max(0.0) / rate.max(1e-12)
}

/// Whether it is used for no longer than its requests last: by one server at a time, or as a part of the answer's way.
fn within(info: &ResourceInfo) -> bool {
    let serial = info.discipline == Discipline::Fcfs && !info.unit.starts_with("bytes");
    serial || info.is_delay()
}

/// Nobody is served for longer than all that his requests take: what a fit says beyond `most` belongs to the others, as
/// far as they may have it. What is left then is returned.
pub(super) fn bound(demand: &mut [f64], most: &[f64], rates: &[f64]) -> f64 {
    let load = |d: &[f64]| -> f64 { d.iter().zip(rates).map(|(d, l)| d * l).sum() };
    let before = load(demand);
    let free: Vec<bool> = demand.iter().zip(most).map(|(d, m)| d < m).collect();
    demand
        .iter_mut()
        .zip(most)
        .for_each(|(d, m)| *d = d.min(*m));
    let surplus = before - load(demand);
    let others: Vec<f64> = free
        .iter()
        .zip(&*demand)
        .map(|(f, d)| if *f { *d } else { 0.0 })
        .collect();
    let others = load(&others);
    if surplus > 0.0 && others > 0.0 {
        let more = 1.0 + surplus / others;
        for ((d, most), _) in demand.iter_mut().zip(most).zip(&free).filter(|x| *x.1) {
            *d = (*d * more).min(*most);
        }
    }
    (before - load(demand)).max(0.0)
}

fn take(f: &Fin, open: &[usize], crowd: &Crowd, measured: bool, c: &mut Draft) {
    let crowded = crowd.places(open.len());
    for (i, &r) in open.iter().enumerate() {
        let before = c.demand[r];
        let mean = before.mean + f.demand[i];
        let sd = (before.sd.powi(2) + f.sd[i].powi(2)).sqrt();
        let grade = match (before.mean > f.demand[i], crowded[i]) {
            (true, _) => before.grade,
            (false, true) => Grade::Prior,
            (false, false) => Grade::Regression,
        };
        // The report's variance, relative to the larger mean.
        let scv = before
            .scv
            .map(|s| s * (before.mean / mean.max(1e-300)).powi(2));
        c.set(r, mean, sd, scv, grade);
    }
    c.background += f.background;
    c.background_sd = if measured {
        f.background_sd
    } else {
        f.background_sd.max(0.05 * f.background)
    };
}

#[cfg(test)]
mod tests {
    use super::bound;

    #[test]
    fn nobody_is_served_for_longer_than_he_takes() {
        let mut demand = [0.1, 0.02, 0.0];
        let left = bound(&mut demand, &[0.01, 0.05, 0.05], &[1.0, 10.0, 1.0]);
        assert!(left < 1e-12);
        // 0.09 too much at 1/s is 0.009 more at 10/s.
        assert_eq!((demand[0], demand[2]), (0.01, 0.0));
        assert!((demand[1] - 0.029).abs() < 1e-12, "{demand:?}");
        let mut fine = [0.01, 0.02];
        assert_eq!(bound(&mut fine, &[0.02, 0.05], &[1.0, 1.0]), 0.0);
        assert_eq!(fine, [0.01, 0.02]);
        let mut alone = [0.1];
        assert!((bound(&mut alone, &[0.01], &[2.0]) - 0.18).abs() < 1e-12);
    }
}
