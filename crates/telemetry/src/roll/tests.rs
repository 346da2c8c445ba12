//! The roll-up on made-up samples.

use super::*;
use base::sample::Use;
use base::{Arm, CacheState};

fn request(route: u16, start: f64, end: f64) -> Sample {
    let mut s = Sample::new(
        SampleKind::Request,
        RouteIx(route),
        Nanos::from_secs_f64(start),
    );
    s.end = Nanos::from_secs_f64(end);
    s.status = 200;
    s
}

fn at(s: f64) -> Nanos {
    Nanos::from_secs_f64(s)
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[test]
fn a_life_is_spread_over_the_windows_it_touches() {
    let mut r = Roller::new(Bounds::LIVE);
    assert!(r.advance(at(0.0)).is_empty());
    r.push(&request(0, 0.5, 2.5));
    r.push(&request(0, 0.1, 0.2));
    let w = r.advance(at(13.0));
    assert_eq!(w.iter().map(|w| w.index).collect::<Vec<_>>(), [0, 1, 2]);
    let life: Vec<f64> = w.iter().map(|w| w.requests[0].life).collect();
    assert!(near(life[0], 1.25) && near(life[1], 0.5) && near(life[2], 0.25));
    assert!(near(w[1].requests[0].in_flight_s, 1.0) && near(w[0].requests[0].in_flight_s, 0.6));
    assert_eq!((w[0].requests[0].arrivals, w[0].requests[0].ends), (2, 1));
    assert_eq!((w[2].requests[0].ends, w[2].requests[0].arrivals), (1, 0));
    assert!(near(w[2].requests[0].seconds, 2.0));
}

#[test]
fn a_window_closes_ten_seconds_after_its_end_and_later_ends_are_late() {
    let mut r = Roller::new(Bounds::LIVE);
    r.advance(at(0.0));
    assert!(r.advance(at(10.9)).is_empty());
    assert_eq!(r.advance(at(11.0)).len(), 1);
    // Began in the closed window 0, ended in the open window 4: late, and its visible part counts.
    r.push(&request(3, 0.0, 4.0 + 1e-9));
    let w = r.advance(at(16.0));
    assert_eq!(w.len(), 5);
    assert_eq!(w.iter().map(|w| w.late).sum::<u32>(), 1);
    assert_eq!(w.iter().map(|w| w.requests.len()).sum::<usize>(), 4);
    assert!(near(
        w.iter()
            .flat_map(|w| &w.requests)
            .map(|c| c.life)
            .sum::<f64>(),
        0.75
    ));
    assert_eq!(w[3].requests[0].ends, 1);
    // Wholly before everything that is open: only late.
    r.push(&request(3, 1.0, 1.5));
    assert_eq!(r.advance(at(17.0))[0].late, 1);
}

#[test]
fn what_is_still_open_is_told_by_the_caller_and_not_counted_twice() {
    let mut r = Roller::new(Bounds::LIVE);
    r.advance(at(0.0));
    // A request from 0.0 to 14.0: at 11 s window 0 is about to close.
    for t in 11..=13 {
        r.open(t - 11, RouteIx(1), 1);
        r.advance(at(t as f64));
    }
    r.push(&request(1, 0.0, 14.0));
    let w = r.advance(at(30.0));
    let all: f64 = w
        .iter()
        .flat_map(|w| &w.requests)
        .map(|c| c.in_flight_s)
        .sum();
    assert!(near(all, 11.0), "{all} s after the 3 s of the gauge");
}

#[test]
fn streams_count_as_arrivals_and_ends_only() {
    let mut r = Roller::new(Bounds::LIVE);
    r.advance(at(0.0));
    let mut s = request(0, 0.0, 5.0);
    s.outcome = Outcome::Stream;
    r.push(&s);
    let w = r.advance(at(30.0));
    let cells: Vec<_> = w.iter().flat_map(|w| &w.requests).collect();
    assert!(
        cells
            .iter()
            .all(|c| c.life == 0.0 && c.in_flight_s == 0.0 && c.latency.is_empty())
    );
    assert_eq!(cells.iter().map(|c| c.arrivals).sum::<u32>(), 1);
    assert_eq!(cells.iter().map(|c| c.ends).sum::<u32>(), 1);
}

#[test]
fn uses_calls_errors_and_caches_are_counted_at_the_end() {
    let mut r = Roller::new(Bounds::LIVE);
    r.advance(at(0.0));
    r.mark_db(ResourceIx(1));
    let mut s = request(0, 0.1, 0.3);
    s.kind = SampleKind::Attempt;
    s.instance = InstanceIx(4);
    s.status = 503;
    s.uses[0] = Use {
        resource: ResourceIx(0),
        busy_us: 2000,
        wait_us: u32::MAX,
    };
    s.uses[1] = Use {
        resource: ResourceIx(1),
        busy_us: 3000,
        wait_us: 1000,
    };
    (s.db_calls, s.db_rows, s.db_returned) = (5, 900, 10);
    r.push(&s);
    r.push(&s);
    let mut child = request(2, 0.1, 0.2);
    child.parent = RouteIx(0);
    child.cache = CacheState::Hit;
    child.outcome = Outcome::Refused;
    r.push(&child);
    let w = r.advance(at(11.0)).remove(0);
    assert_eq!((w.attempts[0].errors, w.requests[0].errors), (2, 0));
    assert_eq!((w.requests[0].cache_hits, w.requests[0].refused), (1, 1));
    assert_eq!(w.uses.len(), 2);
    assert_eq!((w.uses[0].waits, w.uses[0].calls), (0, 0.0));
    assert_eq!((w.uses[1].waits, w.uses[1].rows), (2, 1800.0));
    assert!(near(w.uses[1].busy_s, 0.006));
    assert_eq!(
        (w.calls[0].parent, w.calls[0].child, w.calls[0].count),
        (RouteIx(0), RouteIx(2), 1)
    );
}

#[test]
fn keys_are_bounded_and_forgotten() {
    let mut r = Roller::new(Bounds {
        keys: 10,
        ..Bounds::LIVE
    });
    r.advance(at(0.0));
    for i in 0..100 {
        r.push(&request(i, 0.1, 0.2));
    }
    let w = r.advance(at(11.0)).remove(0);
    assert!(w.requests.len() <= 10 && r.keys() <= 10);
    assert_eq!(w.requests.iter().map(|c| c.ends).sum::<u32>(), 100);
    let over = w
        .requests
        .iter()
        .find(|c| c.key.route.is_none())
        .expect("overflow cell");
    assert_eq!(over.ends, 91);
    for t in 12..400 {
        r.advance(at(t as f64));
    }
    assert_eq!(r.keys(), 0);
    r.push(&request(77, 395.0, 395.1));
    let w = r.advance(at(406.0));
    assert_eq!(w.last().unwrap().requests[0].key.route, RouteIx(77));
}

#[test]
fn far_away_times_are_late_and_long_silence_is_a_gap() {
    let mut r = Roller::new(Bounds::LIVE);
    r.advance(at(10.0));
    r.push(&request(0, 1e9, 1e9));
    r.push(&request(0, 10.0, 10.1));
    let w = r.advance(at(100_000.0));
    assert_eq!(
        w.len(),
        11,
        "eleven silent or open seconds, then one gap: {}",
        w.len()
    );
    assert_eq!(w.iter().map(|w| w.late).sum::<u32>(), 1);
}

#[test]
fn a_recording_comes_in_any_order() {
    let mut r = Roller::new(Bounds::RECORDING);
    for i in [5u64, 2, 900, 3] {
        r.push(&request(0, i as f64 + 0.9, i as f64 + 1.1));
    }
    r.resources(
        4,
        vec![ResourceCell {
            resource: ResourceIx(0),
            instance: InstanceIx::NONE,
            busy: 0.5,
            capacity: Some(1.0),
            waiting: None,
            level: None,
            background: None,
        }],
    );
    let w = r.finish();
    assert_eq!(w.first().unwrap().index, 2);
    assert_eq!(w.last().unwrap().index, 901);
    assert!(
        w.len() < 200,
        "the long silence is left out: {} windows",
        w.len()
    );
    assert!(near(
        w.iter()
            .flat_map(|w| &w.requests)
            .map(|c| c.life)
            .sum::<f64>(),
        4.0
    ));
    assert_eq!(
        w.iter().find(|w| w.index == 4).unwrap().resources[0].busy,
        0.5
    );
}

/// Prints the cost of one sample; the bound is loose because tests are not optimised much.
#[test]
fn a_sample_is_cheap() {
    let mut samples = Vec::new();
    for i in 0..50_000u64 {
        let t = 20.0 + i as f64 * 1e-4;
        let mut s = request((i % 20) as u16, t - 0.02 * (i % 7) as f64, t);
        s.arm = Arm((i % 2) as u8);
        s.key_hash = i % 3000 + 1;
        samples.push(s);
        s.kind = SampleKind::Attempt;
        s.instance = InstanceIx((i % 4) as u16);
        s.uses[0] = Use {
            resource: ResourceIx(0),
            busy_us: 900,
            wait_us: 0,
        };
        samples.push(s);
    }
    let mut best = f64::MAX;
    for _ in 0..3 {
        let mut r = Roller::new(Bounds::LIVE);
        r.advance(at(20.0));
        let began = std::time::Instant::now();
        samples.iter().for_each(|s| r.push(s));
        best = best.min(began.elapsed().as_nanos() as f64 / samples.len() as f64);
        assert_eq!(
            r.advance(at(60.0)).iter().map(|w| w.late).sum::<u32>(),
            2 * samples
                .iter()
                .filter(|s| s.kind == SampleKind::Request && s.start < at(10.0))
                .count() as u32
        );
    }
    println!("{best:.0} ns per sample");
    assert!(best < 10_000.0);
}
