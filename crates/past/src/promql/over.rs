//! What a range of samples becomes. Rates go on to the edges of the range as Prometheus' do.

/// Samples from `from_ms` until `to_ms`; at least one.
pub struct Samples<'a> {
    pub at_ms: &'a [i64],
    pub values: &'a [f64],
    pub from_ms: i64,
    pub to_ms: i64,
}

/// `None`: there are too few samples.
pub type Over = fn(&Samples<'_>) -> Option<f64>;

pub fn newest(s: &Samples<'_>) -> Option<f64> {
    s.values.last().copied()
}

pub fn rate(s: &Samples<'_>) -> Option<f64> {
    Some(extrapolated(s, true)? * 1000.0 / (s.to_ms - s.from_ms) as f64)
}

pub fn increase(s: &Samples<'_>) -> Option<f64> {
    extrapolated(s, true)
}

pub fn delta(s: &Samples<'_>) -> Option<f64> {
    extrapolated(s, false)
}

pub fn irate(s: &Samples<'_>) -> Option<f64> {
    let [.., a, b] = s.values else { return None };
    let [.., from, to] = s.at_ms else { return None };
    Some((b - a) * 1000.0 / (to - from) as f64)
}

/// The difference of the outer samples, for the whole range. Our counters never go back.
fn extrapolated(s: &Samples<'_>, counter: bool) -> Option<f64> {
    let ([first, .., last], [began, .., ended]) = (s.values, s.at_ms) else {
        return None;
    };
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let (difference, sampled) = (last - first, seconds(ended - began));
    let average = sampled / (s.values.len() - 1) as f64;
    // A sample that is about one step away from the edge is taken to be the edge's.
    let near = average * 1.1;
    let to_edge = |gap: f64| if gap >= near { average / 2.0 } else { gap };
    let mut to_start = seconds(began - s.from_ms);
    if counter && difference > 0.0 && *first >= 0.0 {
        // A counter was not below zero.
        to_start = to_start.min(sampled * (first / difference));
    }
    let (to_start, to_end) = (to_edge(to_start), to_edge(seconds(s.to_ms - ended)));
    Some(difference * ((sampled + to_start + to_end) / sampled))
}

pub fn sum(s: &Samples<'_>) -> Option<f64> {
    Some(s.values.iter().sum())
}

pub fn avg(s: &Samples<'_>) -> Option<f64> {
    Some(s.values.iter().sum::<f64>() / s.values.len() as f64)
}

pub fn min(s: &Samples<'_>) -> Option<f64> {
    s.values.iter().copied().reduce(f64::min)
}

pub fn max(s: &Samples<'_>) -> Option<f64> {
    s.values.iter().copied().reduce(f64::max)
}

pub fn count(s: &Samples<'_>) -> Option<f64> {
    Some(s.values.len() as f64)
}

pub fn last(s: &Samples<'_>) -> Option<f64> {
    newest(s)
}
