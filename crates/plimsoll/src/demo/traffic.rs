//! The demo's traffic: the config's mix, from many users, at a steady rate or as a ramp.

use crate::exit::Failure;
use crate::interrupt::Interrupts;
use config::Config;
use config::sections::LoadRequest;
use prove::{FindLimit, Flow, Goal, Limit, Mode, Plan, Report};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A canary is chosen by user: this many take part.
const USERS: usize = 32;

/// The mix of the config's first load, spread over the users.
pub fn plan(config: &Config, target: SocketAddr, rate: f64, seed: u64) -> Result<Plan, Failure> {
    let mix = config
        .loads
        .first()
        .ok_or_else(|| Failure::new("the config has no load mix"))?;
    let by_user = |r: &LoadRequest, user: usize| {
        let mut r = r.clone();
        r.headers.push(("x-user-id".into(), format!("user-{user}")));
        r
    };
    let requests = mix
        .requests
        .iter()
        .flat_map(|r| (0..USERS).map(move |u| by_user(r, u)))
        .collect();
    let mut plan = Plan::to(target, "/", rate, Duration::from_secs(600));
    plan.mix = requests;
    plan.seed = seed;
    plan.goals = goals(config, &plan.mix);
    Ok(plan)
}

/// The objective of latency of the route that each request meets; the demo's routes all have one.
fn goals(config: &Config, mix: &[LoadRequest]) -> Vec<Goal> {
    mix.iter()
        .map(|r| {
            let path = r.path.split('?').next().unwrap_or("/");
            let slo = config
                .routes
                .iter()
                .filter(|x| {
                    x.matcher.host.is_none() && same_shape(&x.matcher.path.to_string(), path)
                })
                .find_map(|x| x.slo.as_ref()?.latency);
            match slo {
                Some(l) => Goal {
                    latency: l.within,
                    target: l.target,
                },
                None => Goal {
                    latency: Duration::from_millis(500),
                    target: 0.99,
                },
            }
        })
        .collect()
}

/// `/products/{id}` and `/products/{1..200}` have the same literal parts.
fn same_shape(template: &str, path: &str) -> bool {
    let literals = |p: &str| {
        p.split('/')
            .map(|s| {
                if s.starts_with('{') {
                    "{}".into()
                } else {
                    s.to_owned()
                }
            })
            .collect::<Vec<_>>()
    };
    literals(template) == literals(path)
}

/// Traffic that flows until it is stopped.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<Report>>>,
}

impl Traffic {
    pub fn start(plan: Plan) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut go_on = |_: &prove::Progress| {
                if seen.load(Ordering::Relaxed) {
                    Flow::Stop
                } else {
                    Flow::Continue
                }
            };
            // The plan was made here and is good; what happens on the wire shows in Plimsoll itself.
            prove::run(&plan, &mut go_on).ok()
        });
        Traffic {
            stop,
            thread: Some(thread),
        }
    }

    /// What its clients saw, where there is something to tell.
    pub fn stop(mut self) -> Option<Report> {
        self.end()
    }

    fn end(&mut self) -> Option<Report> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take()?.join().ok()?
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end();
    }
}

/// Measures the load line: a ramp from well below the expected rate to far above it, or a bisection with `full`.
pub fn limit(
    config: &Config,
    target: SocketAddr,
    expected: f64,
    full: bool,
    seed: u64,
    interrupts: &Interrupts,
) -> Result<Limit, Failure> {
    // The search sets the arrivals itself.
    let plan = plan(config, target, 1.0, seed)?;
    let mode = if full {
        Mode::Bisect {
            hold: Duration::from_secs(20),
            tolerance: 0.05,
        }
    } else {
        Mode::Quick {
            ramp: Duration::from_secs(15),
        }
    };
    let find = FindLimit {
        plan,
        start: 0.4 * expected,
        max: 3.5 * expected,
        mode,
        at_most: Duration::from_secs(300),
    };
    let mut go_on = |_: &prove::limit::SearchProgress<'_>| match interrupts.count() {
        0 => Flow::Continue,
        _ => Flow::Stop,
    };
    prove::find_limit(&find, &mut go_on).map_err(|e| Failure::new(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_meet_the_objective_of_their_route() {
        assert!(same_shape("/products/{id}", "/products/{1..200}"));
        assert!(!same_shape("/products/{id}", "/search"));
    }
}
