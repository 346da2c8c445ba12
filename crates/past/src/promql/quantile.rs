//! `histogram_quantile`, as Prometheus computes it from buckets with an `le`.

use super::{ABSENT, Labels, Line, is_there};
use std::collections::BTreeMap;

pub fn quantile(q: &[f64], lines: Vec<Line>) -> Vec<Line> {
    let mut groups: BTreeMap<Labels, Vec<(f64, Vec<f64>)>> = BTreeMap::new();
    for mut line in lines {
        let le = line.labels.iter().position(|l| l.0 == "le");
        let Some(le) = le.map(|at| line.labels.remove(at)) else {
            continue;
        };
        let bound = match le.1.as_str() {
            "+Inf" => f64::INFINITY,
            other => match other.parse() {
                Ok(bound) => bound,
                Err(_) => continue,
            },
        };
        let group = groups.entry(line.labels).or_default();
        group.push((bound, line.values));
    }
    let mut all = Vec::new();
    for (labels, mut buckets) in groups {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let at = |i: usize| {
            let there: Vec<(f64, f64)> = (buckets.iter())
                .map(|b| (b.0, b.1[i]))
                .filter(|b| is_there(b.1))
                .collect();
            match there.is_empty() {
                true => ABSENT,
                false => of(q[i], there),
            }
        };
        all.push(Line {
            name: None,
            labels,
            values: (0..q.len()).map(at).collect(),
        });
    }
    all
}

/// Upper bounds with what lies at or below them, ascending.
fn of(q: f64, mut buckets: Vec<(f64, f64)>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // Rates of buckets may differ by rounding: none may be below the one before.
    let mut most = f64::NEG_INFINITY;
    for b in &mut buckets {
        most = most.max(b.1);
        b.1 = most;
    }
    let Some(last) = buckets.len().checked_sub(1) else {
        return f64::NAN;
    };
    let all = buckets[last].1;
    if !buckets[last].0.is_infinite() || last == 0 || all.is_nan() || all == 0.0 {
        return f64::NAN;
    }
    let mut rank = q * all;
    let b = buckets[..last]
        .iter()
        .position(|b| b.1 >= rank)
        .unwrap_or(last);
    if b == last {
        return buckets[last - 1].0;
    }
    let (end, mut count) = buckets[b];
    if b == 0 && end <= 0.0 {
        return end;
    }
    let mut start = 0.0;
    if b > 0 {
        start = buckets[b - 1].0;
        count -= buckets[b - 1].1;
        rank -= buckets[b - 1].1;
    }
    start + (end - start) * (rank / count)
}
