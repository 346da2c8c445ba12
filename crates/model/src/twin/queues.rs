//! How long a request waits at each resource before anything is simulated: what is seen at low load is less by that.

use super::system::{servers, service_s};
use crate::fit::{Fit, ResourceFit};
use crate::turns::AllTurns;
use base::Discipline;

/// How long requests wait at each resource while the load is low.
pub struct Queues {
    rho: Vec<f64>,
    /// The wait over the service time, for services that vary like exponential ones.
    pub shares: Vec<f64>,
    /// Mean wait at a first-come queue, seconds, each time and whoever comes: what is left of the service under way, as often as
    /// somebody has to wait. 0 elsewhere.
    pub waits: Vec<f64>,
    turns: AllTurns,
}

impl Queues {
    pub fn new(fit: &Fit, rho: Vec<f64>) -> Queues {
        let share = |(r, rho): (&ResourceFit, &f64)| wait_share(*rho, servers(r));
        let shares: Vec<f64> = fit.resources.iter().zip(&rho).map(share).collect();
        let turns = AllTurns::of(fit);
        let wait = |(k, info): (usize, &ResourceFit)| {
            // Of a limit that comes in slices hardly anybody waits for the next while the load is low.
            if info.info.discipline != Discipline::Fcfs || info.is_limit_of_a_disk() {
                return 0.0;
            }
            let (mut busy, mut squares) = (0.0, 0.0);
            for (r, (route, row)) in fit.routes.iter().zip(&fit.demand).enumerate() {
                let (d, tries) = (service_s(info, row[k].mean), route.amplification.max(1.0));
                let varies = 1.0 + row[k].scv.unwrap_or(1.0);
                busy += route.rate * d;
                squares += route.rate * turns.get(r, k).squares(d) * varies / tries;
            }
            let left = if busy > 0.0 {
                squares / (2.0 * busy)
            } else {
                0.0
            };
            left * shares[k]
        };
        Queues {
            waits: fit.resources.iter().enumerate().map(wait).collect(),
            shares,
            rho,
            turns,
        }
    }

    /// Mean wait of one try of a route at a first-come queue, where it is served for so many seconds, all its turns together.
    pub fn wait(&self, r: usize, k: usize, seconds: f64) -> f64 {
        let turns = self.turns.get(r, k);
        turns.wait(self.waits[k], seconds, self.rho[k])
    }

    /// Of all turns together, each of which waits for `wait` in the mean. It is zero or about exponential: variance `W^2 (2/p - 1)`, p the
    /// share that waits.
    pub fn var(&self, r: usize, k: usize, wait: f64) -> f64 {
        if self.shares[k] <= 1e-3 {
            return 0.0;
        }
        let p = (self.shares[k] * (1.0 - self.rho[k])).clamp(1e-3, 1.0);
        self.turns.get(r, k).n as f64 * wait.powi(2) * (2.0 / p - 1.0)
    }
}

/// Mean wait over service at a queue with `servers` at utilisation `rho` (Sakasegawa), for services that vary like
/// exponential ones: `rho^(sqrt(2(c+1))-1) / (c(1-rho))`.
fn wait_share(rho: f64, servers: f64) -> f64 {
    let (rho, c) = (rho.clamp(0.0, 0.97), servers.max(1.0));
    rho.powf((2.0 * (c + 1.0)).sqrt() - 1.0) / (c * (1.0 - rho))
}
