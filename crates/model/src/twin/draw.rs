//! Random numbers that belong to a request, not to a sequence: the same request of the same seed draws
//! the same luck in every variant (common random numbers), however the variants differ.

use std::sync::OnceLock;

/// The splitmix64 finaliser: a well-mixed 64-bit hash of a counter.
#[inline]
pub fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform in (0, 1).
#[inline]
pub fn uniform(hash: u64) -> f64 {
    ((hash >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
}

/// Exponential with mean 1.
#[inline]
pub fn exponential(hash: u64) -> f64 {
    -uniform(hash).ln()
}

/// Standard normal (Box-Muller).
pub fn normal(hash: u64) -> f64 {
    let radius = (2.0 * exponential(hash)).sqrt();
    radius * (std::f64::consts::TAU * uniform(mix(hash))).cos()
}

/// Steps per octave of the squared coefficient of variation.
const PER_OCTAVE: f64 = 8.0;
const LOWEST: i32 = -48;
const HIGHEST: i32 = 32;
const LEVELS: usize = (HIGHEST - LOWEST + 1) as usize;
/// Table resolution and range in units of an exponential variate.
const PER_UNIT: usize = 32;
const UNITS: usize = 20;

/// A service time with mean 1: gamma up to a squared coefficient of variation of 1, log-normal above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread(u8);

impl Spread {
    /// Always the mean.
    pub const NONE: Spread = Spread(u8::MAX);

    /// The nearest of 81 levels between 1/64 and 16 (at most 4.5 % off); below 0.01 it is constant.
    pub fn new(scv: f64) -> Spread {
        if scv < 0.01 || scv.is_nan() {
            return Spread::NONE;
        }
        let level = (scv.log2() * PER_OCTAVE).round() as i32;
        Spread((level.clamp(LOWEST, HIGHEST) - LOWEST) as u8)
    }

    /// The table of this level; `None`: constant.
    pub fn table(self) -> Option<&'static [f32]> {
        static TABLES: [OnceLock<Box<[f32]>>; LEVELS] = [const { OnceLock::new() }; LEVELS];
        (self != Spread::NONE).then(|| {
            &**TABLES[self.0 as usize].get_or_init(|| {
                let scv = 2f64.powf((self.0 as i32 + LOWEST) as f64 / PER_OCTAVE);
                tabulate(scv)
            })
        })
    }
}

/// The value for an exponential variate `t`: tables run over `t`, so the far tail stays exact.
#[inline]
pub fn look_up(table: &[f32], t: f64) -> f64 {
    let at = t * PER_UNIT as f64;
    let i = (at as usize).min(table.len() - 2);
    let (a, b) = (table[i] as f64, table[i + 1] as f64);
    a + (b - a) * (at - i as f64).min(1.0)
}

/// Quantiles at `1 - exp(-t)` by integrating the density over the logarithm of the value.
fn tabulate(scv: f64) -> Box<[f32]> {
    const STEPS: usize = 6000;
    let (from, to) = (-14.0, 6.0);
    let dy = (to - from) / STEPS as f64;
    let weight = |y: f64| -> f64 {
        if scv <= 1.0 {
            let k = 1.0 / scv;
            (k * (y - y.exp() + 1.0)).exp()
        } else {
            let s2 = (1.0 + scv).ln();
            (-(y + s2 / 2.0).powi(2) / (2.0 * s2)).exp()
        }
    };
    let weights: Vec<f64> = (0..STEPS)
        .map(|i| weight(from + (i as f64 + 0.5) * dy))
        .collect();
    let total: f64 = weights.iter().sum();
    let points = PER_UNIT * UNITS + 1;
    let mut table = vec![0f32; points];
    let (mut i, mut above) = (0, total);
    for (j, slot) in table.iter_mut().enumerate().skip(1) {
        let want = total * (-(j as f64) / PER_UNIT as f64).exp();
        while i < STEPS - 1 && above - weights[i] > want {
            above -= weights[i];
            i += 1;
        }
        let part = ((above - want) / weights[i].max(1e-300)).clamp(0.0, 1.0);
        *slot = (from + (i as f64 + part) * dy).exp() as f32;
    }
    // The first cell starts where its mean over the cell is right, not at 0: small spreads have no values near 0.
    let mass = total * (1.0 - (-1.0 / PER_UNIT as f64).exp());
    let (mut below, mut sum) = (0.0, 0.0);
    for (i, &w) in weights.iter().enumerate() {
        let w = w.min(mass - below);
        below += w;
        sum += w * (from + (i as f64 + 0.5) * dy).exp();
        if below >= mass {
            break;
        }
    }
    table[0] = (2.0 * sum / mass - table[1] as f64).max(0.0) as f32;
    // The subtraction above loses digits in the far tail; go on at its last sound slope.
    let sound = 14 * PER_UNIT;
    let slope = table[sound] - table[sound - PER_UNIT];
    for j in sound + 1..points {
        table[j] = table[sound] + slope * (j - sound) as f32 / PER_UNIT as f32;
    }
    // Mean of the interpolated table under the exponential law, brought back to 1.
    let mean: f64 = (0..points - 1)
        .map(|j| {
            let (t0, t1) = (j as f64 / PER_UNIT as f64, (j + 1) as f64 / PER_UNIT as f64);
            ((-t0).exp() - (-t1).exp()) * (table[j] + table[j + 1]) as f64 / 2.0
        })
        .sum();
    table
        .iter_mut()
        .for_each(|x| *x = (*x as f64 / mean) as f32);
    table.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_values_have_the_mean_and_spread_asked_for() {
        for scv in [0.0625, 0.25, 1.0, 2.0, 4.0] {
            let table = Spread::new(scv).table().unwrap();
            let n = 400_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for i in 0..n {
                let x = look_up(table, exponential(mix(i)));
                sum += x;
                squares += x * x;
            }
            let mean = sum / n as f64;
            let got = squares / n as f64 / (mean * mean) - 1.0;
            assert!((mean - 1.0).abs() < 0.01, "scv {scv}: mean {mean}");
            assert!((got / scv - 1.0).abs() < 0.06, "scv {scv}: got {got}");
        }
        assert!(Spread::new(0.0).table().is_none());
    }

    #[test]
    fn normals_are_normal() {
        let v: Vec<f64> = (0..100_000).map(|i| normal(mix(i))).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let var = v.iter().map(|x| x * x).sum::<f64>() / v.len() as f64;
        assert!(
            mean.abs() < 0.01 && (var - 1.0).abs() < 0.02,
            "{mean} {var}"
        );
    }
}
