//! Bounds that hold at every look, however often one looks (Ville's inequality), so that a trial may be ended
//! the moment it is decided.

/// Points of the mixture over how much worse the new arm may be.
const POINTS: usize = 256;

/// Of one route: how many answers each arm gave, and how many of them were bad.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stratum {
    pub base: (u64, u64),
    pub new: (u64, u64),
}

/// Evidence that failures fall on the new arm more often than its traffic explains, by at least `margin`
/// (0.1: a tenth more than on the base). Under "no harm" it exceeds `1 / alpha` at any look with probability
/// at most `alpha`.
///
/// Within a route, each failure is on the new arm with probability `q` if both arms fail alike (`q` its share of
/// that route's requests). The alternative multiplies the odds of that by the same factor on every route: the
/// likelihood ratio, averaged over the factor, is a non-negative supermartingale. Routes are never pooled, since
/// arms may differ in their mix and routes in how often they fail.
pub fn harm_evidence(routes: &[Stratum], margin: f64) -> f64 {
    let known: Vec<(f64, f64, f64, f64)> = routes
        .iter()
        .filter(|s| s.base.0 > 0 && s.new.0 > 0)
        .map(|s| {
            (
                s.new.0 as f64 * (1.0 + margin),
                s.base.0 as f64,
                s.new.1 as f64,
                s.base.1 as f64,
            )
        })
        .collect();
    if known.is_empty() {
        return 0.0;
    }
    let log_at = |i: usize| {
        // From 1 (alike) to 512 times the odds.
        let odds = 1.0 / (1.0 - (i as f64 + 0.5) / POINTS as f64);
        let of = |&(a, b, x, y): &(f64, f64, f64, f64)| {
            let theta = odds * a / (odds * a + b);
            let q = a / (a + b);
            x * (theta / q).ln() + y * ((1.0 - theta) / (1.0 - q)).ln()
        };
        known.iter().map(of).sum::<f64>()
    };
    let logs: Vec<f64> = (0..POINTS).map(log_at).collect();
    let top = logs.iter().copied().fold(f64::MIN, f64::max);
    let mean = logs.iter().map(|l| (l - top).exp()).sum::<f64>() / POINTS as f64;
    (top + mean.ln()).min(700.0).exp()
}

/// Half-width, in standard errors, of an interval for a mean that holds at all looks together with
/// probability `1 - alpha` (asymptotic confidence sequence, Waudby-Smith and Ramdas), tightest near `best_n`.
pub fn sequence_width(n: f64, alpha: f64, best_n: f64) -> f64 {
    let l = -2.0 * alpha.ln();
    let rho2 = (l + l.ln() + 1.0) / best_n.max(1.0);
    let t = (n * rho2).max(1e-9);
    (2.0 * (t + 1.0) / t * ((t + 1.0).sqrt() / alpha).ln()).sqrt()
}
