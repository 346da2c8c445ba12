//! One of ten instances becomes ten times slower.

use super::Stage;
use super::clients::{Class, Patience, Phase, drive, quantile_ms};
use super::contenders::{Contender, Measured, each, haproxy, nginx, plimsoll};
use super::envoy;
use super::origin::{Origin, Plan, Work};
use super::page::Section;
use crate::peers::Proxy;
use std::time::Duration;

const RATE: f64 = 500.0;
const HEALTHY: Duration = Duration::from_secs(10);
/// From when it is slow until it is counted.
const SETTLE: Duration = Duration::from_secs(2);
const SLOW: Duration = Duration::from_secs(20);
const MOST: f64 = 1.2;

const STORY: &str = "Ten instances of four slots, 20 ms each, 500/s (a quarter of what they carry). Then one of them becomes ten times slower;
two seconds later the next 20 s count. Target: p99 at most 1.2 times that of the healthy ten.";

const COLUMNS: &[&str] = &[
    "p99, all healthy",
    "p99, one slow",
    "ratio",
    "requests to the slow one",
];

const CONTENDERS: [Contender; 5] = [
    Contender {
        name: "Plimsoll",
        how: "defaults",
        start: |s, i| plimsoll(s, i, "", "").map(|o| o.proxy),
    },
    Contender {
        name: envoy::NAME,
        how: "least request, outlier detection by success rate and failures",
        start: |s, i| envoy::start(s, i, "", envoy::ALL, OUTLIERS),
    },
    Contender {
        name: "Envoy 1.40 round robin",
        how: "its default balancing",
        start: |s, i| envoy::start(s, i, "", envoy::ALL, ROUND_ROBIN),
    },
    Contender {
        name: "HAProxy",
        how: "`balance leastconn`",
        start: |s, i| haproxy(s, i, "", "", ""),
    },
    Contender {
        name: "nginx",
        how: "`least_conn`",
        start: |s, i| nginx(s, i, "", "", ""),
    },
];

const OUTLIERS: &str = ", lb_policy: LEAST_REQUEST, outlier_detection: { interval: 1s }";
const ROUND_ROBIN: &str = ", lb_policy: ROUND_ROBIN";

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let plan = Plan::new(10, 4, vec![Work::of("/", Duration::from_millis(20))]);
    let section = Section::new(STORY, COLUMNS);
    each(stage, section, &CONTENDERS, &plan, measure)
}

fn measure(origin: &Origin, proxy: &Proxy) -> Result<Measured, String> {
    let class = [Class {
        path: "/item/{}",
        headers: "",
    }];
    let p99 = |time, skip: Duration| -> Result<(f64, usize), String> {
        let phase = Phase {
            time,
            rates: vec![RATE],
        };
        let patience = Patience::once(Duration::from_secs(5));
        let mut done = drive(proxy.address, &class, &[phase], patience)?;
        done.retain(|d| d.at >= skip);
        Ok((quantile_ms(&done, 0.99), done.len()))
    };
    let (healthy, _) = p99(HEALTHY, SETTLE)?;
    origin.instances[0].slow_down(10);
    origin.forget();
    let (slow, asked) = p99(SETTLE + SLOW, SETTLE)?;
    let there = origin.instances[0].seen().len();
    let cells = vec![
        format!("{healthy:.1} ms"),
        format!("{slow:.1} ms"),
        format!("{:.2}", slow / healthy),
        format!("{there} of {asked}"),
    ];
    Ok((cells, Some(slow <= MOST * healthy)))
}
