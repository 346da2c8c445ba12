//! All instances answer 503 for a while: is everybody given up, and how long does it last beyond the outage?

use super::Stage;
use super::clients::{Class, Done, Patience, Phase, drive};
use super::contenders::{Contender, Measured, each, haproxy, nginx, plimsoll};
use super::envoy;
use super::origin::{Origin, Plan, Work};
use super::page::Section;
use crate::peers::Proxy;
use std::time::{Duration, Instant};

const INSTANCES: usize = 4;
/// Requests per second: what cannot be stored, and one stored page.
const RATES: [f64; 2] = [100.0, 50.0];
const BEFORE: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_secs(10);
const OBJECTIVE: Duration = Duration::from_millis(500);
/// Until the first success.
const MOST: Duration = Duration::from_secs(1);

const STORY: &str = "Four instances answer 503 with `Retry-After: 1` to everything (health checks too) for 10 s. 100/s for what may not be stored, 50/s for a page that is stored
for 1 s. Target: the first success within 1 s after the outage and 95 % good within 3 s; no more than 1.1 tries per request while everybody says
`Retry-After`; every instance is asked at least once in each of the last 5 s of the outage; 99 % of the stored page served.";

const COLUMNS: &[&str] = &[
    "first success after",
    "95 % good after",
    "tries per request",
    "instance-seconds without a request",
    "stored page served",
];

const CONTENDERS: [Contender; 4] = [
    Contender {
        name: "Plimsoll",
        how: "`health: { path: /health }`; on the page `cache: {}`, `degrade: { stale_if_error: 10m }`",
        start: |s, i| {
            let routes = "routes:\n  page: { match: \"GET /page\", to: app, cache: {}, degrade: { stale_if_error: 10m } }\n  \
                          all: { match: \"GET /{rest...}\", to: app }\n";
            plimsoll(s, i, "    health: { path: /health }\n", routes).map(|o| o.proxy)
        },
    },
    Contender {
        name: envoy::NAME,
        how: "outlier detection, one retry under a budget, health checks each 2 s; no cache",
        start: |s, i| envoy::start(s, i, "", RETRIES, HEALTH),
    },
    Contender {
        name: "HAProxy",
        how: "`option httpchk`, checks each 2 s, `retry-on 503`; it has no stale answers",
        start: |s, i| {
            let backend = "  option httpchk GET /health\n  retries 1\n  retry-on conn-failure 503\n  option redispatch\n";
            haproxy(s, i, "", backend, "check inter 2s rise 2 fall 3")
        },
    },
    Contender {
        name: "nginx",
        how: "`proxy_next_upstream http_503`, `proxy_cache_use_stale http_503 updating`",
        start: |s, i| {
            let http = format!(
                "proxy_cache_path {}/cache-{} keys_zone=c:1m;",
                s.dir.display(),
                i[0].port()
            );
            let location = "proxy_cache c; proxy_cache_lock on; proxy_cache_use_stale http_503 updating error; \
                            proxy_next_upstream error timeout http_503; proxy_next_upstream_tries 2;";
            nginx(s, i, &http, "", location)
        },
    },
];

const RETRIES: &str = r#"{ match: { prefix: "/" }, route: { cluster: app, timeout: 60s, retry_policy: { retry_on: 5xx, num_retries: 1 } } }"#;
const HEALTH: &str = ", outlier_detection: {}, health_checks: [ { timeout: 1s, interval: 2s, unhealthy_threshold: 3, healthy_threshold: 2, http_health_check: { path: /health } } ], \
     circuit_breakers: { thresholds: [ { retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 3 } } ] }";

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let work = |path, headers| Work {
        path,
        time: Duration::from_millis(10),
        headers,
    };
    let plan = Plan::new(
        INSTANCES,
        100,
        vec![
            work("/page", "Cache-Control: max-age=1\r\n"),
            work("/", "Cache-Control: no-store\r\n"),
        ],
    );
    let section = Section::new(STORY, COLUMNS);
    each(stage, section, &CONTENDERS, &plan, measure)
}

fn measure(origin: &Origin, proxy: &Proxy) -> Result<Measured, String> {
    let classes = ["/item/{}", "/page"].map(|path| Class { path, headers: "" });
    let phase = Phase {
        time: BEFORE + OUTAGE + AFTER,
        rates: RATES.to_vec(),
    };
    let start = Instant::now();
    let instances = origin.instances.clone();
    let switch = std::thread::spawn(move || {
        for (time, status) in [(BEFORE, 503), (OUTAGE, 0)] {
            std::thread::sleep(time);
            instances.iter().for_each(|i| i.answer(status));
        }
    });
    let patience = Patience::once(Duration::from_secs(2));
    let done = drive(proxy.address, &classes, &[phase], patience)?;
    switch.join().map_err(|_| "the outage did not end")?;
    Ok(judge(origin, &done, start))
}

fn judge(origin: &Origin, done: &[Done], start: Instant) -> Measured {
    let end = BEFORE + OUTAGE;
    let of = |class, from: Duration, to: Duration| {
        (done.iter()).filter(move |d| d.class == class && d.at >= from && d.at < to)
    };
    let first = of(0, BEFORE + Duration::from_secs(1), end + AFTER)
        .filter(|d| d.status == 200)
        .map(|d| (d.at + d.took).saturating_sub(end))
        .min();
    let second = Duration::from_secs(1);
    let good = |s: u32| {
        let all = || of(0, end + second * s, end + second * (s + 1));
        all().filter(|d| d.good(OBJECTIVE)).count() * 100 >= all().count() * 95
    };
    let back = (0..AFTER.as_secs() as u32).find(|s| good(*s));
    // The last five seconds of the outage, when everybody has had time to make up their mind.
    let from = end - second * 5;
    let mut tries = 0;
    let mut silent = 0;
    for i in &origin.instances {
        let mut counts = [0; 5];
        for s in i.seen().iter().filter(|s| !s.path.starts_with("/health")) {
            let at = s.came.saturating_duration_since(start + from).as_secs() as usize;
            if s.came >= start + from
                && let Some(n) = counts.get_mut(at)
            {
                *n += 1;
                tries += usize::from(s.path.starts_with("/item"));
            }
        }
        silent += counts.iter().filter(|n| **n == 0).count();
    }
    let per_request = tries as f64 / of(0, from, end).count() as f64;
    let page = || of(1, BEFORE, end);
    let stale = page().filter(|d| d.good(OBJECTIVE)).count() as f64 / page().count() as f64;
    let met = first.is_some_and(|f| f < MOST)
        && back.is_some_and(|s| s <= 3)
        && per_request <= 1.1
        && silent == 0
        && stale >= 0.99;
    let none = || "never".to_owned();
    let cells = vec![
        first.map_or_else(none, |f| format!("{:.2} s", f.as_secs_f64())),
        back.map_or_else(none, |s| format!("{s} s")),
        format!("{per_request:.2}"),
        format!("{silent} of {}", 5 * INSTANCES),
        format!("{:.1} %", 100.0 * stale),
    ];
    (cells, Some(met))
}
