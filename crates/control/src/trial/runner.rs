//! Carries trials out: one at a time, its actions in order, each repeated until it is done.

use super::{Action, Event, Outcome, Times, Trial, Verdict};
use crate::drivers::Process;
use crate::generations::{By, Generations};
use crate::ledger::{self, Lane, Ledger, LedgerError, Note, State, Target};
use crate::ports::{Comparison, Mind, Reading, Windows};
use crate::proposal::{Change, Proposal};
use base::{Finding, History};
use config::Overlay;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Seconds before the change that are compared with those after it.
const BEFORE_S: u64 = 300;
/// Who writes to the ledger on behalf of a trial.
const WHO: &str = "plimsoll";

/// How to try a proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TryOptions {
    /// Share of users on the canary.
    pub share: f64,
    pub times: Times,
    pub who: String,
    /// For an instruction: somebody says that it has been carried out.
    pub done: bool,
    /// Why it is tried although an error budget holds it back.
    pub override_reason: Option<String>,
}

impl Default for TryOptions {
    fn default() -> Self {
        TryOptions {
            share: 0.2,
            times: Times::default(),
            who: "someone".into(),
            done: false,
            override_reason: None,
        }
    }
}

/// What the runner works with.
pub struct Runner {
    pub ledger: Arc<Ledger>,
    pub generations: Arc<Generations>,
    pub lane: Lane,
    pub process: Arc<Process>,
    pub windows: Arc<dyn Windows>,
    pub mind: Arc<dyn Mind>,
    active: Mutex<Option<Active>>,
}

struct Active {
    id: String,
    proposal: Proposal,
    overlay: Option<String>,
    trial: Trial,
    /// First window that the change covers whole.
    from_window: u64,
    pending: VecDeque<Action>,
}

/// A trial under way, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub id: String,
    pub overlay: Option<String>,
    pub trial: Trial,
}

/// What to write about trials that a restart interrupted: a canary goes, a change already promoted stays.
pub fn interrupted(state: &State, now_ms: u64) -> Vec<Note> {
    let mut notes = Vec::new();
    for t in state.open_trials() {
        let overlay = t.overlay.as_deref().and_then(|id| state.overlay(id));
        let promoted = overlay.is_some_and(|o| o.share.is_none());
        let (verdict, why) = if promoted {
            let why = "Plimsoll restarted while the change was being confirmed; no harm was seen";
            (Verdict::KeptUnproven, why)
        } else {
            let why = "Plimsoll restarted during the trial, so the two sides cannot be compared";
            (Verdict::Interrupted, why)
        };
        if let Some(o) = overlay.filter(|_| !promoted) {
            let event = ledger::Event::OverlayRemoved { id: o.id.clone() };
            notes.push(Note::new(WHO, "restart during a trial", event));
        }
        let outcome = Outcome {
            verdict,
            why: why.into(),
            predicted: t.proposal.predicted,
            measured: None,
            evidence: String::new(),
            took_s: now_ms.saturating_sub(t.started_ms) / 1000,
        };
        let trial = t.id.clone();
        let event = ledger::Event::Verdict { trial, outcome };
        notes.push(Note::new(WHO, "restart during a trial", event));
    }
    notes
}

