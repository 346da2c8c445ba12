//! What telemetry costs per request, and what an hour of windows takes: `cargo run --release -p telemetry --example request_cost`.
//! Prints a table in Markdown; the budget is 1 µs per request, path and collector together.

use base::clock::Clock;
use base::sample::Use;
use base::{InstanceIx, Names, Nanos, Sample, SampleKind};
use std::time::{Duration, Instant};
use telemetry::collect::Core;
use telemetry::{Recent, Setup, Targets, Telemetry, Totals};

const ROUTES: u32 = 64;
const INSTANCES: u32 = 2;
const RESOURCES: u32 = 32;
/// As many as the ring of one traffic thread holds in the product.
const RING: usize = 16 * 1024;
/// Requests that reach the ring in one go, and how often: 20000/s.
const BATCH: u32 = 1000;
const EVERY: Duration = Duration::from_millis(50);
const RUN: Duration = Duration::from_secs(4);
const RUNS: usize = 5;
/// Requests per second in the hour whose memory is measured.
const RATE: u32 = 1000;
const HOUR_S: u64 = 3600;

fn main() -> std::io::Result<()> {
    let (names, requests) = requests();
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(live(&names, &requests)?);
    }
    println!(
        "| per request (one sample of it, one of its attempt) | ns (median, range of {RUNS}) |\n|---|---|"
    );
    let row = |what: &str, of: &dyn Fn(&Cost) -> f64| {
        let mut v: Vec<f64> = runs.iter().map(of).collect();
        v.sort_by(f64::total_cmp);
        println!(
            "| {what} | {:.0} ({:.0}–{:.0}) |",
            v[v.len() / 2],
            v[0],
            v[v.len() - 1]
        );
    };
    row("on the path: two samples into the ring", &|c| c.path);
    row("collector: samples into totals and windows", &|c| c.samples);
    row("collector: the rest (waking, closing windows)", &|c| c.rest);
    row("together", &|c| c.path + c.samples + c.rest);
    let lost: u64 = runs.iter().map(|c| c.lost).sum();
    println!("\nsamples lost: {lost}\n");
    hour(&names, &requests);
    Ok(())
}

/// Nanoseconds per request.
struct Cost {
    path: f64,
    samples: f64,
    rest: f64,
    lost: u64,
}

/// Pairs of samples with the variety of a large system: 64 routes on 2 instances, four told uses of 32 resources.
fn requests() -> (Names, Vec<(Sample, Sample)>) {
    let names = Names::default();
    let instances: Vec<InstanceIx> = (0..INSTANCES)
        .map(|i| {
            names
                .instances
                .intern(&format!("shop/127.0.0.1:{}", 7000 + i))
        })
        .collect();
    let pair = |i: u32| {
        let route = names.routes.intern(&format!("route {}", i % ROUTES));
        let mut request = Sample::new(SampleKind::Request, route, Nanos::ZERO);
        (request.status, request.attempt) = (200, 1);
        (request.bytes_in, request.bytes_out) = (300, 1300);
        request.key_hash = u64::from(i.wrapping_mul(2_654_435_761) % 5000) + 1;
        let mut attempt = request;
        attempt.kind = SampleKind::Attempt;
        attempt.key_hash = 0;
        attempt.instance = instances[(i / ROUTES % INSTANCES) as usize];
        for (j, u) in attempt.uses.iter_mut().enumerate() {
            let k = (i % ROUTES + 8 * j as u32) % RESOURCES;
            *u = Use {
                resource: names.resources.intern(&format!("lock.shop.{k}")),
                busy_us: 500 + i % 700,
                wait_us: 0,
            };
        }
        (request, attempt)
    };
    let all = (0..ROUTES * INSTANCES * 40).map(pair).collect();
    (names, all)
}

/// A traffic thread and the collector's own thread, as in the product.
fn live(names: &Names, requests: &[(Sample, Sample)]) -> std::io::Result<Cost> {
    let clock = Clock::start();
    let (mut ring, consumer) = rtrb::RingBuffer::new(RING);
    let telemetry = Telemetry::start(Setup {
        clock,
        names: names.clone(),
        rings: vec![consumer],
        dropped: Box::new(|| 0),
        targets: Box::new(Targets::default),
        in_flight: Box::new(Vec::new),
        open: Box::new(Vec::new),
        proc: None,
        probes_off: Vec::new(),
        more_probes: Vec::new(),
        heard: None,
    })?;
    let (mut path, mut sent, mut lost) = (Duration::ZERO, 0u64, 0u64);
    let began = Instant::now();
    let mut next = requests.iter().cycle();
    let mut turn = 0;
    while began.elapsed() < RUN {
        let now = clock.now();
        let batch: Vec<_> = next.by_ref().take(BATCH as usize).collect();
        let pushing = Instant::now();
        for (i, (request, attempt)) in batch.iter().enumerate() {
            // From under a millisecond to a quarter of a second.
            let life = Duration::from_micros(500 << (i % 10));
            for sample in [request, attempt] {
                let mut s = *sample;
                (s.start, s.end) = (now, now + life);
                lost += u64::from(ring.push(s).is_err());
            }
        }
        path += pushing.elapsed();
        sent += u64::from(BATCH);
        turn += 1;
        std::thread::sleep((EVERY * turn).saturating_sub(began.elapsed()));
    }
    // What is in the ring is taken within two turns of the collector.
    while ring.slots() < RING {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    let stats = telemetry.stats();
    telemetry.stop();
    let per = |ns: u64| ns as f64 / sent as f64;
    Ok(Cost {
        path: per(path.as_nanos() as u64),
        samples: per(stats.sample_cpu_ns),
        rest: per(stats.cpu_ns - stats.sample_cpu_ns),
        lost,
    })
}

/// An hour of closed windows, as the product keeps them.
fn hour(names: &Names, requests: &[(Sample, Sample)]) {
    let mut core = Core::new(names.clone(), Vec::new());
    let (mut totals, recent) = (Totals::default(), Recent::default());
    let before = resident();
    let mut next = requests.iter().cycle();
    for second in 0..HOUR_S + 11 {
        let now = Nanos(second * 1_000_000_000 + 1);
        let tick = core.tick(now, Targets::default(), 0, &[]);
        tick.windows.into_iter().for_each(|w| recent.push(w));
        for (i, (request, attempt)) in next.by_ref().take(RATE as usize).enumerate() {
            let start = now + Duration::from_micros(i as u64 * 500);
            let life = Duration::from_micros(500 << (i % 10));
            for sample in [request, attempt] {
                let mut s = *sample;
                (s.start, s.end) = (start, start + life);
                core.push(&s, &mut totals);
            }
        }
    }
    let (windows, bytes) = recent.size();
    println!(
        "{windows} windows of {ROUTES} routes × {INSTANCES} instances with {RESOURCES} told resources: {:.0} MiB counted, \
         {:.0} MiB resident",
        bytes as f64 / f64::from(1 << 20),
        (resident() - before) / f64::from(1 << 20)
    );
}

/// Bytes of this process in memory.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|p| p.parse::<f64>().ok());
    pages.unwrap_or(0.0) * rustix::param::page_size() as f64
}
