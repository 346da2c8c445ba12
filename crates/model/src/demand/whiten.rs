//! Takes the memory out of residuals, so that a slow drift counts once and not three hundred times.

/// Coefficients `[1, -phi_1, ..]` of the filter that whitens `r`: autoregressive of order 6 at most, Yule-Walker
/// equations by Levinson's recursion. No filter (`[1]`) when the estimate is unusable.
pub fn ar_filter(r: &[f64], order: usize) -> Vec<f64> {
    let n = r.len();
    let p = order.min((n / 15).max(1));
    if n < 8 {
        return vec![1.0];
    }
    let mean = r.iter().sum::<f64>() / n as f64;
    let cov = |lag: usize| {
        r[lag..]
            .iter()
            .zip(r)
            .map(|(a, b)| (a - mean) * (b - mean))
            .sum::<f64>()
            / n as f64
    };
    // A little white noise keeps the equations well-conditioned.
    let c0 = cov(0) * 1.01 + 1e-15;
    let mut phi: Vec<f64> = Vec::with_capacity(p);
    let mut error = c0;
    for k in 1..=p {
        let predicted: f64 = phi
            .iter()
            .enumerate()
            .map(|(j, f)| f * cov(k - 1 - j))
            .sum();
        let reflection = (cov(k) - predicted) / error;
        let previous = phi.clone();
        for (j, f) in phi.iter_mut().enumerate() {
            *f -= reflection * previous[k - 2 - j];
        }
        phi.push(reflection);
        error *= 1.0 - reflection * reflection;
        if error.is_nan() || error <= 0.0 {
            return vec![1.0];
        }
    }
    if phi.iter().map(|f| f.abs()).sum::<f64>() > 3.0 {
        return vec![1.0];
    }
    std::iter::once(1.0).chain(phi.iter().map(|f| -f)).collect()
}

/// `out[t] = sum_j a[j] x[t - j]` for `t >= a.len() - 1`.
pub fn filter(a: &[f64], x: &[f64]) -> Vec<f64> {
    let p = a.len() - 1;
    let mut out = vec![0.0; x.len().saturating_sub(p)];
    for (j, c) in a.iter().enumerate() {
        for (o, v) in out.iter_mut().zip(&x[p - j..]) {
            *o += c * v;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_finds_a_known_memory() {
        let (mut x, mut state, mut last) = (Vec::new(), 12345u64, 0.0);
        for _ in 0..4000 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let noise = (state >> 33) as f64 / (1u64 << 31) as f64 - 0.5;
            last = 0.7 * last + noise;
            x.push(last);
        }
        let a = ar_filter(&x, 6);
        assert!((a[1] + 0.7).abs() < 0.06, "{a:?}");
        assert!(a[2..].iter().all(|c| c.abs() < 0.08), "{a:?}");
    }
}
