//! What is remembered of seconds in which 200 routes have traffic, in bytes: it grows with routes and seconds, and by no more for each.

use base::{InstanceIx, Names, Nanos, Sample, SampleKind, Window};
use std::sync::Arc;
use telemetry::collect::Core;
use telemetry::history::{KEEP_BYTES, bytes};
use telemetry::{Recent, Shell, Targets, Totals};

const ROUTES: u64 = 200;
/// Requests per second of each route, and of how many keys.
const RATE: u64 = 5;
const KEYS: u64 = 50;
const SECONDS: u64 = 40;
/// Bytes of one route in one second: a cell of its requests and one of its attempts (112 each), up to five buckets of latency (8 each)
/// in both, and what a cache would have answered (60).
const MOST: usize = 2 * (112 + 5 * 8) + 60;
/// Seconds of such traffic for which there is room.
const NEEDED_S: usize = 480;

/// Seconds with five requests of every route, each answered in a time of its own.
fn remembered() -> Recent {
    let names = Names::default();
    let mut core = Core::new(names.clone(), Vec::new());
    let (mut totals, recent) = (Totals::default(), Recent::default());
    let app: InstanceIx = names.instances.intern("app/127.0.0.1:1");
    let routes: Vec<_> = (0..ROUTES)
        .map(|i| names.routes.intern(&format!("things-{i}")))
        .collect();
    let mut chance = 7u64;
    for second in 0..SECONDS {
        let now = Nanos(second * 1_000_000_000 + 1_000_000);
        let tick = core.tick(now, Targets::default(), 0, &[]);
        tick.windows.into_iter().for_each(|w| recent.push(w));
        for i in 0..RATE * ROUTES {
            chance = (chance.wrapping_mul(6_364_136_223_846_793_005)).wrapping_add(1);
            let route = routes[(i % ROUTES) as usize];
            let start = Nanos(now.0 + i * 900_000_000 / (RATE * ROUTES));
            let mut s = Sample::new(SampleKind::Request, route, start);
            s.status = 200;
            s.end = Nanos(start.0 + 300_000 + (chance >> 33) % 5_000_000);
            s.key_hash = 1 + (chance >> 20) % KEYS;
            core.push(&s, &mut totals);
            (s.kind, s.instance, s.key_hash) = (SampleKind::Attempt, app, 0);
            core.push(&s, &mut totals);
        }
    }
    recent
}

#[test]
fn a_second_of_a_route_takes_what_it_holds() {
    let recent = remembered();
    let (windows, held) = recent.size();
    // Those at the ends are not whole.
    let whole: Vec<_> = recent.windows(windows as u64 - 2);
    assert!(whole.len() >= 20, "{} seconds", whole.len());
    for w in &whole {
        assert!(w.requests.len() == ROUTES as usize && w.attempts.len() == ROUTES as usize);
        let each = (bytes(w) - size_of::<Window>()) / ROUTES as usize;
        assert!(each <= MOST, "{each} bytes for a route in a second");
    }
    let sum: usize = recent.windows(u64::MAX).iter().map(|w| bytes(w)).sum();
    assert_eq!(held, sum);
    let second = whole.iter().map(|w| bytes(w)).max().unwrap_or(0);
    assert!(second * NEEDED_S <= KEEP_BYTES, "{second} bytes a second");
}

#[test]
fn a_history_is_not_a_copy() {
    let recent = remembered();
    let history = recent.history(20, Shell::default());
    let windows = recent.windows(20);
    assert_eq!(history.windows.len(), windows.len());
    let same = |(a, b): (&Arc<Window>, &Arc<Window>)| Arc::ptr_eq(a, b);
    assert!(history.windows.iter().zip(&windows).all(same));
}
