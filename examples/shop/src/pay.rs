//! The payment stub: a third party that serves a few charges at once, each for a while.

use crate::Options;
use crate::server::{Response, serve};
use crate::timing::Timing;
use crate::work::Pool;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub fn run(options: Options) -> std::io::Result<()> {
    let s = options.switches;
    let slots = Pool::new(vec![(); s.pay_slots]);
    let charges = AtomicU64::new(0);
    serve(options.listen, move |request| {
        if request.path == "/health" {
            return Response::new(200, "{}");
        }
        let ((), held) =
            slots.borrow(|()| std::thread::sleep(Duration::from_secs_f64(s.pay_ms / 1e3)));
        let mut timing = Timing::default();
        timing.held("slots", held, slots.size);
        let mut response = match chance(charges.fetch_add(1, Relaxed)) < s.pay_fails {
            true => Response::new(503, "{\"error\":\"the bank does not answer\"}"),
            false => Response::new(200, "{\"charged\":true}"),
        };
        response.server_timing = timing.header(s.timing).map(str::to_owned);
        response
    })
}

/// Even in 0 to 1 and without a pattern, the same for each run.
fn chance(turn: u64) -> f64 {
    StdRng::seed_from_u64(turn).random()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_fail_as_are_asked_for_and_no_turn_tells_the_next() {
        let fails: Vec<bool> = (0..10_000).map(|i| chance(i) < 0.6).collect();
        let all = fails.iter().filter(|f| **f).count();
        let pairs = fails.windows(2).filter(|w| w[0] && w[1]).count();
        assert!(
            all.abs_diff(6000) < 150 && pairs.abs_diff(3600) < 150,
            "{all} {pairs}"
        );
    }
}
