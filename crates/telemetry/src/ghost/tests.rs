//! The ghost cache against the plain definition.

use super::*;
use base::{Nanos, SampleKind};
use std::collections::HashMap;

fn sample(key: u64, at: f64) -> Sample {
    let mut s = Sample::new(SampleKind::Request, RouteIx(0), Nanos::from_secs_f64(at));
    s.end = Nanos::from_secs_f64(at + 0.01);
    s.status = 200;
    s.key_hash = key;
    s.bytes_out = 100;
    s
}

fn lcg(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    *state >> 33
}

/// Hits by definition, lifetime by lifetime, with exact times.
fn plain(trace: &[(u64, f64)], ttl: f64) -> u32 {
    let mut filled: HashMap<u64, f64> = HashMap::new();
    let mut hits = 0;
    for &(key, at) in trace {
        match filled.get(&key) {
            Some(&f) if at - f < ttl => hits += 1,
            _ => {
                filled.insert(key, at + 0.01);
            }
        }
    }
    hits
}

#[test]
fn exact_below_the_limit() {
    let mut rng = 1;
    let trace: Vec<(u64, f64)> = (0..20_000)
        .map(|i| {
            let r = lcg(&mut rng) % 1000;
            (r * r / 1000 + 1, i as f64 * 0.02 + 0.005)
        })
        .collect();
    let mut ghosts = Ghosts::default();
    let mut tally = Tally::default();
    for &(key, at) in &trace {
        tally.add(ghosts.look(&sample(key, at)).unwrap().1);
    }
    let cell = ghosts.cell(0, tally);
    assert_eq!(cell.lookups, 20_000);
    for (i, ttl) in GHOST_TTLS.iter().enumerate() {
        assert_eq!(cell.hits[i], plain(&trace, *ttl), "lifetime {ttl} s");
    }
    assert_eq!(cell.bytes, f64::from(cell.keys) * 100.0);
}

#[test]
fn sampled_above_the_limit_and_close() {
    let mut rng = 2;
    let trace: Vec<(u64, f64)> = (0..60_000)
        .map(|i| (lcg(&mut rng) % 20_000 + 1, i as f64 * 0.001))
        .collect();
    let mut cache = Cache::new(1000);
    let mut tally = Tally::default();
    for &(key, at) in &trace {
        let (s, e) = (Nanos::from_secs_f64(at), Nanos::from_secs_f64(at + 0.01));
        tally.add(cache.look(key, s, Some((e, 10))));
    }
    assert!(cache.len() <= 1000 && cache.rate() < 0.1);
    let exact = f64::from(plain(&trace, 3600.0)) / 60_000.0;
    let got = (tally.hits[TTLS - 1] + tally.owed) / 60_000.0;
    assert!((got - exact).abs() < 0.05, "{got} against {exact}");
    let keys = cache.len() as f64 / cache.rate();
    assert!((keys / 20_000.0 - 1.0).abs() < 0.15, "{keys} keys");
}

#[test]
fn failures_and_refusals_fill_nothing() {
    let mut ghosts = Ghosts::default();
    let mut bad = sample(7, 0.0);
    bad.status = 503;
    assert_eq!(ghosts.look(&bad).unwrap().1.hits, 0);
    assert_eq!(ghosts.look(&sample(7, 0.1)).unwrap().1.hits, 0);
    assert_eq!(ghosts.look(&sample(7, 0.2)).unwrap().1.hits, u8::MAX);
    bad.outcome = Outcome::Refused;
    assert!(ghosts.look(&bad).is_none());
}

#[test]
fn keys_that_no_lifetime_holds_are_forgotten() {
    let mut ghosts = Ghosts::default();
    ghosts.look(&sample(7, 0.0));
    ghosts.look(&sample(8, 3000.0));
    ghosts.tidy(3660);
    assert_eq!(ghosts.routes[0].cache.len(), 1);
    assert_eq!(ghosts.keys, 1);
}
