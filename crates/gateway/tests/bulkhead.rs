//! A route that floods a service, and a light one beside it that does not notice.

mod common;

use common::*;
use config::sections::Bulkhead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const HEAVY: Duration = Duration::from_millis(120);

/// The times of a few light requests, sorted, while `/heavy` is flooded; and how often the flood was refused.
fn light_beside_a_flood(bulkhead: Bulkhead) -> (Vec<Duration>, usize) {
    let upstream = Upstream::http(|head, _| {
        if head.starts_with("GET /heavy") {
            std::thread::sleep(HEAVY);
        }
        ok(b"x")
    });
    let mut c = config(&[upstream.address]);
    c.routes.push(route("heavy", "s", &["heavy"]));
    c.services[0].limit = Some(8);
    c.services[0].bulkhead = Some(bulkhead);
    let running = Running::with(c);
    let mut client = running.client();
    assert_eq!(client.get("/light").status, 200);
    let (stop, refused) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let flood = || {
        let (stop, refused, mut client) = (stop.clone(), refused.clone(), running.client());
        std::thread::spawn(move || {
            while !stop.load(SeqCst) {
                // Otherwise a refusal would be asked for as fast as it can be given.
                if client.get("/heavy").reason() == "bulkhead" {
                    refused.fetch_add(1, SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        })
    };
    let threads: Vec<_> = (0..20).map(|_| flood()).collect();
    until("a flood", || {
        running.gateway.gauges().limits[0].counts.in_flight >= 4000
    });
    let light = |_| {
        let began = Instant::now();
        assert_eq!(client.get("/light").status, 200);
        began.elapsed()
    };
    let mut times: Vec<_> = (0..16).map(light).collect();
    stop.store(true, SeqCst);
    threads.into_iter().for_each(|t| t.join().unwrap());
    times.sort();
    (times, refused.load(SeqCst))
}

#[test]
fn a_flood_on_one_route_is_not_felt_on_another() {
    let (times, refused) = light_beside_a_flood(Bulkhead::default());
    assert!(refused > 0);
    assert!(times[14] < HEAVY / 4, "{times:?}");
}
