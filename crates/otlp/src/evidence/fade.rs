//! The attempts of one route on one arm: what came since the last window, and sums that fade.

use super::Attempt;
use super::attempt::Place;
use std::collections::BTreeMap;

/// What was seen counts for half after about 35 windows.
const FADE: f64 = 0.98;
/// Different calls, resources and parts of the path that are kept.
pub const KINDS: usize = 64;
/// A resource that was not used in so many windows is not one of them any more.
const FORGOTTEN: u32 = 600;

#[derive(Debug, Default)]
pub struct Fading {
    /// Since the last window: the attempts, and what they used of everything that was ever used.
    pub attempts: u32,
    pub fresh: BTreeMap<Place, Sum>,
    /// Attempts that spans showed, and those that the gateway counted; both fade.
    pub seen: f64,
    pub counted: f64,
    /// Sums that fade: nanoseconds of attempts, their calls, chains and parts of the path.
    pub length: f64,
    pub calls: BTreeMap<(bool, Box<str>), CallSum>,
    pub chain: ChainSum,
    pub path: BTreeMap<Box<str>, f64>,
}

/// Uses of one resource, in seconds and their squares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    pub attempts: u32,
    pub busy: f64,
    pub squares: f64,
    pub wait: f64,
    pub waits: u32,
    pub calls: f64,
    pub returned: f64,
    /// Windows since it was used last.
    idle: u32,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct CallSum {
    pub calls: f64,
    pub serial: f64,
    pub length: f64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct ChainSum {
    pub calls: f64,
    pub length: f64,
    pub longest: f64,
}

impl Fading {
    /// How many of its uses are not kept.
    pub fn add(&mut self, a: Attempt) -> u64 {
        let mut over = 0;
        self.seen += 1.0;
        self.attempts += 1;
        self.length += a.length as f64;
        for (place, used) in a.uses {
            if self.fresh.len() >= KINDS && !self.fresh.contains_key(&place) {
                over += 1;
                continue;
            }
            let sum = self.fresh.entry(place).or_default();
            let busy = used.held as f64 / 1e9;
            sum.attempts += 1;
            sum.busy += busy;
            sum.squares += busy * busy;
            sum.calls += f64::from(used.calls);
            sum.returned += used.returned;
            if let Some(waited) = used.waited {
                sum.wait += waited as f64 / 1e9;
                sum.waits += 1;
            }
        }
        for c in a.calls {
            let key = (c.database, c.what);
            if self.calls.len() < KINDS || self.calls.contains_key(&key) {
                let sum = self.calls.entry(key).or_default();
                sum.calls += f64::from(c.calls);
                sum.serial += f64::from(c.serial);
                sum.length += c.length as f64;
            }
        }
        if let Some(c) = a.chain {
            self.chain.calls += f64::from(c.calls);
            self.chain.length += c.length as f64;
            self.chain.longest += c.longest as f64;
        }
        for (whose, ns) in a.path {
            if self.path.len() < KINDS || self.path.contains_key(&whose) {
                *self.path.entry(whose).or_default() += ns as f64;
            }
        }
        over
    }

    /// One more second has passed.
    pub fn fade(&mut self) {
        let chain = &mut self.chain;
        for v in [
            &mut self.seen,
            &mut self.counted,
            &mut self.length,
            &mut chain.calls,
            &mut chain.length,
            &mut chain.longest,
        ] {
            *v *= FADE;
        }
        for c in self.calls.values_mut() {
            (c.calls, c.serial, c.length) = (c.calls * FADE, c.serial * FADE, c.length * FADE);
        }
        self.path.values_mut().for_each(|v| *v *= FADE);
        self.calls.retain(|_, c| c.calls > 0.01);
        self.path.retain(|_, v| *v > 1.0);
    }

    /// Attempts that one seen stands for; `None`: the gateway has counted none.
    pub fn weight(&self) -> Option<f64> {
        let weight = self.counted / self.seen.max(1e-9);
        // A few more are those on their way.
        let all = weight < 1.1;
        (weight > 0.0).then_some(if all { 1.0 } else { weight })
    }

    /// What came since the last window; the places stay known for long, so that no use is a zero.
    pub fn take_fresh(&mut self) -> (f64, Vec<(Place, Sum)>) {
        let attempts = std::mem::take(&mut self.attempts);
        let mut all = Vec::with_capacity(self.fresh.len());
        self.fresh.retain(|place, sum| {
            let taken = std::mem::take(sum);
            sum.idle = match taken.attempts {
                0 => taken.idle + 1,
                _ => 0,
            };
            all.push((place.clone(), taken));
            sum.idle < FORGOTTEN
        });
        (f64::from(attempts), all)
    }
}
