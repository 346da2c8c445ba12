//! Bounds that hold at every look, however often one looks (Ville's inequality), so that a trial may be ended
//! the moment it is decided.

use super::Harm;

/// Points of the mixture over how much worse the new arm may be.
const POINTS: usize = 256;

/// Evidence that failures fall on the new arm more often than its traffic explains, by at least `margin`
/// (0.1: a tenth more than on the base). Under "no harm" it exceeds `1 / alpha` at any look with probability
/// at most `alpha`.
///
/// Each failure is on the new arm with probability `q` if both arms fail alike (`q` its share of requests): the
/// likelihood ratio against every `theta > q`, averaged evenly, is a non-negative supermartingale.
pub fn harm_evidence(base: (u64, u64), new: (u64, u64), margin: f64) -> f64 {
    let ((base_n, base_bad), (new_n, new_bad)) = (base, new);
    if base_n == 0 || new_n == 0 {
        return 0.0;
    }
    let (a, b) = (new_n as f64 * (1.0 + margin), base_n as f64);
    let q = a / (a + b);
    let (x, y) = (new_bad as f64, base_bad as f64);
    let logs: Vec<f64> = (0..POINTS)
        .map(|i| {
            let theta = q + (1.0 - q) * (i as f64 + 0.5) / POINTS as f64;
            x * (theta / q).ln() + y * ((1.0 - theta) / (1.0 - q)).ln()
        })
        .collect();
    let top = logs.iter().copied().fold(f64::MIN, f64::max);
    let mean = logs.iter().map(|l| (l - top).exp()).sum::<f64>() / POINTS as f64;
    (top + mean.ln()).min(700.0).exp()
}

/// Errors and slow requests of two arms; the word for the first that is proven worse.
pub fn harmed(base: &Harm, new: &Harm, alpha: f64, margin: f64) -> Option<&'static str> {
    // Two tests share the risk.
    let enough = 2.0 / alpha;
    let pairs = [
        ("errors", base.errors, new.errors),
        ("slow requests", base.slow, new.slow),
    ];
    pairs.into_iter().find_map(|(what, b, n)| {
        let e = harm_evidence((base.requests, b), (new.requests, n), margin);
        (e >= enough).then_some(what)
    })
}

/// Half-width, in standard errors, of an interval for a mean that holds at all looks together with
/// probability `1 - alpha` (asymptotic confidence sequence, Waudby-Smith and Ramdas), tightest near `best_n`.
pub fn sequence_width(n: f64, alpha: f64, best_n: f64) -> f64 {
    let l = -2.0 * alpha.ln();
    let rho2 = (l + l.ln() + 1.0) / best_n.max(1.0);
    let t = (n * rho2).max(1e-9);
    (2.0 * (t + 1.0) / t * ((t + 1.0).sqrt() / alpha).ln()).sqrt()
}
