//! `Control`: what the console and the commands may ask and do.

mod lately;
mod note;
mod past;
mod policy;
mod topology;

pub(crate) use lately::objectives;
pub use past::GenerationView;
pub use topology::{Edge, Kind, Node, Topology};

use crate::drivers::Process;
use crate::generations::{By, Generations};
use crate::lately::Seconds;
use crate::ledger::{Entry, Lane, Ledger, Note, TrialRecord};
use crate::loops::{LoopStatus, Loops, Shared, Stage, View, all};
use crate::ports::{Budgets, Cancel, Compose, Counsel, Lead, Mind, Publish, Wall, Windows};
use crate::proposal::Proposal;
use crate::trial::{Progress, Runner, TryOptions, interrupted};
use arc_swap::ArcSwap;
use base::{Finding, Protection, Statement};
use config::{Generation, Overlay};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Kv, Log};

/// What control is built from.
pub struct Parts {
    /// The configuration file's text.
    pub document: String,
    pub data_dir: PathBuf,
    pub log: Arc<dyn Log>,
    pub kv: Arc<dyn Kv>,
    pub compose: Arc<dyn Compose>,
    pub publish: Arc<dyn Publish>,
    pub windows: Arc<dyn Windows>,
    pub mind: Arc<dyn Mind>,
    pub budgets: Arc<dyn Budgets>,
    pub lead: Arc<dyn Lead>,
    pub wall: Arc<dyn Wall>,
    /// Cores of the host.
    pub cores: usize,
}

pub type Answer<T> = Result<T, Vec<Finding>>;

pub struct Control {
    shared: Arc<Shared>,
    /// `None` in tests that take the turns themselves.
    loops: Mutex<Option<Loops>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    pub stage: Stage,
    pub progress: String,
    pub provisional: bool,
    pub at_ms: u64,
    /// As the model says it; `None` while it learns for the first time.
    pub diagnosis: Option<Arc<Value>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Advice {
    pub stage: Stage,
    pub progress: String,
    /// Numbers of proposals for people start at 1.
    #[serde(flatten)]
    pub counsel: Arc<Counsel>,
}

/// A trial: what the ledger knows, and how it stands while it is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrialView {
    pub record: TrialRecord,
    pub running: Option<Progress>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Status {
    pub stage: Stage,
    pub progress: String,
    pub generation: u64,
    pub hash: String,
    pub overlays: Vec<String>,
    pub trial: Option<Progress>,
    /// What is wrong with the newest file, when an older one is in service.
    pub file: Vec<Finding>,
    pub instances: Vec<(String, String)>,
    /// What the model says each service may hold at once.
    pub protections: Vec<Protection>,
    pub findings: Vec<Finding>,
    pub loops: Vec<LoopStatus>,
}

/// One line of `plimsoll history`.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryLine {
    #[serde(flatten)]
    pub entry: Entry,
    /// UTC, for people.
    pub time: String,
    pub text: String,
}

/// One operation of an overlay against the file.
#[derive(Clone, Debug, Serialize)]
pub struct DiffLine {
    pub overlay: String,
    pub path: String,
    pub file: Option<Value>,
    pub value: Option<Value>,
}

impl Control {
    /// Rebuilds the present and publishes it, without starting the loops.
    pub fn open(parts: Parts) -> Answer<Control> {
        let fail = |f: Finding| vec![f];
        let now_ms = parts.wall.now_ms();
        let ledger = Arc::new(Ledger::open(parts.log).map_err(|e| fail(e.into()))?);
        let lane = Lane::new(parts.kv);
        let process = Arc::new(Process::new(parts.data_dir, lane.clone()));
        process.recover().map_err(fail)?;
        let state = ledger.state();
        // What a trial had scaled goes back before its verdict is written: done twice it is the same as once.
        let mut first = Vec::new();
        for t in state.open_trials() {
            let undone = lane.settle(&t.id, false).map_err(|e| fail(e.into()))?;
            let note = |e| Note::new("plimsoll", "restart during a trial", e);
            first.extend(undone.into_iter().map(note));
        }
        first.extend(interrupted(&state, now_ms));
        let generations = Arc::new(Generations::start(
            ledger.clone(),
            parts.compose,
            parts.publish.clone(),
            parts.document,
            first,
            now_ms,
        )?);
        let runner = Arc::new(Runner::new(
            ledger.clone(),
            generations.clone(),
            lane.clone(),
            process.clone(),
            parts.windows.clone(),
            parts.mind.clone(),
        ));
        Ok(Control {
            shared: Arc::new(Shared {
                wall: parts.wall,
                windows: parts.windows,
                publish: parts.publish,
                mind: parts.mind,
                budgets: parts.budgets,
                lead: parts.lead,
                ledger,
                generations,
                lane,
                process,
                runner,
                view: ArcSwap::default(),
                seconds: Mutex::new(Seconds::default()),
                cancel: Cancel::default(),
                cores: parts.cores,
            }),
            loops: Mutex::new(None),
        })
    }

