//! The truth of a scenario, by intervention: the load line as planted, with the planted limit lifted, and with the
//! runner-up lifted instead. Each is found by bisection and then has to hold for a minute.

use super::live::Live;
use super::scenarios::{Scenario, World};
use super::{Run, mix};
use crate::commands::recorded;
use crate::demo::traffic;
use crate::exit::Failure;
use crate::show::answer;
use prove::{FindLimit, Flow, Held, Mode, Search, Stopped};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A line is held this long: p99 has to be within the objective all the while.
const HOLD: Duration = Duration::from_secs(60);
/// By so much it is lowered when it does not hold, and so often before it is given up.
const LOWER: f64 = 0.95;
const TRIES: usize = 14;
/// What a database keeps in memory is there after so long at the first rate of the search: without it the first rates would read
/// everything, and after a minute of the watched traffic a line still hung on which was measured first.
const FILL: Duration = Duration::from_secs(120);
/// The first rate, as a share of the expected line, and the last.
const SEARCHED: (f64, f64) = (0.75, 12.0);
/// Each rate of the bisection is tried for so many seconds: until so many requests have come, within bounds. Of fewer the seldom ones
/// are so few that none of them is late at twice the line.
const STEP_S: (f64, f64) = (12.0, 40.0);
const STEP_REQUESTS: f64 = 600.0;
/// How near it comes.
const TOLERANCE: f64 = 0.05;

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    Line,
    Lifted,
    RunnerUp,
}

/// A line that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Requests per second; `None`: no rate was good, or it held at none that was tried.
    pub rps: Option<f64>,
    /// Seconds for which it was held.
    pub held_s: u64,
    /// How often it was lowered before it held.
    pub lowered: usize,
}

/// Measures one of them, with the mix of the run's seed. `Err` also where the scenario has nothing to lift.
pub fn measure(run: &Run<'_>, which: Which) -> Result<Measured, Failure> {
    let plant = plant(run.scenario, which)?;
    if plant.works_later() {
        let name = run.scenario.name;
        let why = "answers before the work is done: no latency shows a line to lift";
        return Err(Failure::new(format!("{name} {why}")));
    }
    let expected = expected(run, which)?;
    let mut planted = Planted {
        run,
        plant,
        on: None,
        tried: 0,
    };
    if plant.fills_a_cache() {
        let plan = planted.on()?.plan(SEARCHED.0 * expected, run.seed)?;
        let flow = traffic::Traffic::start(plan);
        std::thread::sleep(FILL);
        flow.stop();
    }
    let found = hold(&mut planted, expected);
    planted.end();
    found
}

/// What is planted, while rates are tried on it.
struct Planted<'a> {
    run: &'a Run<'a>,
    plant: &'a World,
    /// `None`: nothing stands.
    on: Option<Live>,
    /// Rates so far: each has arrivals of its own.
    tried: u64,
}

impl Planted<'_> {
    fn on(&mut self) -> Result<&Live, Failure> {
        let on = match self.on.take() {
            Some(on) => on,
            None => Live::start(self.run, self.plant, false)?,
        };
        Ok(self.on.insert(on))
    }

    fn end(&mut self) {
        self.on.take().into_iter().for_each(Live::stop);
    }

    /// Whether a rate is good for so long.
    fn holds(&mut self, rate: f64, time: Duration) -> Result<bool, Failure> {
        let seed = self.run.seed.wrapping_add(self.tried);
        self.tried += 1;
        let plan = self.on()?.plan(rate, seed)?;
        let find = FindLimit {
            start: rate,
            max: rate,
            mode: Mode::Bisect {
                hold: time,
                tolerance: TOLERANCE,
            },
            // There is no time for a second rate.
            at_most: plan.warmup + time + Duration::from_secs(1),
            plan,
        };
        let limit = prove::find_limit(&find, &mut |_| Flow::Continue);
        let limit = limit.map_err(|e| Failure::new(e.to_string()))?;
        let good = limit.line_rps.is_some();
        let how = if good { "good" } else { "broke" };
        eprintln!("{rate:.1}/s for {} s: {how}", time.as_secs());
        if !good && self.plant.ends_when_full() {
            // A process that ended would take the next rate with it.
            self.end();
        }
        Ok(good)
    }
}

fn plant(s: &Scenario, which: Which) -> Result<&World, Failure> {
    let missing = |what: &str| Failure::new(format!("{} has no {what} to lift", s.name));
    match which {
        Which::Line => Ok(&s.plant),
        Which::Lifted => s.lift.as_ref().map(|l| &l.plant).ok_or(missing("limit")),
        Which::RunnerUp => super::runner_up::of(s.name)
            .map(|r| &r.plant)
            .ok_or(missing("runner-up")),
    }
}

/// About where to look: what the model predicts from the recording, where there is one.
fn expected(run: &Run<'_>, which: Which) -> Result<f64, Failure> {
    let s = run.scenario;
    let usual = s.rate / 0.4;
    if !run.out.exists() {
        return Ok(usual);
    }
    let recorded = recorded::read(run.out)?;
    let (answer, fit) = answer::of_history(&recorded.history, &recorded.learn());
    // Where it says that there is none, it is looked for.
    let line = answer.line.map(|l| l.line).filter(|l| *l > 0.0);
    let line = line.unwrap_or(usual);
    Ok(match (which, fit, &s.lift) {
        (Which::Lifted, Some(fit), Some(lift)) => {
            let after = super::asked(&fit, lift.ask)?.map(|(_, after)| after);
            after.filter(|a| *a > 0.0).unwrap_or(2.0 * line)
        }
        _ => line,
    })
}

fn step(expected: f64) -> Duration {
    Duration::from_secs_f64((STEP_REQUESTS / expected).clamp(STEP_S.0, STEP_S.1))
}

/// Bisects. The generator runs on the same machine: where it is late the machine is full, and the services with it.
fn bisect(planted: &mut Planted<'_>, expected: f64) -> Result<Option<f64>, Failure> {
    let (first, last) = SEARCHED;
    let mut search = Search::new(first * expected, last * expected, TOLERANCE);
    loop {
        match search.next() {
            Ok(rate) if planted.holds(rate, step(expected))? => search.record(rate, Held::Good),
            Ok(rate) => search.record(rate, Held::Broke),
            Err(Stopped::MaxReached) => {
                return Err(Failure::new("the highest rate that was tried is good"));
            }
            Err(_) => return Ok(search.bounds().0),
        }
    }
}

/// Bisects, then holds what was found, a little lower each time that it breaks.
fn hold(planted: &mut Planted<'_>, expected: f64) -> Result<Measured, Failure> {
    let Some(mut line) = bisect(planted, expected)? else {
        return Ok(Measured {
            rps: None,
            held_s: 0,
            lowered: 0,
        });
    };
    for lowered in 0..TRIES {
        if planted.holds(line, HOLD)? {
            return Ok(Measured {
                rps: Some(line),
                held_s: HOLD.as_secs(),
                lowered,
            });
        }
        line *= LOWER;
    }
    Ok(Measured {
        rps: None,
        held_s: 0,
        lowered: TRIES,
    })
}

/// The scenario with the mix of a seed.
pub fn weights(run: &Run<'_>) -> Vec<u32> {
    mix::drawn(run.scenario.mix, run.seed)
}
