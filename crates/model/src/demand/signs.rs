//! What is told of a resource beside its use, over the span: the mean of each signal, and how it moves with the load.

use super::columns::Known;
use super::series::{finite, quarters};
use crate::fit::Sign;
use base::{Signal, SignalCell};

/// Seconds that a signal must have been told in.
const FEWEST: usize = 10;

/// Shares are averaged over instances; numbers per second are added up.
fn joined(signal: Signal, cells: &[&SignalCell]) -> f64 {
    let sum: f64 = cells.iter().map(|c| finite(c.value)).sum();
    match signal {
        Signal::Refaults | Signal::MajorFaults | Signal::RoundTrips => sum,
        _ => sum / cells.len().max(1) as f64,
    }
}

/// What is told of one resource: by second of the series, all its signals.
pub struct Told<'a> {
    cells: Vec<Vec<&'a SignalCell>>,
}

impl<'a> Told<'a> {
    pub fn of(known: &Known<'a>, k: usize) -> Told<'a> {
        let windows = known.history.windows.iter();
        let windows: Vec<_> = windows.filter(|w| w.index >= known.from).collect();
        let first = windows.first().map_or(0, |w| w.index);
        let mut cells = vec![Vec::new(); known.series.seconds];
        for w in windows {
            if let Some(at) = cells.get_mut((w.index - first) as usize) {
                let mine = |s: &&SignalCell| s.resource.get() == Some(k);
                at.extend(w.signals.iter().filter(mine));
            }
        }
        Told { cells }
    }

    /// One signal in each second.
    pub fn seconds(&self, signal: Signal) -> Vec<Option<f64>> {
        let of = |cells: &Vec<&SignalCell>| {
            let its = cells.iter().copied().filter(|c| c.signal == signal);
            let its: Vec<&SignalCell> = its.collect();
            (!its.is_empty()).then(|| joined(signal, &its))
        };
        self.cells.iter().map(of).collect()
    }
}

/// Every signal of a resource that was told often enough.
pub fn signs(known: &Known, told: &Told) -> Vec<Sign> {
    let (calm, busy) = quarters(&known.series.entry);
    let of = |signal: Signal| {
        let seconds = told.seconds(signal);
        let told: Vec<f64> = seconds.iter().flatten().copied().collect();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let among = |some: &[usize]| {
            let v: Vec<f64> = some.iter().filter_map(|&t| *seconds.get(t)?).collect();
            if v.is_empty() { mean(&told) } else { mean(&v) }
        };
        (told.len() >= FEWEST).then(|| Sign {
            signal,
            mean: mean(&told),
            calm: among(&calm),
            busy: among(&busy),
        })
    };
    Signal::ALL.into_iter().filter_map(of).collect()
}
