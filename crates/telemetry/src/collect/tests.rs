//! The collector: its core with the time passed in, and once with its thread.

use super::*;
use base::sample::Use;
use base::{Nanos, SampleKind};

fn sample(names: &Names, at: f64) -> Sample {
    let mut s = Sample::new(
        SampleKind::Attempt,
        names.routes.intern("product"),
        Nanos::from_secs_f64(at),
    );
    s.instance = names.instances.intern("shop/127.0.0.1:1");
    s.status = 200;
    s.end = Nanos::from_secs_f64(at + 0.1);
    s.uses[0] = Use {
        resource: names.resources.intern("db.shop"),
        busy_us: 5000,
        wait_us: u32::MAX,
    };
    s.db_rows = 7;
    s
}

#[test]
fn seconds_become_windows_with_everything_in_them() {
    let names = Names::default();
    let mut core = Core::new(names.clone(), Vec::new());
    let mut totals = Totals::default();
    let route = names.routes.intern("product");
    names.resources.intern("db.shop");
    let mut all = Vec::new();
    for t in 0..=21u64 {
        let now = Nanos::from_secs_f64(t as f64 + 0.001);
        assert!(core.due(now));
        let open = if t >= 15 { vec![(route, 2)] } else { vec![] };
        let dropped = if t >= 3 { 9 } else { 0 };
        let tick = core.tick(now, Targets::default(), dropped, &open);
        assert!(!core.due(now));
        all.extend(tick.windows);
        core.push(&sample(&names, t as f64 + 0.5), &mut totals);
    }
    assert_eq!(
        all.iter().map(|w| w.index).collect::<Vec<_>>(),
        (0..11).collect::<Vec<_>>()
    );
    assert!(all.iter().all(|w| w.attempts[0].ends == 1));
    assert!(all.iter().all(|w| w.resources[0].busy == 0.005), "told use");
    assert!(all.iter().all(|w| w.uses[0].rows == 7.0));
    assert_eq!(
        all.iter().map(|w| w.dropped).collect::<Vec<_>>()[..4],
        [0, 0, 9, 0]
    );
    let open: Vec<usize> = all.iter().map(|w| w.requests.len()).collect();
    assert_eq!(
        open,
        [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1],
        "from 15 s on, seen in second 4"
    );
    assert_eq!(totals.attempts, 22);
    assert_eq!(core.finish().len(), 11);
}

/// Reads a counter that grows by half a second in each.
struct Grows(crate::probes::counter::Counters<&'static str>);

impl crate::probes::Probe for Grows {
    fn name(&self) -> &'static str {
        "grows"
    }
    fn read(&mut self, r: &mut crate::probes::Reading<'_>) {
        let sum = r.now.0 as f64 / 2e9;
        if let Some(busy) = self.0.rate("cpu", r.now, sum) {
            r.cell("cpu.shop", InstanceIx::NONE, busy, Some(2.0));
        }
    }
}

#[test]
fn a_probe_that_stalls_leaves_seconds_without_a_number_and_floods_none() {
    let names = Names::default();
    let probe = Grows(Default::default());
    let mut core = Core::new(names.clone(), vec![Box::new(probe)]);
    let mut totals = Totals::default();
    let mut all = Vec::new();
    // From 3 to 9 it did not come back; samples came meanwhile, in one go.
    for t in [0u64, 1, 2, 3, 9, 10, 11, 30] {
        let now = Nanos::from_secs_f64(t as f64 + 0.001);
        if t == 9 {
            (3..9).for_each(|s| core.push(&sample(&names, s as f64 + 0.5), &mut totals));
        }
        all.extend(core.tick(now, Targets::default(), 0, &[]).windows);
    }
    let of = |index: u64| all.iter().find(|w| w.index == index).unwrap();
    let cpu = names.resources.find("cpu.shop").unwrap();
    let busy = |index: u64| {
        let cells = of(index).resources.iter();
        let its: Vec<f64> = cells
            .filter(|c| c.resource == cpu)
            .map(|c| c.busy)
            .collect();
        its
    };
    for t in [1, 2, 8, 9, 10] {
        let [busy] = busy(t)[..] else {
            panic!("{t}: {:?}", busy(t))
        };
        assert!((busy - 0.5).abs() < 1e-9, "{t}: {busy}");
    }
    for t in 3..8 {
        assert!(busy(t).is_empty(), "{t}: a missing number is never a zero");
        assert_eq!(
            of(t).attempts[0].ends,
            1,
            "{t}: requests are where they were"
        );
    }
}

fn started(names: &Names, rx: rtrb::Consumer<Sample>) -> Telemetry {
    Telemetry::start(Setup {
        clock: Clock::start(),
        names: names.clone(),
        rings: vec![rx],
        dropped: Box::new(|| 3),
        targets: Box::new(Targets::default),
        in_flight: Box::new(Vec::new),
        open: Box::new(Vec::new),
        proc: Some(Proc::host()),
        probes_off: Vec::new(),
        more_probes: Vec::new(),
        heard: None,
    })
    .unwrap()
}

#[test]
fn what_has_happened_is_counted_before_an_end() {
    let names = Names::default();
    let (mut tx, rx) = rtrb::RingBuffer::new(8192);
    let t = started(&names, rx);
    for _ in 0..8000 {
        tx.push(sample(&names, 0.0)).unwrap();
    }
    assert!(t.catch_up(Duration::from_secs(60)));
    assert_eq!(t.totals().attempts, 8000);
}

#[test]
fn the_thread_drains_publishes_and_stops() {
    let names = Names::default();
    let (mut tx, rx) = rtrb::RingBuffer::new(64);
    let t = started(&names, rx);
    let mut news = t.recent().subscribe();
    for _ in 0..20 {
        let mut s = sample(&names, 0.0);
        s.end = Nanos(1000);
        tx.push(s).unwrap();
    }
    let recent = t.recent().clone();
    let shared = t.shared.clone();
    t.stop();
    let stats = lock(&shared.stats).clone();
    assert_eq!((stats.samples, stats.dropped), (20, 3));
    assert!(stats.ns_per_sample() > 0.0 && stats.cpu_ns >= stats.sample_cpu_ns);
    let ends: u32 = recent
        .windows(100)
        .iter()
        .flat_map(|w| &w.attempts)
        .map(|c| c.ends)
        .sum();
    assert_eq!(ends, 20);
    assert_eq!(news.try_recv().map(|w| w.index), Ok(0));
}

/// Prints what one sample costs with everything that is done for it; the bound is loose because tests share the machine.
#[test]
fn a_sample_is_cheap_with_its_totals() {
    let names = Names::default();
    let mut core = Core::new(names.clone(), Vec::new());
    let mut totals = Totals::default();
    core.tick(Nanos::from_secs_f64(20.0), Targets::default(), 0, &[]);
    let mut samples = Vec::new();
    for i in 0..20_000u32 {
        let mut s = sample(&names, 20.0 + f64::from(i) * 1e-4);
        s.route = names.routes.intern(&format!("route {}", i % 30));
        samples.push(s);
        s.kind = SampleKind::Request;
        s.instance = InstanceIx::NONE;
        s.uses = Default::default();
        s.key_hash = u64::from(i % 5000) + 1;
        samples.push(s);
    }
    let began = std::time::Instant::now();
    samples.iter().for_each(|s| core.push(s, &mut totals));
    let ns = began.elapsed().as_nanos() as f64 / samples.len() as f64;
    println!("{ns:.0} ns per sample");
    assert_eq!(totals.samples, 40_000);
    assert!(ns < 10_000.0);
}
