//! Shares with their intervals, and quantiles.

/// `k` of `n` as a share with its 95 % interval (Wilson).
pub fn share(k: usize, n: usize) -> String {
    if n == 0 {
        return "—".into();
    }
    let (low, high) = interval(k, n);
    format!(
        "{:.1} % ({:.1}–{:.1}), {k} of {n}",
        100.0 * k as f64 / n as f64,
        100.0 * low,
        100.0 * high
    )
}

/// Wilson's 95 % interval of a share.
pub fn interval(k: usize, n: usize) -> (f64, f64) {
    const Z: f64 = 1.96;
    let (n, p) = (n as f64, k as f64 / n as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + Z * Z / n;
    (
        ((middle - half) / whole).max(0.0),
        ((middle + half) / whole).min(1.0),
    )
}

/// The `q` quantile of values in any order; 0 of none.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    let at = q * v.len().saturating_sub(1) as f64;
    let (Some(low), Some(high)) = (v.get(at.floor() as usize), v.get(at.ceil() as usize)) else {
        return 0.0;
    };
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_wilsons() {
        let (low, high) = interval(0, 100);
        assert!(low == 0.0 && (high - 0.037).abs() < 0.001, "{high}");
        let (low, high) = interval(50, 100);
        assert!((low - 0.404).abs() < 0.001 && (high - 0.596).abs() < 0.001);
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
    }
}
