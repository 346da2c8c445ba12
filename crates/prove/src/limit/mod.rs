//! Finds the load line under generated load: raises the rate until the SLO breaks.

pub mod judge;
pub mod search;

pub use search::{Held, Search, Step, Stopped};

use crate::own::{self, Own};
use crate::plan::{Arrivals, Plan, PlanError, Process};
use crate::report::Report;
use crate::run::{Flow, Progress, run};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What to look for. The plan's arrivals and duration are replaced; its goals are the SLO and must be there.
#[derive(Clone, Debug)]
pub struct FindLimit {
    pub plan: Plan,
    /// First and highest rate, requests per second.
    pub start: f64,
    pub max: f64,
    pub mode: Mode,
    /// The search ends after this, with what is known then.
    pub at_most: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// A ramp of this length from `start` to `max`, and another to a lower `max` when it broke near its start;
    /// within about 10 %.
    Quick { ramp: Duration },
    /// Holds each rate this long; ends when the line is enclosed within the tolerance (0.03 for 3 %).
    Bisect { hold: Duration, tolerance: f64 },
}

impl Mode {
    pub const QUICK: Mode = Mode::Quick {
        ramp: Duration::from_secs(15),
    };
    pub const BISECT: Mode = Mode::Bisect {
        hold: Duration::from_secs(60),
        tolerance: 0.03,
    };
}

/// Where the line is.
#[derive(Clone, Debug, Serialize)]
pub struct Limit {
    /// The load line, requests per second; `None` when no rate was good.
    pub line_rps: Option<f64>,
    /// Between these; `high` is `None` when nothing broke that is known to be the server's doing.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// `ramp, ±10 %` or `bisected, 60 s each, ±3 %`.
    pub method: String,
    pub steps: Vec<Step>,
    pub stopped: Stopped,
}

/// What the search is doing now.
#[derive(Clone, Debug)]
pub struct SearchProgress<'a> {
    /// Of the step that runs: the rate held, or that of the ramp right now.
    pub rate: f64,
    pub steps: &'a [Step],
    pub run: &'a Progress,
}

/// Pause after a rate that broke, for queues to drain.
const REST: Duration = Duration::from_secs(2);
/// A broken rate is left early once chance cannot explain it any more.
const SURE: f64 = 0.999_999;
/// A rate that was held to its end is good unless more requests of a kind were late than chance explains. Were the share of the
/// sample to decide, one late answer of sixty would, and the more kinds there are the lower the line would be.
const LIKELY: f64 = 0.95;

