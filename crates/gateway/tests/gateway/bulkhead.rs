//! A route that floods a service, and a light one beside it that does not notice.

use crate::common::*;
use config::sections::Bulkhead;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Held back until it is opened.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn pass(&self) {
        let open = self.0.lock().unwrap();
        let _open = self.1.wait_while(open, |open| !*open).unwrap();
    }
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

/// The status and the reason that a light request gets while `/heavy` is flooded, and how many of the flood are inside.
fn light_beside_a_flood(bulkhead: Option<Bulkhead>) -> (u16, String, u64) {
    let gate = Arc::new(Gate::default());
    let closed = gate.clone();
    let upstream = Upstream::http(move |head, _| {
        if head.starts_with("GET /heavy") {
            closed.pass();
        }
        ok(b"x")
    });
    let mut c = config(&[upstream.address]);
    c.routes.push(route("heavy", "s", &["heavy"]));
    c.services[0].limit = Some(8);
    c.services[0].pool.wait = Duration::from_millis(20);
    c.services[0].bulkhead = bulkhead;
    let running = Running::with(c);
    let mut client = running.client();
    assert_eq!(client.get("/light").status, 200);
    let limit = || running.gateway.gauges().limits[0].counts;
    let refused = || {
        let decisions = running.gateway.gauges().decisions;
        let bulkhead = decisions.iter().filter(|d| d.gate == "bulkhead");
        bulkhead.map(|d| d.count).sum::<u64>() + limit().refused
    };
    let mut flood: Vec<Client> = Vec::new();
    for n in 1..=20 {
        let mut one = running.client();
        one.send("GET /heavy HTTP/1.1\r\nHost: a\r\n\r\n");
        flood.push(one);
        until("it is in or refused", || {
            limit().in_flight / 1000 + refused() == n
        });
    }
    let inside = limit().in_flight / 1000;
    let light = client.get("/light");
    gate.open();
    for mut one in flood {
        assert!([200, 503].contains(&one.answer().status));
    }
    (light.status, light.reason().to_owned(), inside)
}

#[test]
fn a_flood_on_one_route_is_not_felt_on_another() {
    let without = light_beside_a_flood(None);
    assert_eq!(without, (503, "limit".to_owned(), 8));
    let with = light_beside_a_flood(Some(Bulkhead::default()));
    assert_eq!(
        with,
        (200, String::new(), 6),
        "one and a little more are kept"
    );
}

#[test]
fn a_burst_beyond_its_part_is_served_late_not_refused() {
    let upstream = Upstream::http(|head, _| {
        let heavy = head.starts_with("GET /heavy");
        std::thread::sleep(Duration::from_millis(if heavy { 100 } else { 5 }));
        ok(b"x")
    });
    let mut c = config(&[upstream.address]);
    c.routes.push(route("heavy", "s", &["heavy"]));
    c.services[0].limit = Some(8);
    c.services[0].bulkhead = Some(Bulkhead::default());
    let running = Running::with(c);
    let address = running.gateway.address();
    let burst = || -> Vec<u16> {
        let one = |_| std::thread::spawn(move || Client::to(address).get("/light").status);
        let all: Vec<_> = (0..12).map(one).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    };
    burst();
    let stop = Arc::new(AtomicBool::new(false));
    let flood: Vec<_> = (0..40)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut client = Client::to(address);
                while !stop.load(SeqCst) {
                    client.get("/heavy");
                }
            })
        })
        .collect();
    let limit = || running.gateway.gauges().limits[0].counts;
    until("a flood", || limit().in_flight >= 4000);
    let decided = |what| {
        let decisions = running.gateway.gauges().decisions;
        let light = decisions
            .iter()
            .filter(|d| d.gate == "bulkhead" && d.of == "all");
        light
            .filter(|d| d.what == what)
            .map(|d| d.count)
            .sum::<u64>()
    };
    for _ in 0..10 {
        assert_eq!(burst(), [200; 12]);
    }
    assert!(decided("waited") > 0, "four are its part");
    assert_eq!(decided("refused"), 0);
    stop.store(true, SeqCst);
    flood.into_iter().for_each(|t| t.join().unwrap());
    until("nothing in flight", || limit().in_flight == 0);
}
