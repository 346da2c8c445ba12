//! What earlier trials say about the next prediction: measured over predicted gain, per kind of move.

use serde::{Deserialize, Serialize};

/// How many trials that hit exactly the start counts for: shrinks the ratio towards 1.
const SHRINK: f64 = 3.0;
/// One wild trial must not move the prior further than this.
const MOST: f64 = 3.0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    pub trials: u32,
    pub sum: f64,
}

impl Prior {
    /// Ignores trials whose prediction was no gain: their ratio says nothing.
    pub fn learn(&mut self, predicted: f64, measured: f64) {
        let ratio = measured / predicted;
        if predicted > 1e-6 && ratio.is_finite() {
            self.trials += 1;
            self.sum += ratio.clamp(0.0, MOST);
        }
    }

    /// `(3 + sum of ratios) / (3 + trials)`.
    pub fn ratio(&self) -> f64 {
        (SHRINK + self.sum) / (SHRINK + self.trials as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_at_one_and_follows_what_is_measured() {
        let mut p = Prior::default();
        assert_eq!(p.ratio(), 1.0);
        p.learn(0.0, 5.0);
        assert_eq!(p.trials, 0);
        for _ in 0..30 {
            p.learn(0.8, 0.4);
        }
        assert!((p.ratio() - 0.545).abs() < 0.001, "{}", p.ratio());
        let mut wild = Prior::default();
        wild.learn(0.01, 100.0);
        assert_eq!(wild.ratio(), 1.5);
    }
}
