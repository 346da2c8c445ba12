//! Demands tracked by a Kalman filter: Zheng, Woodside and Litoiu, "Performance model estimation and tracking using optimal
//! filters", IEEE Transactions on Software Engineering 34(3), 2008; the utilisation law as LibReDE has it.
//!
//! State: the demands of all routes at one resource, a random walk. Observed: its busy time in a window, which is the sum of
//! completions times demands.

use super::{apportioned, completions};
use base::History;
use nalgebra::{DMatrix, DVector};

/// What a demand moves per window, of its first guess: the one free setting. They use a quarter of the guess for what changes
/// fast, and advise less for what stays.
const DRIFT: f64 = 0.01;

/// `demand[route][resource]` at the end, seconds. Windows of 5 to 10 s are usual.
pub fn kalman(history: &History, window_s: usize) -> Vec<Vec<f64>> {
    let (ends, busy) = completions(history, window_s);
    // The first guess is by response times, of which it is as unsure as large.
    let mut d = apportioned(history);
    for (k, busy) in busy.iter().enumerate() {
        let first: Vec<f64> = d.iter().map(|row| row[k]).collect();
        let last = track(&first, &ends, busy);
        for (row, v) in d.iter_mut().zip(last) {
            row[k] = v;
        }
    }
    d
}

/// One resource's demands, from a first guess.
fn track(first: &[f64], ends: &[Vec<f64>], busy: &[f64]) -> Vec<f64> {
    let n = first.len();
    let mut x = DVector::from_column_slice(first);
    let square = |share: f64| {
        let sd = x.map(|v| share * v.max(1e-9));
        DMatrix::from_diagonal(&sd.component_mul(&sd))
    };
    let (mut p, q) = (square(1.0), square(DRIFT));
    let noise = noise(busy);
    for (t, seen) in busy.iter().enumerate() {
        let h = DVector::from_fn(n, |r, _| {
            ends.get(r).and_then(|e| e.get(t)).copied().unwrap_or(0.0)
        });
        p += &q;
        let ph = &p * &h;
        let gain = &ph / (h.dot(&ph) + noise);
        let wrong = seen - h.dot(&x);
        x = (&x + &gain * wrong).map(|v| v.max(0.0));
        p -= &gain * ph.transpose();
    }
    x.iter().copied().collect()
}

/// Variance of a reading, as that of what one window differs from the next.
fn noise(busy: &[f64]) -> f64 {
    let n = busy.len().saturating_sub(1).max(1) as f64;
    let steps = busy.windows(2).map(|w| (w[1] - w[0]).powi(2));
    (steps.sum::<f64>() / (2.0 * n)).max(1e-12)
}

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    #[test]
    fn it_finds_what_two_routes_use() {
        // 3 ms and 12 ms; both take 20 ms to answer, so the first guess is that they use the same.
        let seconds: Vec<([f64; 2], [f64; 1])> = (0..300)
            .map(|t| {
                let n = [
                    20.0 + f64::from((t * 7) % 11),
                    10.0 + f64::from((t * 5) % 13),
                ];
                (n, [0.003 * n[0] + 0.012 * n[1]])
            })
            .collect();
        let of = seconds.iter().map(|(n, busy)| (&n[..], 0.02, &busy[..]));
        let h = made::history(&["cpu.a"], of);
        let (first, found) = (apportioned(&h), kalman(&h, 5));
        assert!((first[0][0] / first[1][0] - 1.0).abs() < 1e-9);
        for (row, truth) in found.iter().zip([0.003, 0.012]) {
            assert!((row[0] / truth - 1.0).abs() < 0.1, "{} for {truth}", row[0]);
        }
    }
}
