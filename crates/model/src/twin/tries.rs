//! Tries that fail and are made again, when only their mean number is known.

/// Tries of one request that are simulated, at most.
pub const MOST: usize = 4;
/// A mean number of tries up to here is one try: the edges of what was watched make as much.
pub const ONE: f64 = 1.02;

/// The probability that one more try follows, so that the mean number is `tries`: each is as likely to fail as any other.
pub fn again(tries: f64) -> f64 {
    if tries <= ONE {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let p: f64 = (low + high) / 2.0;
        let mean: f64 = (0..MOST).map(|n| p.powi(n as i32)).sum();
        if mean < tries { low = p } else { high = p }
    }
    low
}

/// Variance of that number.
pub fn variance(tries: f64) -> f64 {
    let p = again(tries);
    let sum =
        |f: &dyn Fn(f64) -> f64| -> f64 { (0..MOST).map(|n| f(n as f64) * p.powi(n as i32)).sum() };
    let (mean, square) = (sum(&|_| 1.0), sum(&|n| 2.0 * n + 1.0));
    square - mean * mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_number_is_the_one_asked_for() {
        let p = again(1.75);
        assert!((1.0 + p + p * p + p * p * p - 1.75).abs() < 1e-6);
        assert_eq!((again(1.0), variance(1.0)), (0.0, 0.0));
        // Two of four tries fail for sure: no more than four are ever made.
        assert!((again(9.0) - 1.0).abs() < 1e-6 && variance(9.0).abs() < 1e-3);
        assert!(variance(1.75) > 0.5);
    }
}
