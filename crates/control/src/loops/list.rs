//! The list of loops, one line per member, and what each does in a turn.

use super::budget::{rest, stands_ms, thread_cpu_s};
use super::{Loop, Simulated, Stage, View};
use crate::api::objectives;
use crate::drivers::Process;
use crate::generations::{By, Generations};
use crate::lately::{KEEP_S, Seconds};
use crate::ledger::{Event, Lane, Ledger, LedgerError, Note};
use crate::ports::{Budgets, Cancel, Lead, Mind, Publish, Wall, Windows};
use crate::trial::Runner;
use arc_swap::ArcSwap;
use base::Finding;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The fit runs over this many seconds.
const FIT_S: u64 = 300;
const REFIT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// Loops that act on what all nodes have: of several nodes one does. The others learn from the traffic of their node, and keep
/// to its clock.
pub const LED: [&str; 2] = ["trial", "driver"];

/// What the loops share.
pub struct Shared {
    pub wall: Arc<dyn Wall>,
    pub windows: Arc<dyn Windows>,
    pub publish: Arc<dyn Publish>,
    pub mind: Arc<dyn Mind>,
    pub budgets: Arc<dyn Budgets>,
    pub lead: Arc<dyn Lead>,
    pub ledger: Arc<Ledger>,
    pub generations: Arc<Generations>,
    pub lane: Lane,
    pub process: Arc<Process>,
    pub runner: Arc<Runner>,
    pub view: ArcSwap<View>,
    /// The traffic of the last hour.
    pub seconds: Mutex<Seconds>,
    pub cancel: Cancel,
    /// Cores of the host, for the budget.
    pub cores: usize,
}

type Step = fn(&Shared) -> Result<(), Vec<Finding>>;

/// Every loop there is. Observing and advising share one idle thread: they must not compete with traffic.
pub fn all(shared: &Arc<Shared>) -> Vec<Loop> {
    vec![
        learn(shared),
        plain("trial", shared, trial),
        plain("driver", shared, driver),
        plain("expiry", shared, expiry),
        plain("lately", shared, lately),
    ]
}

fn plain(name: &'static str, shared: &Arc<Shared>, step: Step) -> Loop {
    let shared = shared.clone();
    Loop {
        name,
        idle: false,
        turn: Box::new(move || (SECOND, step(&shared))),
    }
}

fn learn(shared: &Arc<Shared>) -> Loop {
    let shared = shared.clone();
    Loop {
        name: "learn",
        idle: true,
        turn: Box::new(move || {
            let (begun, cpu) = (Instant::now(), thread_cpu_s());
            let result = observe(&shared).and_then(|()| advise(&shared));
            let (wall_s, cpu_s) = (begun.elapsed().as_secs_f64(), thread_cpu_s() - cpu);
            // Until there is a first answer people wait for it; waiting is cheap to look at.
            let period = match shared.view.load().stage {
                Stage::Waiting | Stage::Learning(_) => SECOND,
                _ => REFIT,
            };
            (rest(period, cpu_s, wall_s, shared.cores), result)
        }),
    }
}

/// Fits what was seen and answers from the bounds at once.
pub fn observe(s: &Shared) -> Result<(), Vec<Finding>> {
    let history = s.windows.history(FIT_S);
    let old = s.view.load_full();
    if history.windows.is_empty() {
        return Ok(());
    }
    let mut view = View {
        at_ms: s.wall.now_ms(),
        ..(*old).clone()
    };
    match s.mind.fit(&history) {
        // What was known stays to be seen while it is learned again.
        Err(learning) => {
            view.stage = Stage::Learning(learning);
            // Limits act on what is known now, or not at all.
            view.protections = Arc::default();
        }
        Ok(fit) => {
            // A simulated answer is replaced by the next simulated one, not by a rough one.
            if view.stage != Stage::Ready {
                view.diagnosis = Some(Arc::new(s.mind.diagnose(&fit)));
                view.stage = Stage::Provisional;
                view.answers += 1;
            }
            view.protections = Arc::new(s.mind.protect(&fit));
            view.fit = Some(Arc::new(fit));
        }
    }
    s.publish.learned(&view.protections);
    s.view.store(Arc::new(view));
    Ok(())
}