impl Runner {
    pub fn new(
        ledger: Arc<Ledger>,
        generations: Arc<Generations>,
        lane: Lane,
        process: Arc<Process>,
        windows: Arc<dyn Windows>,
        mind: Arc<dyn Mind>,
    ) -> Runner {
        Runner {
            ledger,
            generations,
            lane,
            process,
            windows,
            mind,
            active: Mutex::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn progress(&self) -> Option<Progress> {
        self.lock().as_ref().map(|a| Progress {
            id: a.id.clone(),
            overlay: a.overlay.clone(),
            trial: a.trial.clone(),
        })
    }

    /// Begins a trial and applies the change. Returns the trial's id. `overridden` is written down with its begin.
    pub fn start(
        &self,
        proposal: Proposal,
        options: &TryOptions,
        overridden: Option<ledger::Event>,
        now_ms: u64,
    ) -> Result<String, Vec<Finding>> {
        let mut active = self.lock();
        if let Some(a) = &*active {
            return Err(vec![
                Finding::error(
                    "trial-busy",
                    format!("trial {} of `{}` is under way", a.id, a.proposal.title),
                )
                .why("two changes at once could not be told apart")
                .help(format!(
                    "wait for its verdict, or end it with `plimsoll rollback {}`",
                    a.id
                )),
            ]);
        }
        let id = format!("trial-{}", self.ledger.state().trial_count + 1);
        let by = By::new(&options.who, format!("try `{}`", proposal.title), now_ms);
        let share = matches!(proposal.change, Change::Patch { .. }).then_some(options.share);
        let overlay = share.map(|_| format!("{}-{id}", proposal.id));
        let started = ledger::Event::TrialStarted {
            trial: id.clone(),
            proposal: Box::new(proposal.clone()),
            overlay: overlay.clone(),
            share,
        };
        let started: Vec<_> = overridden.into_iter().chain([started]).collect();
        let (trial, mut actions) =
            Trial::begin(proposal.predicted, share, options.times, now_ms / 1000);
        match (&proposal.change, &overlay) {
            (Change::Patch { ops }, Some(overlay)) => {
                let overlay = Overlay {
                    id: overlay.clone(),
                    owner: options.who.clone(),
                    reason: proposal.title.clone(),
                    evidence: proposal.evidence.clone(),
                    ops: ops.clone(),
                    created_at: now_ms / 1000,
                    // With control dead, the gateway ends the canary on its own clock.
                    expires_at: Some(now_ms / 1000 + longest_s(&options.times)),
                    share,
                };
                // The overlay and the trial are written together: there is no canary without a trial.
                self.generations.add(overlay, started, &by)?;
                actions.clear();
            }
            (Change::Replicas { service, .. }, _) => {
                self.startable(service)?;
                self.notes(&by, started)?;
            }
            (Change::Instruction { text }, _) if !options.done => {
                return Err(vec![
                    Finding::error(
                        "proposal-instruction",
                        format!("`{}` is for people to do: {text}", proposal.title),
                    )
                    .help(format!(
                        "once it is done, `plimsoll try {} --done` measures before and after",
                        proposal.id
                    )),
                ]);
            }
            _ => self.notes(&by, started)?,
        }
        let mut new = Active {
            id: id.clone(),
            proposal,
            overlay,
            trial,
            from_window: self.windows.index() + 1,
            pending: actions.into(),
        };
        if new.overlay.is_some() {
            new.event(Event::Applied, now_ms / 1000);
        }
        *active = Some(new);
        drop(active);
        self.tick(now_ms)?;
        Ok(id)
    }

    fn startable(&self, service: &str) -> Result<(), Vec<Finding>> {
        let base = self.generations.current().base;
        if base.service(service).is_some_and(|s| s.start.is_some()) {
            return Ok(());
        }
        Err(vec![
            Finding::error(
                "service-not-startable",
                format!("the file does not say how to start an instance of `{service}`"),
            )
            .help(format!("set `services.{service}.start.command`")),
        ])
    }

    fn note(&self, by: &By, event: ledger::Event) -> Result<(), Vec<Finding>> {
        self.notes(by, vec![event])
    }

    /// All of them or none.
    fn notes(&self, by: &By, events: Vec<ledger::Event>) -> Result<(), Vec<Finding>> {
        let note = |event| Note::new(&by.who, &by.why, event);
        let notes: Vec<Note> = events.into_iter().map(note).collect();
        self.ledger
            .transact(by.now_ms, |_| Ok::<_, LedgerError>(notes.clone()))
            .map(drop)
            .map_err(|e| vec![e.into()])
    }

    /// Ends the trial under way if `which` is its id: its change goes. Tells whether it was.
    pub fn withdraw(&self, which: &str, by: &By) -> Result<bool, Vec<Finding>> {
        let mut held = self.lock();
        let Some(active) = held.as_mut().filter(|a| a.id == which) else {
            return Ok(false);
        };
        match active.overlay.clone() {
            // Its next step sees that the overlay is gone.
            Some(overlay) => self.generations.rollback(&overlay, by)?,
            None => {
                let why = format!("{} ended it", by.who);
                active.event(Event::Gone(why), by.now_ms / 1000);
            }
        }
        Ok(true)
    }

    /// One step of the trial under way; call it about each second.
    pub fn tick(&self, now_ms: u64) -> Result<(), Vec<Finding>> {
        let mut held = self.lock();
        let Some(active) = &mut *held else {
            return Ok(());
        };
        let now_s = now_ms / 1000;
        let state = self.ledger.state();
        match &active.overlay {
            Some(overlay) if state.overlay(overlay).is_none() => {
                let why = format!("overlay {overlay} was taken away");
                // Nothing that was to be done to the overlay can be done now.
                active
                    .pending
                    .retain(|a| !matches!(a, Action::Promote | Action::Rollback));
                active.event(Event::Gone(why), now_s);
            }
            _ => self.look_at_instances(active, now_s)?,
        }
        active.event(Event::Tick, now_s);
        while let Some(action) = active.pending.front().cloned() {
            if action == Action::Compare {
                active.pending.pop_front();
                let reading = self.compare(active);
                active.event(Event::Read(reading), now_s);
                continue;
            }
            // Stays at the front until it has worked.
            let over = self.carry_out(active, action, now_ms)?;
            active.pending.pop_front();
            if over {
                *held = None;
                return Ok(());
            }
        }
        Ok(())
    }

    /// A change of instances has taken effect once they accept connections.
    fn look_at_instances(&self, active: &mut Active, now_s: u64) -> Result<(), Vec<Finding>> {
        let Change::Replicas { service, .. } = &active.proposal.change else {
            return Ok(());
        };
        if active.trial.phase != super::Phase::Applying {
            return Ok(());
        }
        if let Some(finding) = self.process.given_up(service) {
            active.event(Event::Failed(finding.what), now_s);
            return Ok(());
        }
        let targets = self.lane.targets().map_err(|e| vec![e.into()])?;
        let target = targets
            .iter()
            .find(|t| t.trial.as_deref() == Some(&active.id));
        let published = self.generations.current().base;
        let ready = self.process.ready();
        let ready = ready.get(service).map_or(0, |list| {
            let known = published.service(service);
            list.iter()
                .filter(|a| known.is_some_and(|s| s.instances.contains(a)))
                .count()
        });
        if target.is_some_and(|t| ready >= t.extra as usize) {
            active.from_window = self.windows.index() + 1;
            active.event(Event::Applied, now_s);
        }
        Ok(())
    }

    fn compare(&self, active: &Active) -> Reading {
        let since = self.windows.index().saturating_sub(active.from_window);
        let (before, during) = split(
            self.windows.history(BEFORE_S + since + 1),
            active.from_window,
        );
        self.mind.compare(Comparison {
            proposal: &active.proposal,
            before: &before,
            during: &during,
            by_arm: active.trial.share.is_some(),
        })
    }

    /// Tells whether the trial is over.
    fn carry_out(
        &self,
        active: &mut Active,
        action: Action,
        now_ms: u64,
    ) -> Result<bool, Vec<Finding>> {
        let by = By::new(
            WHO,
            format!("{} of `{}`", active.id, active.proposal.title),
            now_ms,
        );
        match action {
            Action::PublishCanary { .. } | Action::Compare => {}
            Action::ApplyWhole => match &active.proposal.change {
                Change::Replicas { service, add } => {
                    self.raise(&active.id, service, *add, &by)?;
                }
                _ => {
                    active.event(Event::Applied, now_ms / 1000);
                }
            },
            Action::Promote => {
                if let Some(overlay) = &active.overlay {
                    self.generations.promote(overlay, &by)?;
                    // Everyone is on the change now: from here on it is compared with the time before.
                    active.trial.share = None;
                }
            }
            Action::Rollback => {
                if let Some(overlay) = &active.overlay {
                    self.generations.rollback(overlay, &by)?;
                }
                self.settle(&active.id, false, &by)?;
            }
            Action::Done(outcome) => {
                let keep = outcome.verdict.is_kept();
                self.settle(&active.id, keep, &by)?;
                let trial = active.id.clone();
                self.note(&by, ledger::Event::Verdict { trial, outcome })?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn raise(&self, trial: &str, service: &str, add: u32, by: &By) -> Result<(), Vec<Finding>> {
        let fail = |e: LedgerError| vec![e.into()];
        let targets = self.lane.targets().map_err(fail)?;
        if targets.iter().any(|t| t.trial.as_deref() == Some(trial)) {
            return Ok(());
        }
        let previous = targets
            .iter()
            .find(|t| t.service == service)
            .map_or(0, |t| t.extra);
        let target = Target {
            service: service.into(),
            extra: previous.saturating_add(add),
            trial: Some(trial.into()),
            previous,
            who: by.who.clone(),
            why: by.why.clone(),
            at_ms: by.now_ms,
        };
        self.lane.set_target(&target).map_err(fail)?;
        let scaled = ledger::Event::Scaled {
            service: service.into(),
            from: previous,
            extra: target.extra,
        };
        self.note(by, scaled)
    }

    fn settle(&self, trial: &str, keep: bool, by: &By) -> Result<(), Vec<Finding>> {
        let undone = self.lane.settle(trial, keep).map_err(|e| vec![e.into()])?;
        undone.into_iter().try_for_each(|e| self.note(by, e))
    }
}

impl Active {
    fn event(&mut self, event: Event, now_s: u64) {
        // Ticks ask for the same again; once is enough.
        for action in self.trial.on(event, now_s) {
            if !self.pending.contains(&action) {
                self.pending.push_back(action);
            }
        }
    }
}

/// A trial cannot take longer than this, with some time to spare for a busy machine.
fn longest_s(t: &Times) -> u64 {
    t.settle_s + t.most_s + t.confirm_s + 60
}

/// The windows before `from`, and those from there on.
fn split(mut history: History, from: u64) -> (History, History) {
    let mut during = history.clone_shell();
    let at = history.windows.partition_point(|w| w.index < from);
    during.windows = history.windows.split_off(at);
    // The window in which the change was made belongs to neither.
    history.windows.retain(|w| w.index + 1 < from);
    (history, during)
}
