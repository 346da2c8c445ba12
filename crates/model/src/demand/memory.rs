//! Memory by requests in flight: `level = a + drift t + sum_r b_r N_r`. What a request of route `r` holds while it is in flight
//! is `b_r` bytes, so that its demand is `b_r R_r` byte-seconds of a capacity in bytes, and the level that traffic needs is
//! linear in its rate like every other load. Levels are read at a second's end, and compared with what is in flight at that moment:
//! those that began less those that ended. What is in flight in the mean of a second tells next to nothing of requests of a quarter of one.

use super::Series;
use super::nnls::nnls;
use nalgebra::{DMatrix, DVector};

/// Fewer seconds tell nothing.
const SECONDS: usize = 60;
/// A slope counts from this many standard errors (by ten blocks left out in turn) ...
const STANDS_OUT: f64 = 3.0;
/// ... when what requests hold at most is this share of the level.
const MATTERS: f64 = 0.02;
/// How far a route's own slope may lie from the common one (one standard deviation, of that).
const APART: f64 = 2.0;
const BLOCKS: usize = 10;
/// Seconds on either side in which what was counted agrees with the means.
const NEAR: usize = 10;

/// What requests hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Bytes that no request holds, with its standard error.
    pub base: f64,
    pub base_sd: f64,
    /// Bytes that one request in flight holds, all routes together.
    pub each: f64,
    /// Relative standard error of `each`.
    pub error: f64,
    /// By row: bytes per request in flight.
    pub rows: Vec<f64>,
    /// Bytes per second that the level grows by, whatever is in flight.
    pub drift: f64,
}

/// What is in flight of route `r` as each second ends.
fn at_end(series: &Series, r: usize) -> Vec<f64> {
    let mean: Vec<f64> = (0..series.seconds).map(|t| around(series, r, t)).collect();
    if series.more[r].iter().all(|m| *m == 0.0) {
        return mean;
    }
    let began = |sum: &mut f64, more: &f64| {
        *sum += more;
        Some(*sum)
    };
    let counted: Vec<f64> = series.more[r].iter().scan(0.0, began).collect();
    // How many there were at first nobody knows, and of requests that last long the beginning may be missing: within a short while
    // the counts must agree with the means.
    let off = |t: usize| {
        let near = nearby(&series.present, t);
        let n = near.len() as f64;
        near.map(|u| counted[u] - mean[u]).sum::<f64>() / n
    };
    (0..series.seconds).map(|t| counted[t] - off(t)).collect()
}

/// The seconds around `t` with nothing missing between.
fn nearby(present: &[bool], t: usize) -> std::ops::Range<usize> {
    let there = |u: &usize| present.get(*u) == Some(&true);
    let before = (t.saturating_sub(NEAR)..t).rev().take_while(there).count();
    let after = (t + 1..=t + NEAR).take_while(there).count();
    t - before..t + 1 + after
}

/// Mean of route `r` in the two seconds that meet at the end of second `t`.
fn around(series: &Series, r: usize, t: usize) -> f64 {
    let there = series.present.get(t + 1) != Some(&false);
    let own = series.in_flight[r][t];
    match series.in_flight[r].get(t + 1).filter(|_| there) {
        Some(next) => (own + next) / 2.0,
        None => own,
    }
}

