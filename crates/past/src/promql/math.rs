//! Functions of one value, and of numbers beside it.

use super::{Line, Refused, is_there, once};

pub type Map = fn(f64, &[f64]) -> f64;

/// Changes every value that is there; names go, as the values are others.
pub fn each(
    mut lines: Vec<Line>,
    map: impl Fn(f64, &[f64]) -> f64,
    numbers: &[Vec<f64>],
) -> Result<Vec<Line>, Refused> {
    let mut beside = vec![0.0; numbers.len()];
    for line in &mut lines {
        line.name = None;
        for (i, v) in line.values.iter_mut().enumerate() {
            if is_there(*v) {
                beside.iter_mut().zip(numbers).for_each(|(b, n)| *b = n[i]);
                *v = map(*v, &beside);
            }
        }
    }
    once(&lines).map(|()| lines)
}

pub fn abs(x: f64, _: &[f64]) -> f64 {
    x.abs()
}

pub fn ceil(x: f64, _: &[f64]) -> f64 {
    x.ceil()
}

pub fn floor(x: f64, _: &[f64]) -> f64 {
    x.floor()
}

pub fn sqrt(x: f64, _: &[f64]) -> f64 {
    x.sqrt()
}

pub fn ln(x: f64, _: &[f64]) -> f64 {
    x.ln()
}

/// To the nearest multiple, halves upwards.
pub fn round(x: f64, to: &[f64]) -> f64 {
    let inverse = 1.0 / to.first().copied().unwrap_or(1.0);
    (x * inverse + 0.5).floor() / inverse
}

pub fn clamp(x: f64, of: &[f64]) -> f64 {
    match of {
        [low, high] if low.is_nan() || high.is_nan() || low > high => f64::NAN,
        [low, high] => low.max(high.min(x)),
        _ => x,
    }
}

pub fn clamp_min(x: f64, of: &[f64]) -> f64 {
    of.first().map_or(x, |low| low.max(x))
}

pub fn clamp_max(x: f64, of: &[f64]) -> f64 {
    of.first().map_or(x, |high| high.min(x))
}
