//! The metric that moves most like the latency: the simplest of what locates causes by correlation (Cohen, Goldszmidt, Kelly,
//! Symons and Chase, "Correlating instrumentation data to system states", OSDI 2004, compare such models).

use super::signals;
use base::History;

/// The resource whose use correlates most with the mean latency, second by second.
pub fn most_correlated(history: &History) -> Option<usize> {
    let (latency, signals) = signals(history);
    let all = signals.iter().map(|s| pearson(&latency, s));
    let best = all.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 > 0.0).then_some(best.0)
}

/// Pearson's coefficient; 0 where one of them does not move.
fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len().max(1) as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (mx, my) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        xy += (a - mx) * (b - my);
        xx += (a - mx).powi(2);
        yy += (b - my).powi(2);
    }
    if xx * yy > 0.0 {
        xy / (xx * yy).sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    #[test]
    fn what_moves_with_the_latency_is_named() {
        // The processor is busier throughout; only the lock follows the latency.
        let seconds: Vec<(f64, [f64; 2])> = (0..60)
            .map(|t| {
                let slow = f64::from(t % 7);
                (
                    0.01 + 0.01 * slow,
                    [0.6 + 0.01 * f64::from(t % 5), 0.05 * slow],
                )
            })
            .collect();
        let of = seconds
            .iter()
            .map(|(each, busy)| (&[10.0][..], *each, &busy[..]));
        assert_eq!(
            most_correlated(&made::history(&["cpu.a", "lock.a.b"], of)),
            Some(1)
        );
        assert!((pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-12);
        assert_eq!(pearson(&[1.0, 2.0], &[3.0, 3.0]), 0.0);
    }
}