/// `rows` are the routes that may hold it. `None`: the level does not follow what is in flight.
pub fn held(series: &Series, level: &[f64], seconds: &[usize], rows: &[usize]) -> Option<Held> {
    let n = seconds.len();
    if n < SECONDS || rows.is_empty() {
        return None;
    }
    let flying: Vec<Vec<f64>> = rows.iter().map(|&r| at_end(series, r)).collect();
    let sum = |t: usize| flying.iter().map(|of| of[t]).sum::<f64>();
    let all: Vec<[f64; 3]> = seconds
        .iter()
        .enumerate()
        .map(|(i, &t)| [i as f64 / n as f64, sum(t), level[t]])
        .collect();
    let (each, drift) = slopes(&all, None)?;
    let without: Vec<f64> = (0..BLOCKS)
        .filter_map(|b| Some(slopes(&all, Some(b))?.0))
        .collect();
    let g = without.len() as f64;
    let center = without.iter().sum::<f64>() / g.max(1.0);
    let spread: f64 = without.iter().map(|v| (v - center).powi(2)).sum();
    let sd = ((g - 1.0).max(0.0) / g.max(1.0) * spread).sqrt();
    let mean = |i: usize| all.iter().map(|v| v[i]).sum::<f64>() / n as f64;
    let most = all.iter().map(|v| v[1]).fold(0.0, f64::max);
    if without.len() < BLOCKS || each < STANDS_OUT * sd || each * most < MATTERS * mean(2) {
        return None;
    }
    let own = by_route(&flying, seconds, &all, each, sd);
    let requests: f64 = rows
        .iter()
        .zip(&own)
        .map(|(&r, b)| b * seconds.iter().map(|&t| series.in_flight[r][t]).sum::<f64>() / n as f64)
        .sum();
    Some(Held {
        base: (mean(2) - requests).max(0.0),
        base_sd: sd * mean(1),
        each,
        error: sd / each,
        rows: own,
        drift: drift / n as f64,
    })
}

/// Slopes on what is in flight and on time, by least squares; `skip` leaves a tenth of the time out.
fn slopes(all: &[[f64; 3]], skip: Option<usize>) -> Option<(f64, f64)> {
    let kept = || {
        let block = move |i: usize| i * BLOCKS / all.len().max(1);
        let some = all.iter().enumerate();
        some.filter(move |(i, _)| Some(block(*i)) != skip)
            .map(|(_, v)| v)
    };
    let n = kept().count() as f64;
    let mean = |i: usize| kept().map(|v| v[i]).sum::<f64>() / n;
    let means = [mean(0), mean(1), mean(2)];
    let with =
        |i: usize, j: usize| -> f64 { kept().map(|v| (v[i] - means[i]) * (v[j] - means[j])).sum() };
    let det = with(0, 0) * with(1, 1) - with(0, 1).powi(2);
    // In flight that only grows with time cannot be told from a leak.
    if det <= 0.05 * with(0, 0) * with(1, 1) {
        return None;
    }
    let each = (with(1, 2) * with(0, 0) - with(0, 2) * with(0, 1)) / det;
    let drift = (with(0, 2) * with(1, 1) - with(1, 2) * with(0, 1)) / det;
    Some((each, drift))
}

