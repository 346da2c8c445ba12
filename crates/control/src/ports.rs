//! What control needs from its surroundings, as traits: the binary wires them, tests fake them.

use crate::Proposal;
use crate::policy::Budget;
use crate::proposal::Effect;
use base::{Finding, History, Learned};
use config::{Generation, Overlay};
use model::Fit;
use model::advice::Premature;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes a generation into service. Must not block for long; the newest wins.
pub trait Publish: Send + Sync {
    fn publish(&self, generation: Generation);
    /// Hands numbers to the gates of the generation in service; they replace those before.
    fn learned(&self, learned: &Learned);
}

/// What telemetry remembers.
pub trait Windows: Send + Sync {
    /// The last `last_s` seconds of closed windows.
    fn history(&self, last_s: u64) -> History;
    /// Index of the window that is being filled now, on the same clock as `Window::index`.
    fn index(&self) -> u64;
}

/// How much error budget the objectives have left.
pub trait Budgets: Send + Sync {
    fn left(&self) -> Vec<Budget>;
}

/// Which of several nodes acts.
pub trait Lead: Send + Sync {
    /// Whether the loop of this name acts here; `Err`: who has it instead.
    fn leads(&self, name: &str) -> Result<(), String>;
}

/// The only node there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Lead for Alone {
    fn leads(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }
}

/// Milliseconds since the Unix epoch. Only shells read it; decisions get it as an argument.
pub trait Wall: Send + Sync {
    fn now_ms(&self) -> u64;
}

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemWall;

impl Wall for SystemWall {
    fn now_ms(&self) -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as u64)
    }
}

/// Turns the file and overlays into a generation.
pub trait Compose: Send + Sync {
    /// Parses, applies the overlays in order and checks everything. An overlay with a share becomes the canary;
    /// one whose time has come is left out; the nearest expiry is prepared as `Generation::expiry`.
    fn compose(
        &self,
        document: &str,
        overlays: &[Overlay],
        number: u64,
        now_s: u64,
    ) -> Result<Generation, Vec<Finding>>;
    /// What the file itself has at a path; `None` when nothing is there.
    fn value_at(&self, document: &str, path: &[String]) -> Option<Value>;
}

/// Asks long work to stop.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Not enough evidence yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    pub have_s: f64,
    pub need_s: f64,
    pub why: String,
}

/// What is proposed, and what is refused and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counsel {
    /// Best first.
    pub proposals: Vec<Proposal>,
    /// Bigger changes that are not needed yet.
    pub premature: Vec<Premature>,
    /// Changes that would not lift the line, and why.
    pub useless: Vec<String>,
}

/// What a trial has been seen to do so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Change of what the proposal promised; `None` while nothing can be said.
    pub effect: Option<Effect>,
    /// Harm beyond the anytime-valid bound: what it is. `None`: no harm seen.
    pub harm: Option<String>,
    /// Numbers for people.
    pub evidence: String,
    /// Seconds more after which the effect should be visible at this load.
    pub needs_s: Option<f64>,
}

/// What to compare.
pub struct Comparison<'a> {
    pub proposal: &'a Proposal,
    /// Before the change was applied.
    pub before: &'a History,
    /// Since it took effect.
    pub during: &'a History,
    /// The change is on one arm of `during`; otherwise `before` is the other side.
    pub by_arm: bool,
}

/// The model, as control uses it. Pure behind the adapter; may be slow, so it runs on the idle thread.
pub trait Mind: Send + Sync {
    fn fit(&self, history: &History) -> Result<Fit, Learning>;
    /// What may be in flight, for the gates that protect.
    fn protect(&self, fit: &Fit) -> Learned;
    /// Constraint and line from the bounds, at once; marked provisional.
    fn diagnose(&self, fit: &Fit) -> Value;
    /// Whether what was simulated for `old` answers for `new` too, at a glance.
    fn alike(&self, old: &Fit, new: &Fit) -> bool;
    /// The same with the simulated line, and what lifts it, best first; `None` when cancelled. `priors`: measured over predicted
    /// gain per kind of move so far.
    fn advise(
        &self,
        fit: &Fit,
        priors: &BTreeMap<String, f64>,
        cancel: &Cancel,
    ) -> Option<(Value, Counsel)>;
    fn whatif(&self, fit: &Fit, text: &str) -> Result<Value, Vec<Finding>>;
    fn compare(&self, comparison: Comparison<'_>) -> Reading;
}
