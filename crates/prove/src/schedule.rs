//! When each request is meant to be sent: decided in advance, by plan and seed alone.

use crate::plan::{Arrivals, Plan, Process};
use rand::distr::Open01;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;

/// One intended send, seconds after the start. `kind` is given by recordings only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    pub at: f64,
    pub kind: Option<u16>,
}

/// The share of the arrivals that one of `threads` generators sends; all shares together are the whole.
#[derive(Debug)]
pub struct Schedule {
    source: Source,
    end: f64,
}

#[derive(Debug)]
enum Source {
    Rate {
        curve: Curve,
        process: Process,
        /// Expected number of arrivals so far; the next one is where the curve reaches it.
        level: f64,
        step: f64,
        rng: Box<StdRng>,
    },
    Recorded {
        times: Arc<[(f64, u16)]>,
        next: usize,
        step: usize,
    },
    Never,
}

impl Schedule {
    pub fn new(plan: &Plan, thread: usize, threads: usize) -> Schedule {
        let (warmup, duration) = (plan.warmup.as_secs_f64(), plan.duration.as_secs_f64());
        let source = match &plan.arrivals {
            Arrivals::Open {
                rate,
                ramp_to,
                process,
            } => Source::Rate {
                curve: Curve {
                    flat: warmup,
                    from: *rate,
                    slope: ramp_to.map_or(0.0, |to| (to - rate) / duration),
                },
                process: *process,
                // Threads of a metronome take turns.
                level: if *process == Process::Constant {
                    thread as f64
                } else {
                    0.0
                },
                step: threads as f64,
                rng: Box::new(StdRng::seed_from_u64(
                    plan.seed ^ (thread as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                )),
            },
            Arrivals::Recorded(times) => Source::Recorded {
                times: times.clone(),
                next: thread,
                step: threads,
            },
            Arrivals::Closed { .. } => Source::Never,
        };
        Schedule {
            source,
            end: warmup + duration,
        }
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let arrival = match &mut self.source {
            Source::Rate {
                curve,
                process,
                level,
                step,
                rng,
            } => {
                let at = match process {
                    Process::Constant => {
                        let at = curve.time_of(*level);
                        *level += *step;
                        at
                    }
                    Process::Poisson => {
                        let u: f64 = rng.sample(Open01);
                        *level -= u.ln() * *step;
                        curve.time_of(*level)
                    }
                };
                Arrival { at, kind: None }
            }
            Source::Recorded { times, next, step } => {
                let (at, kind) = *times.get(*next)?;
                *next += *step;
                Arrival {
                    at,
                    kind: Some(kind),
                }
            }
            Source::Never => return None,
        };
        // A falling ramp can end before it reaches the level: not a number.
        (arrival.at < self.end).then_some(arrival)
    }
}

/// A rate over time: flat, then a straight line.
#[derive(Clone, Copy, Debug)]
struct Curve {
    flat: f64,
    from: f64,
    slope: f64,
}

impl Curve {
    /// When the expected number of arrivals reaches `level`: the inverse of the integral of the rate.
    fn time_of(&self, level: f64) -> f64 {
        let before = self.flat * self.from;
        if level <= before || self.slope == 0.0 {
            return level / self.from;
        }
        // from·t + slope·t²/2 = level − before, in the form that is stable for small slopes.
        let rest = level - before;
        let root = (self.from * self.from + 2.0 * self.slope * rest).sqrt();
        self.flat + 2.0 * rest / (self.from + root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn times(rate: f64, ramp_to: Option<f64>, process: Process, threads: usize) -> Vec<f64> {
        let mut plan = Plan::to(
            ([127, 0, 0, 1], 1).into(),
            "/",
            rate,
            Duration::from_secs(10),
        );
        plan.warmup = Duration::from_secs(2);
        plan.arrivals = Arrivals::Open {
            rate,
            ramp_to,
            process,
        };
        let mut all: Vec<f64> = (0..threads)
            .flat_map(|i| Schedule::new(&plan, i, threads).map(|a| a.at))
            .collect();
        all.sort_by(f64::total_cmp);
        all
    }

    #[test]
    fn a_metronome_is_even_and_threads_take_turns() {
        let one = times(100.0, None, Process::Constant, 1);
        assert_eq!(one.len(), 1200);
        assert!(one.windows(2).all(|w| (w[1] - w[0] - 0.01).abs() < 1e-9));
        let three = times(100.0, None, Process::Constant, 3);
        assert_eq!(one.len(), three.len());
        assert!(one.iter().zip(&three).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn poisson_gaps_have_the_right_mean_and_spread() {
        for threads in [1, 4] {
            let t = times(2000.0, None, Process::Poisson, threads);
            let gaps: Vec<f64> = t.windows(2).map(|w| w[1] - w[0]).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let var = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
            assert!((mean * 2000.0 - 1.0).abs() < 0.03, "mean {mean}");
            assert!((var / (mean * mean) - 1.0).abs() < 0.08, "variance {var}");
        }
    }

    #[test]
    fn a_ramp_rises_in_a_straight_line_after_the_warmup() {
        for process in [Process::Constant, Process::Poisson] {
            let t = times(100.0, Some(1100.0), process, 1);
            let count =
                |from: f64, to: f64| t.iter().filter(|t| (from..to).contains(*t)).count() as f64;
            assert!((count(0.0, 2.0) - 200.0).abs() < 50.0);
            assert!((count(2.0, 12.0) - 6000.0).abs() < 250.0);
            assert!((count(11.0, 12.0) - 1050.0).abs() < 120.0);
        }
        let falling = times(100.0, Some(1.0), Process::Constant, 1);
        assert!(falling.iter().all(|t| t.is_finite()) && falling.len() > 600);
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        let a = times(50.0, None, Process::Poisson, 2);
        assert_eq!(a, times(50.0, None, Process::Poisson, 2));
    }
}
