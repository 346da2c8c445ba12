//! How sure a share of bad answers is, when answers fail together.

use crate::counts::Sum;

/// Relative entropy of two Bernoulli shares.
fn kl(p: f64, q: f64) -> f64 {
    let part = |a: f64, b: f64| if a <= 0.0 { 0.0 } else { a * (a / b).ln() };
    part(p, q) + part(1.0 - p, 1.0 - q)
}

/// The largest share below the one seen that `total` answers would still show with a chance of `alpha`: true shares
/// lie above it with a chance of at least 1 - alpha.
///
/// Hoeffding, "Probability inequalities for sums of bounded random variables" (1963), theorem 1: the chance to see a
/// share `p` or more when the true one is `q` is at most `exp(-n kl(p, q))`. It asks for no independence beyond a
/// mean that never exceeds `q` given the past, holds for any `n`, and for counts that are no whole numbers.
pub fn lower(share: f64, total: f64, alpha: f64) -> f64 {
    limit(share, total, alpha, 0.0)
}

/// The same from above.
pub fn upper(share: f64, total: f64, alpha: f64) -> f64 {
    limit(share, total, alpha, 1.0)
}

/// Bisects between the share seen and `end` for `total * kl = ln(1 / alpha)`.
fn limit(share: f64, total: f64, alpha: f64, end: f64) -> f64 {
    if total <= 0.0 {
        return end;
    }
    let enough = -alpha.ln() / total;
    let (mut near, mut far) = (share.clamp(0.0, 1.0), end);
    for _ in 0..50 {
        let middle = 0.5 * (near + far);
        if kl(share, middle) < enough {
            near = middle;
        } else {
            far = middle;
        }
    }
    0.5 * (near + far)
}

/// How many times more answers it takes, at this share, until it is known to be above `threshold`.
pub fn needed(share: f64, threshold: f64, alpha: f64) -> Option<f64> {
    (share > threshold).then(|| -alpha.ln() / kl(share, threshold))
}

/// How many answers count as one, because they fail together: the variance of the share among blocks over that of
/// independent answers, the design effect of a ratio from clusters (Cochran, "Sampling Techniques", 1977, 6.3 and 9.2).
/// At least 1, and at most what makes each block one single event: a crash of an instance is one event, not a thousand.
pub fn dispersion(blocks: &[Sum]) -> f64 {
    let filled = || blocks.iter().filter(|b| b.total > 0);
    let (m, mut all, mut squares) = (filled().count(), Sum::default(), 0.0);
    for b in filled() {
        all.total += b.total;
        all.bad += b.bad;
        squares += (b.total as f64).powi(2);
    }
    let (n, p) = (all.total as f64, all.share());
    if n == 0.0 || p <= 0.0 {
        return 1.0;
    }
    if m < 2 || p >= 1.0 {
        // Nothing tells whether they fail together: so they do.
        return (squares / n).max(1.0);
    }
    let apart: f64 = filled()
        .map(|b| (b.bad as f64 - b.total as f64 * p).powi(2))
        .sum();
    let effect = apart * m as f64 / (m - 1) as f64 / (n * p * (1.0 - p));
    effect.clamp(1.0, (squares / n).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_close_in_and_hold() {
        // 1 of 3 at night tells nothing; 300 of 1000 tell much.
        assert!(lower(1.0 / 3.0, 3.0, 1e-6) < 1e-4);
        let sure = lower(0.3, 1000.0, 1e-6);
        assert!((0.22..0.27).contains(&sure), "{sure}");
        assert!(lower(0.0, 1000.0, 0.05) == 0.0 || lower(0.0, 1000.0, 0.05) < 1e-9);
        assert!(
            (upper(0.0, 300.0, 0.05) - 0.01).abs() < 0.0005,
            "the rule of three"
        );
        assert_eq!(upper(0.2, 0.0, 0.05), 1.0);
        let n = needed(0.02, 0.0144, 1e-6).unwrap();
        assert!(lower(0.02, n * 1.01, 1e-6) > 0.0144 && lower(0.02, n * 0.99, 1e-6) < 0.0144);
    }

    #[test]
    fn what_fails_together_counts_once() {
        let calm: Vec<Sum> = (0..30)
            .map(|i| Sum {
                total: 100,
                bad: i % 3,
            })
            .collect();
        assert_eq!(dispersion(&calm), 1.0);
        let mut crash = vec![Sum { total: 100, bad: 0 }; 30];
        crash[7].bad = 100;
        let d = dispersion(&crash);
        assert!(d > 90.0 && d <= 100.0, "one block is one event: {d}");
    }
}
