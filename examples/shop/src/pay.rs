//! The payment stub: a third party that serves a few charges at once, each for a while.

use crate::Options;
use crate::server::{Response, serve};
use crate::timing::Timing;
use crate::work::Pool;
use std::time::Duration;

pub fn run(options: Options) -> std::io::Result<()> {
    let s = options.switches;
    let slots = Pool::new(vec![(); s.pay_slots]);
    serve(options.listen, move |request| {
        if request.path == "/health" {
            return Response::new(200, "{}");
        }
        let ((), held) =
            slots.borrow(|()| std::thread::sleep(Duration::from_secs_f64(s.pay_ms / 1e3)));
        let mut timing = Timing::default();
        timing.held("slots", held, slots.size);
        let mut response = Response::new(200, "{\"charged\":true}");
        response.server_timing = timing.header(s.timing).map(str::to_owned);
        response
    })
}