/// Finds the highest rate at which every kind of request keeps its goal. Blocks, at most about `at_most`.
///
/// # Errors
/// A plan that makes no sense, or has no goals.
pub fn find_limit(
    find: &FindLimit,
    progress: &mut dyn FnMut(&SearchProgress<'_>) -> Flow,
) -> Result<Limit, PlanError> {
    if find.plan.goals.is_empty() {
        return Err(PlanError::Value {
            what: "the number of goals",
            value: "0".into(),
            hint: "a limit needs an SLO: a latency and a target",
        });
    }
    if !(find.start > 0.0 && find.start <= find.max) {
        return Err(PlanError::Value {
            what: "the first rate",
            value: format!("{}/s", find.start),
            hint: "it must be above 0 and not above the highest rate",
        });
    }
    match find.mode {
        Mode::Quick { ramp } => quick(find, ramp, progress),
        Mode::Bisect { hold, tolerance } => bisect(find, hold, tolerance, progress),
    }
}

/// Whether what broke can be the server's doing.
fn generator(plan: &Plan, report: &Report) -> Result<(), String> {
    let own = Own {
        lag_p99: Duration::from_secs_f64(report.generator.lag_p99_s),
        cpu: report.generator.cpu,
        p50: Duration::ZERO,
    };
    let shortest = plan.goals.iter().map(|g| g.latency).min();
    own::judge_goal(&own, shortest.unwrap_or_default())
}

/// Whether it is no use to go on at any rate: nobody answers. The kind of failure.
fn nobody(report: &Report) -> Option<Stopped> {
    let (what, _) = report.errors.iter().max_by_key(|e| e.1)?;
    let never = ["connect", "closed", "malformed"].contains(&what.as_str());
    (report.completed == 0 && never).then(|| Stopped::Unanswered(what.clone()))
}

/// A ramp that broke below this share of its highest rate was too steep to read.
const STEEP: f64 = 0.25;

/// Ramps until one breaks in its upper part.
fn quick(
    find: &FindLimit,
    ramp: Duration,
    progress: &mut dyn FnMut(&SearchProgress<'_>) -> Flow,
) -> Result<Limit, PlanError> {
    let began = Instant::now();
    let (mut max, mut steps) = (find.max, Vec::new());
    // Where the lowest ramp so far broke, and why that need not be the server's doing.
    let (mut above, mut doubt) = (None, None);
    let (line, low, high, stopped) = loop {
        let mut plan = find.plan.clone();
        plan.duration = ramp.min(find.at_most);
        plan.arrivals = Arrivals::Open {
            rate: find.start,
            ramp_to: Some(max),
            process: Process::Poisson,
        };
        let c = match climb(&plan, find.start, max, &steps, progress)? {
            Ok((crossing, behind)) => {
                doubt = behind;
                crossing
            }
            Err(Stopped::MaxReached) if above.is_some() => {
                break (Some(max), Some(max), above, Stopped::Found);
            }
            Err(Stopped::MaxReached) => break (Some(max), Some(max), None, Stopped::MaxReached),
            Err(stopped) => break (None, None, None, stopped),
        };
        steps.extend(Step::of(&c));
        let next = c.broke.max(2.5 * c.line).min(max / 2.0);
        let time = began.elapsed() + REST + ramp < find.at_most;
        if c.line < STEEP * max && next > find.start && time {
            (max, above) = (next, Some(c.broke));
            std::thread::sleep(REST);
        } else if c.line > 0.0 {
            let (low, high) = (0.9 * c.line, 1.1 * c.line);
            break (Some(c.line), Some(low), Some(high), Stopped::Found);
        } else {
            break (None, None, None, Stopped::NeverGood);
        }
    };
    // Below what broke all was good: the line is at least there.
    let (high, stopped) = match (stopped, doubt) {
        (Stopped::Found | Stopped::NeverGood, Some(why)) => (None, Stopped::Generator(why)),
        (stopped, _) => (high, stopped),
    };
    Ok(Limit {
        line_rps: line,
        low,
        high,
        method: format!("ramp of {:.0} s, ±10 %", ramp.as_secs_f64()),
        steps,
        stopped,
    })
}

/// One ramp, ended where it breaks, and why that need not be the server's doing; or why there is no such place.
fn climb(
    plan: &Plan,
    start: f64,
    max: f64,
    steps: &[Step],
    progress: &mut dyn FnMut(&SearchProgress<'_>) -> Flow,
) -> Result<Result<(judge::Crossing, Option<String>), Stopped>, PlanError> {
    let mut asked = false;
    let mut crossing = None;
    let seconds = plan.duration.as_secs_f64();
    let report = run(plan, &mut |p| {
        let share = (p.measured.as_secs_f64() / seconds).min(1.0);
        let now = SearchProgress {
            rate: start + (max - start) * share,
            steps,
            run: p,
        };
        asked |= progress(&now) == Flow::Stop;
        let judged = judge::judged(plan, &p.timeline, p.measured);
        crossing = crossing.or_else(|| judge::crossing(plan, &p.timeline, judged));
        if asked || crossing.is_some() {
            Flow::Stop
        } else {
            Flow::Continue
        }
    })?;
    if asked {
        return Ok(Err(Stopped::Asked));
    }
    if let Some(stopped) = nobody(&report) {
        return Ok(Err(stopped));
    }
    let crossing =
        crossing.or_else(|| judge::crossing(plan, &report.timeline, report.timeline.len()));
    Ok(match (crossing, generator(plan, &report)) {
        (Some(c), own) => Ok((c, own.err())),
        (None, _) => Err(Stopped::MaxReached),
    })
}

fn bisect(
    find: &FindLimit,
    hold: Duration,
    tolerance: f64,
    progress: &mut dyn FnMut(&SearchProgress<'_>) -> Flow,
) -> Result<Limit, PlanError> {
    let began = Instant::now();
    let mut search = Search::new(find.start, find.max, tolerance);
    let mut steps: Vec<Step> = Vec::new();
    let stopped = loop {
        let rate = match search.next() {
            Ok(rate) => rate,
            Err(stopped) => break stopped,
        };
        let mut plan = find.plan.clone();
        plan.duration = hold;
        plan.seed = find.plan.seed.wrapping_add(steps.len() as u64);
        plan.arrivals = Arrivals::Open {
            rate,
            ramp_to: None,
            process: Process::Poisson,
        };
        if began.elapsed() + plan.warmup + hold > find.at_most {
            break Stopped::OutOfTime;
        }
        let (mut asked, mut broke) = (false, false);
        let report = run(&plan, &mut |p| {
            let now = SearchProgress {
                rate,
                steps: &steps,
                run: p,
            };
            asked |= progress(&now) == Flow::Stop;
            let judged = judge::judged(&plan, &p.timeline, p.measured);
            broke |= judge::broken(&plan, &p.timeline, 0..judged, SURE);
            if asked || broke {
                Flow::Stop
            } else {
                Flow::Continue
            }
        })?;
        if asked {
            break Stopped::Asked;
        }
        if let (None, Some(stopped)) = (search.bounds().0, nobody(&report)) {
            break stopped;
        }
        let margin = judge::margin(&plan, &report.timeline, 0..report.timeline.len());
        let Some(margin) = margin else {
            // Not one request in the whole hold: a rate this low says nothing.
            break Stopped::NeverGood;
        };
        let all = 0..report.timeline.len();
        let good = !broke && !judge::broken(&plan, &report.timeline, all, LIKELY);
        let held = match (good, generator(&plan, &report)) {
            (true, _) => Held::Good,
            (false, Ok(())) => Held::Broke,
            (false, Err(why)) => Held::Behind(why),
        };
        search.record(rate, held);
        steps.push(Step {
            rate,
            good,
            margin: Some(margin),
        });
        if !good {
            std::thread::sleep(REST);
        }
    };
    let (low, high) = search.bounds();
    Ok(Limit {
        line_rps: low,
        low,
        high,
        method: format!(
            "bisected, {:.0} s each, ±{:.0} %",
            hold.as_secs_f64(),
            tolerance * 100.0
        ),
        steps,
        stopped,
    })
}