    /// Rebuilds the present, publishes it and starts the loops.
    pub fn start(parts: Parts) -> Answer<Control> {
        let control = Control::open(parts)?;
        let loops = Loops::start(all(&control.shared)).map_err(|e| {
            vec![
                Finding::error("loops-not-started", e.to_string())
                    .help("raise the limit of threads"),
            ]
        })?;
        *control.loops.lock().unwrap_or_else(PoisonError::into_inner) = Some(loops);
        Ok(control)
    }

    /// Stops the loops, then the instances that the driver started. Dropping does the same.
    pub fn stop(&self) {
        self.shared.cancel.cancel();
        if let Some(mut loops) = self
            .loops
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            loops.stop();
        }
        self.shared.process.stop_all();
    }

    pub(crate) fn wake(&self, name: &str) {
        if let Some(loops) = &*self.loops.lock().unwrap_or_else(PoisonError::into_inner) {
            loops.wake(name);
        }
    }

    fn now_ms(&self) -> u64 {
        self.shared.wall.now_ms()
    }

    fn by(&self, who: &str, why: &str) -> By {
        By::new(who, why, self.now_ms())
    }

    /// What the loops share, for tests that take the turns themselves.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub fn view(&self) -> Arc<View> {
        self.shared.view.load_full()
    }

    pub fn generation(&self) -> Generation {
        self.shared.generations.current()
    }

    pub fn diagnose(&self) -> Diagnosis {
        let view = self.view();
        Diagnosis {
            progress: view.stage.text(),
            provisional: view.stage == Stage::Provisional,
            stage: view.stage.clone(),
            at_ms: view.at_ms,
            diagnosis: view.diagnosis.clone(),
        }
    }

    /// What databases do for requests, that which takes most of their time first.
    pub fn statements(&self) -> Vec<Statement> {
        let view = self.view();
        let mut all = view
            .fit
            .as_ref()
            .map_or(Vec::new(), |f| f.statements.clone());
        all.sort_by(|a, b| (b.calls * b.seconds).total_cmp(&(a.calls * a.seconds)));
        all
    }

    pub fn advise(&self) -> Advice {
        let view = self.view();
        Advice {
            progress: view.stage.text(),
            stage: view.stage.clone(),
            counsel: view.counsel.clone(),
        }
    }

    /// Tries a proposal of the latest advice, by its id or its number from 1. Returns the trial's id.
    pub fn try_proposal(&self, which: &str, options: &TryOptions) -> Answer<String> {
        let counsel = self.view().counsel.clone();
        let proposals = &counsel.proposals;
        let by_number = which.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let found = match by_number {
            Some(n) => proposals.get(n),
            None => proposals.iter().find(|p| p.id == which),
        };
        let Some(proposal) = found else {
            let ids: Vec<_> = proposals.iter().map(|p| p.id.as_str()).collect();
            let help = match ids.is_empty() {
                true => format!("there are none yet: {}", self.view().stage.text()),
                false => format!("there are: {}", ids.join(", ")),
            };
            return Err(vec![
                Finding::error("proposal-unknown", format!("no proposal `{which}`")).help(help),
            ]);
        };
        self.try_this(proposal.clone(), options)
    }

    /// Tries any change in the same way, such as one written by hand.
    pub fn try_this(&self, proposal: Proposal, options: &TryOptions) -> Answer<String> {
        if let Err(other) = self.shared.lead.leads("trial") {
            let what = format!("this node does not lead the trials: {other} does");
            let refused = Finding::error("trial-elsewhere", what);
            return Err(vec![
                refused.help("ask that node; `plimsoll status` names it"),
            ]);
        }
        let overridden = self.within_budget(&proposal, options)?;
        let runner = &self.shared.runner;
        let id = runner.start(proposal, options, overridden, self.now_ms())?;
        self.wake("trial");
        self.wake("driver");
        Ok(id)
    }

    pub fn trial(&self, id: &str) -> Answer<TrialView> {
        let state = self.shared.ledger.state();
        let Some(record) = state.trial(id) else {
            return Err(vec![
                Finding::error("trial-unknown", format!("no trial `{id}`"))
                    .help("`plimsoll history` lists them"),
            ]);
        };
        let running = self.shared.runner.progress().filter(|p| p.id == id);
        Ok(TrialView {
            record: record.clone(),
            running,
        })
    }

    /// The last `n` entries of the ledger, newest first.
    pub fn history(&self, n: usize) -> Answer<Vec<HistoryLine>> {
        let entries = self
            .shared
            .ledger
            .history(n)
            .map_err(|e| vec![Finding::from(e)])?;
        Ok(entries
            .into_iter()
            .map(|entry| HistoryLine {
                time: time(entry.at_ms),
                text: entry.event.line(),
                entry,
            })
            .collect())
    }

    pub fn overlays(&self) -> Vec<Overlay> {
        self.shared.ledger.state().overlays.clone()
    }

    /// What the overlays change in the file.
    pub fn diff(&self) -> Vec<DiffLine> {
        self.overlays().iter().flat_map(diff_lines).collect()
    }

    pub fn add_overlay(&self, overlay: Overlay, who: &str) -> Answer<()> {
        let why = overlay.reason.clone();
        self.shared
            .generations
            .add(overlay, Vec::new(), &self.by(who, &why))
    }

    /// Takes one overlay away; the others stay. A trial of it is withdrawn. The id of the trial under way does the
    /// same, also where there is no overlay.
    pub fn rollback(&self, which: &str, who: &str) -> Answer<()> {
        let by = self.by(who, "asked to roll it back");
        if !self.shared.runner.withdraw(which, &by)? {
            self.shared.generations.rollback(which, &by)?;
        }
        self.wake("trial");
        self.wake("driver");
        Ok(())
    }

    /// Takes a new text of the file; a broken one changes nothing.
    pub fn reload(&self, document: String) -> Answer<()> {
        let by = self.by("file", "the file changed");
        self.shared.generations.reload(document, &by)?;
        self.wake("driver");
        Ok(())
    }

    pub fn whatif(&self, text: &str) -> Answer<Value> {
        let view = self.view();
        match &view.fit {
            Some(fit) => self.shared.mind.whatif(fit, text),
            None => Err(vec![
                Finding::error(
                    "not-learned",
                    format!("nothing has been learned yet: {}", view.stage.text()),
                )
                .help("send traffic, and ask again"),
            ]),
        }
    }

    pub fn status(&self) -> Status {
        let state = self.shared.ledger.state();
        let view = self.view();
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        Status {
            progress: view.stage.text(),
            stage: view.stage.clone(),
            generation: state.generation,
            hash: state.hash.clone(),
            overlays: state.overlays.iter().map(|o| o.id.clone()).collect(),
            trial: self.shared.runner.progress(),
            file: self.shared.generations.file_findings(),
            instances: self
                .shared
                .process
                .ready()
                .into_iter()
                .flat_map(|(service, list)| {
                    list.into_iter()
                        .map(move |a| (service.clone(), a.to_string()))
                })
                .collect(),
            protections: view.protections.services.clone(),
            findings: self.shared.process.findings(),
            loops: loops.as_ref().map_or(Vec::new(), Loops::status),
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop();
    }
}

fn diff_lines(o: &Overlay) -> impl Iterator<Item = DiffLine> + '_ {
    o.ops.iter().map(|op| DiffLine {
        overlay: o.id.clone(),
        path: crate::generations::dotted(&op.path),
        file: op.base.clone(),
        value: op.value.clone(),
    })
}

/// `2026-11-23 10:18:32 UTC`.
fn time(at_ms: u64) -> String {
    let ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(
        |_| format!("{at_ms} ms"),
        |t| t.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}
