//! A probe that is watched while a real server does what the test makes it do.
#![allow(dead_code)]

use base::clock::Clock;
use base::window::UseCell;
use base::{Names, ResourceCell, Statement};
use std::time::{Duration, Instant};
use telemetry::Targets;
use telemetry::probes::{Probe, ProbeNote, Reading};

/// The collector waits for no server longer than this.
const MOST: Duration = Duration::from_millis(300);
/// A server that has not done it by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Watch<P> {
    pub probe: P,
    pub targets: Targets,
    pub names: Names,
    clock: Clock,
    /// Between two looks.
    pause: Duration,
}

/// What one look gave.
pub struct Seen {
    pub cells: Vec<ResourceCell>,
    pub uses: Vec<UseCell>,
    pub statements: Vec<Statement>,
    pub notes: Vec<ProbeNote>,
}

impl<P: Probe + Default> Watch<P> {
    pub fn new(targets: Targets, pause: Duration) -> Watch<P> {
        Watch {
            probe: P::default(),
            targets,
            names: Names::default(),
            clock: Clock::start(),
            pause,
        }
    }

    pub fn read(&mut self) -> Seen {
        let mut r = Reading::new(self.clock.now(), &self.targets, &self.names);
        let began = Instant::now();
        self.probe.read(&mut r);
        let took = began.elapsed();
        assert!(took < MOST, "the collector waited for {took:?}");
        Seen {
            cells: r.cells,
            uses: r.uses,
            statements: r.statements,
            notes: r.notes,
        }
    }

    /// Looks until it is so.
    pub fn until(&mut self, what: &str, so: impl Fn(&Seen, &Names) -> bool) -> Seen {
        let end = Instant::now() + PATIENCE;
        loop {
            let seen = self.read();
            if so(&seen, &self.names) {
                return seen;
            }
            let notes = &seen.notes;
            assert!(Instant::now() < end, "never: {what}; notes {notes:?}");
            std::thread::sleep(self.pause);
        }
    }
}

pub fn cell(seen: &Seen, names: &Names, name: &str) -> Option<ResourceCell> {
    let ix = names.resources.find(name)?;
    seen.cells.iter().find(|c| c.resource == ix).copied()
}

pub fn said(seen: &Seen, blind: bool, what: &str) -> bool {
    let has = |n: &ProbeNote| n.blind == blind && n.text.contains(what);
    seen.notes.iter().any(has)
}
