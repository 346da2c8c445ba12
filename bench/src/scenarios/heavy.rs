//! One route with twenty times the cost floods: what does the light route feel?

use super::Stage;
use super::clients::{Class, Done, Patience, Phase, drive, quantile_ms};
use super::contenders::{self, Contender, Measured, each, haproxy, nginx, plimsoll};
use super::envoy;
use super::origin::{Origin, Plan, Work};
use super::page::Section;
use crate::stats::spread;
use std::net::SocketAddr;
use std::time::Duration;

const LIGHT: Duration = Duration::from_millis(50);
const HEAVY: Duration = Duration::from_millis(1000);
/// Requests per second; the flood is four times what all slots could carry.
const RATE: f64 = 60.0;
const FLOOD: f64 = 64.0;
const TURN: Duration = Duration::from_secs(5);
/// Turns go A B B A.
const ROUNDS: usize = 3;
const MOST: f64 = 1.10;
const LEARNING: Duration = Duration::from_secs(110);

const STORY: &str = "Two instances of eight slots. A light route (50 ms, 60/s) with and without a flood on a route that costs twenty times as much
(1 s, 64/s, four times what the slots can carry). Six pairs of turns, A B B A. Target: the median of the ratios of the light
route's p99 is below 1.10, and 99.9 % of its requests succeed.";

const COLUMNS: &[&str] = &[
    "light p99 alone",
    "with the flood",
    "ratio",
    "light requests that succeed",
];

const ROUTES: &str = "routes:\n  light: { match: \"GET /light/{n}\", to: app, slo: { latency: 250ms } }\n  \
                      heavy: { match: \"GET /heavy/{n}\", to: app, slo: { latency: 4s } }\n";

const CLASSES: [Class; 2] = [
    Class {
        path: "/light/{}",
        headers: "",
    },
    Class {
        path: "/heavy/{}",
        headers: "",
    },
];

fn plan(tells: bool) -> Plan {
    let works = vec![Work::of("/light", LIGHT), Work::of("/heavy", HEAVY)];
    Plan {
        tells,
        ..Plan::new(2, 8, works)
    }
}

const CONTENDERS: [Contender; 4] = [
    Contender {
        name: "Plimsoll",
        how: "`limit: 16`, `bulkhead: {}`: it is not told which route is heavy",
        start: |s, i| plimsoll(s, i, "    limit: 16\n    bulkhead: {}\n", ROUTES).map(|o| o.proxy),
    },
    Contender {
        name: envoy::NAME,
        how: "adaptive concurrency; it is not told either",
        start: |s, i| envoy::start(s, i, envoy::ADAPTIVE, envoy::ALL, ""),
    },
    Contender {
        name: "HAProxy",
        how: "`maxconn 8` per server and a queue; it is not told either",
        start: |s, i| haproxy(s, i, "", "  timeout queue 1s\n", "maxconn 8"),
    },
    Contender {
        name: "nginx",
        how: "told by hand: `limit_conn` of 10 for `/heavy`",
        start: |s, i| {
            let http = "map $uri $heavy { ~^/heavy 1; default \"\"; } limit_conn_zone $heavy zone=heavy:1m;";
            nginx(s, i, http, "max_fails=0", "limit_conn heavy 10;")
        },
    },
];

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let section = Section::new(STORY, COLUMNS);
    each(stage, section, &CONTENDERS, &plan(false), |_, proxy| {
        measure(proxy.address)
    })
}

/// Without a configured limit.
pub fn learned(stage: &Stage<'_>) -> Result<Section, String> {
    let origin = Origin::start(plan(true))?;
    let ours = plimsoll(stage, &origin.addresses(), "    bulkhead: {}\n", ROUTES)?;
    let story = format!(
        "{STORY} Nothing is configured but objectives and `bulkhead: {{}}`: the limit and what a request costs are learned from 110 s of traffic."
    );
    let phases: Vec<Phase> = (0..LEARNING.as_secs() / 5)
        .map(|i| Phase {
            time: Duration::from_secs(5),
            rates: vec![20.0 + 15.0 * (i % 5) as f64, 1.0 + 2.0 * (i % 4) as f64],
        })
        .collect();
    drive(ours.proxy.address, &CLASSES, &phases, PATIENCE)?;
    let section = Section::new(&story, COLUMNS);
    contenders::learned(stage, section, &ours, measure)
}

const PATIENCE: Patience = Patience {
    timeout: Duration::from_secs(5),
    retries: 0,
    pause: Duration::ZERO,
};

fn measure(proxy: SocketAddr) -> Result<Measured, String> {
    let turn = |flood: f64| -> Result<Vec<Done>, String> {
        let phase = Phase {
            time: TURN,
            rates: vec![RATE, flood],
        };
        // Ends when the last request of the flood has, so that the next turn begins with an empty service.
        let mut done = drive(proxy, &CLASSES, &[phase], PATIENCE)?;
        done.retain(|d| d.class == 0);
        Ok(done)
    };
    let (mut alone, mut flooded, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for flood in [0.0, FLOOD, FLOOD, 0.0] {
            let done = turn(flood)?;
            match flood {
                0.0 => alone.push(quantile_ms(&done, 0.99)),
                _ => {
                    flooded.push(quantile_ms(&done, 0.99));
                    all.extend(done);
                }
            }
        }
    }
    let ratios: Vec<f64> = alone.iter().zip(&flooded).map(|(a, f)| f / a).collect();
    let median = |values: &[f64]| spread(values).map_or(f64::NAN, |s| s.median);
    let good = all.iter().filter(|d| (1..500).contains(&d.status)).count();
    let share = good as f64 / all.len() as f64;
    let ends = spread(&ratios).map_or(String::new(), |s| format!(" ({:.2}–{:.2})", s.low, s.high));
    let cells = vec![
        format!("{:.1} ms", median(&alone)),
        format!("{:.1} ms", median(&flooded)),
        format!("{:.2}{ends}", median(&ratios)),
        format!("{:.2} %", 100.0 * share),
    ];
    Ok((cells, Some(median(&ratios) < MOST && share >= 0.999)))
}
