//! Every instance is late now and then: the same with second attempts and without.

use super::Stage;
use super::clients::{Class, Patience, Phase, drive, quantile_ms};
use super::contenders::{Contender, Measured, each, plimsoll};
use super::envoy;
use super::origin::{Origin, Plan, Work};
use super::page::Section;
use crate::peers::Proxy;
use std::time::Duration;

const RATE: f64 = 200.0;
/// Until the percentile is known.
const SETTLE: Duration = Duration::from_secs(5);
const COUNTED: Duration = Duration::from_secs(30);
const USUAL: Duration = Duration::from_millis(20);
/// Every fiftieth answer takes ten times as long.
const EACH: u32 = 50;
const FACTOR: u32 = 10;
/// Of the usual time, and of the requests.
const MOST: f64 = 3.0;
const MOST_EXTRA: f64 = 0.06;

const STORY: &str = "Three instances of eight slots, 20 ms each, 200/s. Of each instance 2 % of the answers take ten times as long, so that no
balancing can avoid them. After 5 s the next 30 s count. Target: p99 at most three times the usual 20 ms, with at most 6 % more requests to
the service.";

const COLUMNS: &[&str] = &["p50", "p99", "p99.9", "more requests"];

const CONTENDERS: [Contender; 4] = [
    Contender {
        name: "Plimsoll without",
        how: "defaults",
        start: |s, i| plimsoll(s, i, "", "").map(|o| o.proxy),
    },
    Contender {
        name: "Plimsoll",
        how: "`hedge: true` (after the live p95, 5 % more at most)",
        start: |s, i| {
            let routes = "routes:\n  all: { match: \"GET /{rest...}\", to: app, hedge: true }\n";
            plimsoll(s, i, "", routes).map(|o| o.proxy)
        },
    },
    Contender {
        name: "Envoy 1.40 without",
        how: "least request",
        start: |s, i| envoy::start(s, i, "", envoy::ALL, ""),
    },
    Contender {
        name: envoy::NAME,
        how: "`hedge_on_per_try_timeout`, a per-try timeout of 30 ms that a person has found",
        start: |s, i| envoy::start(s, i, "", HEDGED, ""),
    },
];

const HEDGED: &str = r#"{ match: { prefix: "/" }, route: { cluster: app, timeout: 60s, hedge_policy: { hedge_on_per_try_timeout: true },
  retry_policy: { retry_on: "5xx,reset", num_retries: 1, per_try_timeout: 0.03s,
    retry_host_predicate: [ { name: envoy.retry_host_predicates.previous_hosts,
      typed_config: { "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate } } ] } } }"#;

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let plan = Plan::new(3, 8, vec![Work::of("/", USUAL)]);
    let section = Section::new(STORY, COLUMNS);
    each(stage, section, &CONTENDERS, &plan, measure)
}

fn measure(origin: &Origin, proxy: &Proxy) -> Result<Measured, String> {
    for instance in &origin.instances {
        instance.slow_down_each(EACH, FACTOR);
    }
    let class = [Class {
        path: "/item/{}",
        headers: "",
    }];
    let phase = Phase {
        time: SETTLE + COUNTED,
        rates: vec![RATE],
    };
    let patience = Patience::once(Duration::from_secs(5));
    let mut done = drive(proxy.address, &class, &[phase], patience)?;
    let more = origin.seen().len() as f64 / done.len() as f64 - 1.0;
    done.retain(|d| d.at >= SETTLE);
    let ms = |q| quantile_ms(&done, q);
    let cells = vec![
        format!("{:.1} ms", ms(0.5)),
        format!("{:.1} ms", ms(0.99)),
        format!("{:.1} ms", ms(0.999)),
        format!("{:.1} %", more * 100.0),
    ];
    let usual_ms = USUAL.as_secs_f64() * 1e3;
    let met = ms(0.99) <= MOST * usual_ms && more <= MOST_EXTRA;
    Ok((cells, Some(met)))
}
