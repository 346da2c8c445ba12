//! The metric that leaves its usual range most while requests are slow: the robust scorer of BARO (Pham, Ha and Zhang, "BARO:
//! robust root cause analysis for microservices", FSE 2024): distance from the median, in interquartile ranges. What it calls
//! abnormal is found by change points there; here, where nothing has changed, it is the slowest tenth of the seconds.

use super::signals;
use base::History;

/// Share of the seconds that count as abnormal.
const SLOWEST: f64 = 0.1;
/// Fewer seconds have no usual range.
const LEAST: usize = 20;

/// The resource with the highest score.
pub fn most_deviant(history: &History) -> Option<usize> {
    let (latency, signals) = signals(history);
    if latency.len() < LEAST {
        return None;
    }
    let from = quantile(&latency, 1.0 - SLOWEST);
    let scores = signals.iter().map(|s| {
        let part = |slow: bool| {
            let both = latency.iter().zip(s);
            let of: Vec<f64> = both
                .filter(|(l, _)| (**l >= from) == slow)
                .map(|x| *x.1)
                .collect();
            of
        };
        score(&part(false), &part(true))
    });
    let best = scores.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 > 0.0).then_some(best.0)
}

/// How far the farthest abnormal value is above the usual; 0 where the usual does not move.
fn score(usual: &[f64], abnormal: &[f64]) -> f64 {
    let range = quantile(usual, 0.75) - quantile(usual, 0.25);
    let most = abnormal.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match range > 0.0 && most.is_finite() {
        true => (most - quantile(usual, 0.5)) / range,
        false => 0.0,
    }
}

fn quantile(values: &[f64], q: f64) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    let at = (q * v.len() as f64) as usize;
    v.get(at.min(v.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    #[test]
    fn what_leaves_its_range_in_slow_seconds_is_named() {
        let seconds: Vec<(f64, [f64; 2])> = (0..100)
            .map(|t| {
                let slow = t % 10 == 0;
                let usual = 0.01 * f64::from(t % 4);
                (
                    if slow { 0.5 } else { 0.01 },
                    [0.5 + usual, if slow { 0.9 } else { usual }],
                )
            })
            .collect();
        let of = seconds
            .iter()
            .map(|(each, busy)| (&[10.0][..], *each, &busy[..]));
        assert_eq!(
            most_deviant(&made::history(&["cpu.a", "disk.a"], of)),
            Some(1)
        );
        assert_eq!(score(&[1.0, 1.0, 1.0], &[9.0]), 0.0, "a range of nothing");
    }
}
