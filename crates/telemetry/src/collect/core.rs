//! What the collector does, without its thread and clock: the time is passed in.

use crate::probes::told::Told;
use crate::probes::{Probe, ProbeNote, Reading, Targets};
use crate::roll::{Bounds, Roller};
use crate::totals::Totals;
use base::window::CLOSE_AFTER_S;
use base::{InstanceIx, Names, Nanos, ResourceIx, RouteIx, Sample, Statement, Traced, Window};
use std::collections::BTreeSet;

/// Rolls samples and readings into windows.
pub struct Core {
    names: Names,
    roller: Roller,
    told: Told,
    probes: Vec<Box<dyn Probe>>,
    sizes: Vec<(base::ResourceIx, InstanceIx, f64)>,
    /// Names of resources looked at so far, for `mark_db`.
    named: usize,
    second: Option<u64>,
    dropped: u64,
}

/// What a whole second gave.
#[derive(Default)]
pub struct Tick {
    pub windows: Vec<Window>,
    pub notes: Vec<ProbeNote>,
    pub statements: Vec<Statement>,
    pub traced: Vec<Traced>,
    /// Resources whose instances are known to work on one thread.
    pub serial: BTreeSet<ResourceIx>,
}

impl Core {
    pub fn new(names: Names, probes: Vec<Box<dyn Probe>>) -> Core {
        Core {
            names,
            roller: Roller::new(Bounds::LIVE),
            told: Told::default(),
            probes,
            sizes: Vec::new(),
            named: 0,
            second: None,
            dropped: 0,
        }
    }

    /// Takes one sample.
    pub fn push(&mut self, s: &Sample, totals: &mut Totals) {
        totals.push(s);
        self.roller.push(s);
    }

    /// Whether a whole second has passed since the last tick.
    pub fn due(&self, now: Nanos) -> bool {
        self.second.is_none_or(|s| now.0 / 1_000_000_000 > s)
    }

    /// Looks at what can only be sampled, about ten times a second.
    pub fn sample(&mut self, now: Nanos, in_flight: &dyn Fn(InstanceIx) -> u32) {
        self.probes
            .iter_mut()
            .for_each(|p| p.sample(now, in_flight));
    }

    /// At a whole second: reads the probes for the second that has ended and closes windows. `dropped` counts from
    /// the start; `open` are requests older than 10 s.
    pub fn tick(
        &mut self,
        now: Nanos,
        targets: Targets,
        dropped: u64,
        open: &[(RouteIx, u32)],
    ) -> Tick {
        let second = now.0 / 1_000_000_000;
        self.second = Some(second);
        self.mark_databases();
        let mut reading = Reading::new(now, &targets, &self.names);
        self.probes.iter_mut().for_each(|p| p.read(&mut reading));
        let Reading {
            cells,
            signals,
            uses,
            notes,
            statements,
            traced,
            serial,
            ..
        } = reading;
        let lost = dropped.saturating_sub(std::mem::replace(&mut self.dropped, dropped));
        if let Some(ended) = second.checked_sub(1) {
            self.roller.resources(ended, cells);
            self.roller.signals(ended, signals);
            self.roller.uses(ended, uses);
            if lost > 0 {
                self.roller
                    .dropped(ended, u32::try_from(lost).unwrap_or(u32::MAX));
            }
        }
        if let Some(closing) = second.checked_sub(CLOSE_AFTER_S + 1) {
            for &(route, n) in open.iter().filter(|o| o.1 > 0) {
                self.roller.open(closing, route, n);
            }
        }
        self.sizes = targets.sizes;
        let windows = self.roller.advance(now);
        Tick {
            windows: self.filled(windows),
            notes,
            statements,
            traced,
            serial,
        }
    }

    /// Closes everything that is open.
    pub fn finish(&mut self) -> Vec<Window> {
        let windows = self.roller.finish();
        self.filled(windows)
    }

    fn filled(&mut self, mut windows: Vec<Window>) -> Vec<Window> {
        for w in &mut windows {
            self.probes.iter_mut().for_each(|p| p.close(w));
            self.told.fill(w, &self.names, &self.sizes);
        }
        windows
    }

    fn mark_databases(&mut self) {
        let all = self.names.resources.all();
        for (i, name) in all.iter().enumerate().skip(self.named) {
            if name.split('.').next() == Some("db") {
                self.roller.mark_db(base::ResourceIx(i as u16));
            }
        }
        self.named = all.len();
    }
}
