//! The payment stub: a third party that serves a few charges at once, each for a while.

use crate::Options;
use crate::server::{Response, serve};
use crate::timing::Timing;
use crate::work::Pool;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The golden ratio less one: its multiples leave no gaps.
const GOLDEN: f64 = 0.618_033_988_749_895;

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
        // Spread evenly: as many of any few as of all.
        let turn = (charges.fetch_add(1, Relaxed) as f64 * GOLDEN).fract();
        let mut response = match turn < s.pay_fails {
            true => Response::new(503, "{\"error\":\"the bank does not answer\"}"),
            false => Response::new(200, "{\"charged\":true}"),
        };
        response.server_timing = timing.header(s.timing).map(str::to_owned);
        response
    })
}
