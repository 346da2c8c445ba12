//! Notices that a resource's demands changed inside the span: the best step in the ratio of measured to expected use.
//! Not a CUSUM on whitened innovations: a filter fitted on residuals that hold the step removes most of it.

use super::whiten::{ar_filter, filter};

/// One usable second: when, what the fit expects, and what is left over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    pub second: usize,
    pub expected: f64,
    pub residual: f64,
}

/// Standard errors that the step must exceed, the best of all places taken.
const BOUND: f64 = 5.0;
/// And how large it must be, relative to the expected use. A background that is not measured drifts by itself.
const LARGE: f64 = 0.15;
const LARGE_BLIND: f64 = 0.4;
/// Seconds needed on either side.
const SIDE: usize = 30;
/// Places tried around the likeliest one.
const AROUND: [isize; 5] = [-6, -3, 0, 3, 6];

/// The second at which the use changed for good.
pub fn changed_at(left: &[Left], measured: bool) -> Option<usize> {
    let n = left.len();
    if n < 2 * SIDE {
        return None;
    }
    let large = if measured { LARGE } else { LARGE_BLIND };
    let likely = likely(left);
    let best = AROUND
        .iter()
        .map(|d| likely.saturating_add_signed(*d).clamp(SIDE, n - SIDE))
        .filter_map(|s| step(left, s).map(|(t, size)| (t, size, s)))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > BOUND && best.1 > large).then(|| left[best.2].second)
}

/// Where the running sum of what is left over strays furthest: the classic place to look for a step.
fn likely(left: &[Left]) -> usize {
    let n = left.len() as f64;
    let whole: f64 = left.iter().map(|l| l.expected).sum();
    let mean = left.iter().map(|l| l.residual).sum::<f64>() / whole.max(1e-300);
    let (mut sum, mut best) = (0.0, (0.0, left.len() / 2));
    for (i, l) in left.iter().enumerate() {
        let at = i as f64;
        let size = f64::abs(sum) / (at * (n - at)).max(1.0).sqrt();
        if (SIDE..left.len() - SIDE).contains(&i) && size > best.0 {
            best = (size, i);
        }
        sum += l.residual - mean * l.expected;
    }
    best.1
}

/// Size of a step at `s` in standard errors, and relative to the expected use.
fn step(left: &[Left], s: usize) -> Option<(f64, f64)> {
    let ratio = |part: &[Left]| {
        let e: f64 = part.iter().map(|l| l.expected).sum();
        part.iter().map(|l| l.residual).sum::<f64>() / e.max(1e-300)
    };
    let (before, after) = (ratio(&left[..s]), ratio(&left[s..]));
    let flat: Vec<f64> = left
        .iter()
        .enumerate()
        .map(|(i, l)| l.residual - if i < s { before } else { after } * l.expected)
        .collect();
    let a = ar_filter(&flat, 6);
    let column = |late: bool| -> Vec<f64> {
        let v: Vec<f64> = (0..left.len())
            .map(|i| {
                if (i >= s) == late {
                    left[i].expected
                } else {
                    0.0
                }
            })
            .collect();
        filter(&a, &v)
    };
    let (x, y) = (column(false), column(true));
    let r = filter(&a, &left.iter().map(|l| l.residual).collect::<Vec<_>>());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(p, q)| p * q).sum::<f64>();
    let (xx, xy, yy) = (dot(&x, &x), dot(&x, &y), dot(&y, &y));
    let det = xx * yy - xy * xy;
    if det <= 1e-12 * xx * yy {
        return None;
    }
    let (xr, yr) = (dot(&x, &r), dot(&y, &r));
    let (p, q) = ((yy * xr - xy * yr) / det, (xx * yr - xy * xr) / det);
    let rest: f64 = (0..r.len())
        .map(|i| (r[i] - p * x[i] - q * y[i]).powi(2))
        .sum();
    let noise = rest / (r.len() as f64 - 2.0).max(1.0);
    let se = (noise * (xx + yy + 2.0 * xy) / det).sqrt();
    let size = (q - p).abs();
    Some((size / se.max(1e-300), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_found_near_its_start_and_noise_is_not() {
        let mut state = 9u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let u = |s: u64| (s & 0xffff) as f64 / 65536.0;
            u(state >> 16) + u(state >> 32) + u(state >> 48) + u(state >> 8) - 2.0
        };
        let mut one = |second: usize, shift: f64| Left {
            second,
            expected: 1.0,
            residual: 0.4 * noise() + if second >= 200 { shift } else { 0.0 },
        };
        for _ in 0..20 {
            let quiet: Vec<Left> = (0..300).map(|t| one(t, 0.0)).collect();
            assert_eq!(changed_at(&quiet, true), None);
        }
        let shifted: Vec<Left> = (0..300).map(|t| one(t, 0.4)).collect();
        let at = changed_at(&shifted, true).expect("a shift of almost two deviations");
        assert!((190..=210).contains(&at), "{at}");
    }
}
