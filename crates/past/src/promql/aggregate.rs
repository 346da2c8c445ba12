//! Many lines become one for each group, or the largest of each group stay.

use super::ast::{Grouping, How};
use super::{ABSENT, Labels, Line, is_there};
use std::collections::BTreeMap;

/// The labels that count.
pub fn grouped(labels: &Labels, grouping: &Grouping) -> Labels {
    let counts = |l: &&(String, String)| grouping.labels.contains(&l.0) != grouping.without;
    labels.iter().filter(counts).cloned().collect()
}

pub fn aggregate(how: How, k: Option<&[f64]>, lines: Vec<Line>, grouping: &Grouping) -> Vec<Line> {
    let mut groups: BTreeMap<Labels, Vec<Line>> = BTreeMap::new();
    for line in lines {
        let of = grouped(&line.labels, grouping);
        groups.entry(of).or_default().push(line);
    }
    match k {
        Some(k) => (groups.into_values())
            .flat_map(|lines| choose(how, k, lines))
            .collect(),
        None => (groups.into_iter())
            .map(|(labels, lines)| together(how, labels, &lines))
            .collect(),
    }
}

fn together(how: How, labels: Labels, lines: &[Line]) -> Line {
    let steps = lines.first().map_or(0, |l| l.values.len());
    let at = |i: usize| {
        let there = || lines.iter().map(|l| l.values[i]).filter(|v| is_there(*v));
        let n = there().count() as f64;
        if n == 0.0 {
            return ABSENT;
        }
        match how {
            How::Avg => there().sum::<f64>() / n,
            How::Count => n,
            How::Min => there().fold(f64::NAN, f64::min),
            How::Max => there().fold(f64::NAN, f64::max),
            _ => there().sum(),
        }
    };
    Line {
        name: None,
        labels,
        values: (0..steps).map(at).collect(),
    }
}

/// At each step the `k` largest (or smallest) stay.
fn choose(how: How, k: &[f64], mut lines: Vec<Line>) -> Vec<Line> {
    let mut order: Vec<usize> = Vec::with_capacity(lines.len());
    for (i, k) in k.iter().enumerate() {
        order.clear();
        order.extend((0..lines.len()).filter(|l| is_there(lines[*l].values[i])));
        // NaN is the last in either order.
        let key = |l: &usize| match (how, lines[*l].values[i]) {
            (_, v) if v.is_nan() => f64::INFINITY,
            (How::BottomK, v) => v,
            (_, v) => -v,
        };
        order.sort_by(|a, b| key(a).total_cmp(&key(b)));
        let stay = if *k >= 1.0 { *k as usize } else { 0 };
        for l in order.drain(..).skip(stay) {
            lines[l].values[i] = ABSENT;
        }
    }
    lines.retain(|l| l.values.iter().any(|v| is_there(*v)));
    lines
}