/// Each route's own slope, drawn towards the common one as far as the routes cannot be told apart.
fn by_route(
    flying: &[Vec<f64>],
    seconds: &[usize],
    all: &[[f64; 3]],
    each: f64,
    sd: f64,
) -> Vec<f64> {
    let detrended = |v: Vec<f64>| -> Vec<f64> {
        let n = v.len() as f64;
        let (mv, mt) = (
            v.iter().sum::<f64>() / n,
            all.iter().map(|a| a[0]).sum::<f64>() / n,
        );
        let up: f64 = v.iter().zip(all).map(|(v, a)| (v - mv) * (a[0] - mt)).sum();
        let across: f64 = all.iter().map(|a| (a[0] - mt).powi(2)).sum();
        let slope = up / across.max(1e-12);
        v.iter()
            .zip(all)
            .map(|(v, a)| v - mv - slope * (a[0] - mt))
            .collect()
    };
    let y = detrended(all.iter().map(|a| a[2]).collect());
    let total = detrended(all.iter().map(|a| a[1]).collect());
    let x: Vec<Vec<f64>> = flying
        .iter()
        .map(|of| detrended(seconds.iter().map(|&t| of[t]).collect()))
        .collect();
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    // Noise per second as the blocks saw it: it is not independent from second to second.
    let noise = (sd * sd * dot(&total, &total)).max(1e-12 * each * each);
    let prior = noise / (APART * each).powi(2);
    let k = flying.len();
    let a = DMatrix::from_fn(k, k, |i, j| {
        dot(&x[i], &x[j]) + if i == j { prior } else { 0.0 }
    });
    let b = DVector::from_fn(k, |i, _| dot(&x[i], &y) + prior * each);
    let start = DVector::from_element(k, each);
    nnls(&a, &b, Some(&start)).iter().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    /// Two routes whose numbers in flight wander apart; the second one's requests hold 5 MB each.
    fn series(n: usize) -> Series {
        let mut s = Series::new(&base::History::default(), 0);
        s.seconds = n;
        let wave = |t: usize, period: f64| 3.0 + 2.0 * (t as f64 / period).sin();
        s.present = vec![true; n];
        s.more = vec![vec![0.0; n]; 2];
        s.in_flight = vec![
            (0..n).map(|t| wave(t, 3.0)).collect(),
            (0..n).map(|t| wave(t, 5.0)).collect(),
        ];
        s
    }

    fn level(s: &Series, drift: f64) -> Vec<f64> {
        let noise = |t: usize| ((t * 7919) % 13) as f64 / 13.0 - 0.5;
        (0..s.seconds)
            .map(|t| MB * (80.0 + 5.0 * s.in_flight[1][t] + 2.0 * noise(t)) + drift * t as f64)
            .collect()
    }

    #[test]
    fn what_a_request_holds_is_found_with_its_route() {
        let s = series(120);
        let seconds: Vec<usize> = (0..120).collect();
        let h = held(&s, &level(&s, 0.0), &seconds, &[0, 1]).unwrap();
        assert!((h.rows[1] / MB - 5.0).abs() < 0.3, "{h:?}");
        assert!(h.rows[0] / MB < 0.3, "{h:?}");
        assert!((h.base / MB - 80.0).abs() < 2.0, "{h:?}");
    }

    /// Requests of a quarter of a second that hold 10 MB, and the level as each second ends.
    #[test]
    fn what_short_requests_hold_is_not_halved() {
        let n = 300;
        let mut s = series(n);
        (s.in_flight, s.more) = (vec![vec![0.0; n]], vec![vec![0.0; n]]);
        let mut level = vec![20.0 * MB; n];
        let mut luck = 7u64;
        for _ in 0..8 * n {
            luck = luck
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let start = n as f64 * (luck >> 11) as f64 / (1u64 << 53) as f64;
            let end = start + 0.25;
            s.more[0][start as usize] += 1.0;
            if let Some(more) = s.more[0].get_mut(end as usize) {
                *more -= 1.0;
            }
            for (t, flying) in s.in_flight[0].iter_mut().enumerate() {
                let t = t as f64;
                *flying += (end.min(t + 1.0) - start.max(t)).max(0.0);
                if start <= t + 1.0 && t + 1.0 < end {
                    level[t as usize] += 10.0 * MB;
                }
            }
        }
        let seconds: Vec<usize> = (0..n).collect();
        let h = held(&s, &level, &seconds, &[0]).unwrap();
        assert!((h.each / MB - 10.0).abs() < 0.5 && h.error < 0.03, "{h:?}");
        assert!((h.base / MB - 20.0).abs() < 1.0, "{h:?}");
    }

    #[test]
    fn a_leak_is_no_use_of_requests() {
        let s = series(120);
        let seconds: Vec<usize> = (0..120).collect();
        let h = held(&s, &level(&s, 0.5 * MB), &seconds, &[0, 1]).unwrap();
        assert!(
            (h.drift / MB - 0.5).abs() < 0.1 && (h.rows[1] / MB - 5.0).abs() < 0.5,
            "{h:?}"
        );
        let flat: Vec<f64> = (0..120)
            .map(|t| 80.0 * MB + ((t * 31) % 7) as f64 * MB)
            .collect();
        assert_eq!(held(&s, &flat, &seconds, &[0, 1]), None);
        assert_eq!(held(&s, &level(&s, 0.0), &seconds[..50], &[0, 1]), None);
    }
}
