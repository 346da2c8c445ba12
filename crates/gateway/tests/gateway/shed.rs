//! A spike of what can wait, through sockets: what is critical does not notice.

use crate::common::*;
use config::sections::{Criticality, Identity, Shed};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

#[derive(Default)]
struct Seen {
    good: AtomicUsize,
    shed: AtomicUsize,
    other: AtomicUsize,
}

impl Seen {
    fn all(&self) -> usize {
        [&self.good, &self.shed, &self.other]
            .iter()
            .map(|c| c.load(SeqCst))
            .sum()
    }
}

/// `n` users who ask again as soon as they are answered.
fn users(
    n: usize,
    address: SocketAddr,
    headers: &'static str,
    stop: &Arc<AtomicBool>,
    seen: &Arc<Seen>,
) -> Vec<JoinHandle<()>> {
    let one = |i: usize| {
        let (stop, seen) = (stop.clone(), seen.clone());
        move || {
            let mut client = Client::to(address);
            let request = format!("GET / HTTP/1.1\r\nHost: t\r\nX-Account: u{i}\r\n{headers}\r\n");
            while !stop.load(SeqCst) {
                let a = client.send(&request).answer();
                match (a.status, a.reason()) {
                    (200, _) => &seen.good,
                    (503, "shed") => &seen.shed,
                    _ => &seen.other,
                }
                .fetch_add(1, SeqCst);
            }
        }
    };
    (0..n).map(|i| std::thread::spawn(one(i))).collect()
}

#[test]
fn a_spike_of_what_can_wait_costs_what_is_critical_nothing() {
    let upstream = Upstream::http(|_, _| {
        std::thread::sleep(Duration::from_millis(5));
        ok(b"x")
    });
    let mut c = config(&[upstream.address]);
    c.services[0].limit = Some(8);
    c.services[0].shed = Some(Shed::default());
    c.services[0].pool.wait = Duration::from_millis(200);
    c.routes[0].criticality = Criticality::Critical;
    c.identity = Some(Identity {
        user: Some("x-account".into()),
        criticality: Some("x-criticality".into()),
        ..Identity::default()
    });
    let running = Running::with(c);
    let (stop, address) = (Arc::new(AtomicBool::new(false)), running.gateway.address());
    let (critical, spike) = (Arc::new(Seen::default()), Arc::new(Seen::default()));
    let mut all = users(4, address, "", &stop, &critical);
    until("some critical traffic", || critical.all() > 100);
    all.extend(users(
        48,
        address,
        "X-Criticality: sheddable\r\n",
        &stop,
        &spike,
    ));
    until("the spike", || spike.all() > 48);
    let before = critical.all();
    until("a thousand critical answers", || {
        critical.all() > before + 1000
    });
    stop.store(true, SeqCst);
    all.into_iter().for_each(|t| t.join().unwrap());
    let [good, other, shed] =
        [&critical.good, &critical.other, &critical.shed].map(|c| c.load(SeqCst));
    assert_eq!((other, shed), (0, 0), "of {good}");
    assert!(spike.shed.load(SeqCst) > 0 && spike.good.load(SeqCst) > 0);
    assert_eq!(spike.other.load(SeqCst), 0);
    let decisions = running.gateway.gauges().decisions;
    assert!(
        decisions.iter().any(|d| d.gate == "shed" && d.count > 0),
        "{decisions:?}"
    );
}

#[test]
fn left_out_it_counts_whom_the_limit_refuses_in_its_stead() {
    let upstream = Upstream::http(|_, _| {
        std::thread::sleep(Duration::from_millis(5));
        ok(b"x")
    });
    let mut c = config(&[upstream.address]);
    c.services[0].limit = Some(8);
    c.services[0].pool.wait = Duration::from_millis(200);
    c.routes[0].criticality = Criticality::Sheddable;
    let running = Running::with(c);
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
    let all = users(48, running.gateway.address(), "", &stop, &seen);
    let would = || {
        let all = running.gateway.gauges().decisions;
        let mut mine = all.iter().filter(|d| d.gate == "shed" && d.count > 0);
        assert!(mine.clone().all(|d| d.what == "would_refuse"), "{all:?}");
        mine.next().map_or(0, |d| d.count)
    };
    until("some that it would refuse", || would() > 100);
    stop.store(true, SeqCst);
    all.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(seen.shed.load(SeqCst), 0);
    let refused = running.gateway.gauges().limits[0].counts.refused;
    assert!(would() <= refused, "{} of {refused}", would());
}