/// Whether what was simulated last is the answer still.
fn stands(s: &Shared, view: &View, generation: u64, now_ms: u64) -> bool {
    let (Some(fit), Some(last), Stage::Ready) = (&view.fit, &view.simulated, &view.stage) else {
        return false;
    };
    // Also when the clock was set back.
    let young = (last.at_ms..last.at_ms + stands_ms(last.cpu_s)).contains(&now_ms);
    young && last.generation == generation && s.mind.alike(&last.fit, fit)
}

/// Simulates the line and screens the moves for the latest fit, unless that is like the one before.
pub fn advise(s: &Shared) -> Result<(), Vec<Finding>> {
    let view = s.view.load_full();
    let (Some(fit), Stage::Provisional | Stage::Ready) = (&view.fit, &view.stage) else {
        return Ok(());
    };
    let (generation, now_ms) = (s.generations.current().number, s.wall.now_ms());
    if stands(s, &view, generation, now_ms) {
        return Ok(());
    }
    let cpu = thread_cpu_s();
    let priors = s.ledger.state().prior_ratios();
    let Some((diagnosis, counsel)) = s.mind.advise(fit, &priors, &s.cancel) else {
        return Ok(());
    };
    s.view.store(Arc::new(View {
        stage: Stage::Ready,
        diagnosis: Some(Arc::new(diagnosis)),
        counsel: Arc::new(counsel.clone()),
        simulated: Some(Simulated {
            fit: fit.clone(),
            generation,
            at_ms: now_ms,
            cpu_s: thread_cpu_s() - cpu,
        }),
        answers: view.answers + 1,
        ..(*view).clone()
    }));
    // Only what is new is written down: the same move on the same target is the same proposal.
    s.ledger
        .transact(s.wall.now_ms(), |state| {
            Ok::<_, LedgerError>(
                counsel
                    .proposals
                    .iter()
                    .filter(|p| !state.proposals.iter().any(|old| old.id == p.id))
                    .map(|p| {
                        let proposal = Box::new(p.clone());
                        Note::new("plimsoll", &p.evidence, Event::ProposalMade { proposal })
                    })
                    .collect(),
            )
        })
        .map(drop)
        .map_err(|e| vec![e.into()])
}

pub fn trial(s: &Shared) -> Result<(), Vec<Finding>> {
    s.runner.tick(s.wall.now_ms())
}

/// Brings local instances to their targets and tells the gateway which there are.
pub fn driver(s: &Shared) -> Result<(), Vec<Finding>> {
    let now_ms = s.wall.now_ms();
    let services = s.generations.current().base;
    // What was started here is looked after here, also when another node has come to lead.
    let acts = s.lead.leads("driver").is_ok() || s.process.has_any();
    let stepped = match acts {
        true => (s.process.reconcile(&services.services, now_ms)).map_err(|f| vec![f]),
        false => Ok(()),
    };
    // Also after an error: an instance that is gone must leave the generation.
    let by = By::new("plimsoll", "instances of the process driver", now_ms);
    s.generations.set_instances(s.process.ready(), &by)?;
    stepped
}

pub fn expiry(s: &Shared) -> Result<(), Vec<Finding>> {
    s.generations.expire(s.wall.now_ms())
}

/// Sums up the seconds that have closed since the last turn.
pub fn lately(s: &Shared) -> Result<(), Vec<Finding>> {
    let mut seconds = s.seconds.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = match seconds.newest() {
        None => KEEP_S,
        Some(newest) => s.windows.index().saturating_sub(newest).min(KEEP_S),
    };
    let history = s.windows.history(missing);
    let objectives = objectives(&s.view.load(), &history.routes);
    seconds.take(&history.windows, &objectives);
    Ok(())
}
