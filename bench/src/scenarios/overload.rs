//! Twice the capacity for a while, with clients that try again: how much is still served, and is the trouble over when
//! the load is?

use super::Stage;
use super::clients::{Class, Done, Patience, Phase, drive};
use super::contenders::{self, Contender, Measured, each, haproxy, nginx, plimsoll};
use super::envoy;
use super::origin::{Origin, Plan, Work};
use super::page::Section;
use std::net::SocketAddr;
use std::time::Duration;

/// Two instances of four slots.
const SLOTS: usize = 4;
const SERVICE: Duration = Duration::from_millis(20);
/// Requests per second: 2 × 4 / 20 ms.
const CAPACITY: f64 = 400.0;
const OBJECTIVE: Duration = Duration::from_millis(500);
const CALM: Duration = Duration::from_secs(5);
const AFTER: Duration = Duration::from_secs(20);
/// Seconds until it is back.
const MOST: usize = 10;
/// Enough for the model to be sure of the limit.
const LEARNING: Duration = Duration::from_secs(110);

const PATIENCE: Patience = Patience {
    timeout: Duration::from_secs(1),
    retries: 3,
    pause: Duration::from_millis(100),
};

const STORY: &str = "60 % of the capacity (two instances of four slots, 20 ms each), then twice the capacity, then 60 % again. Clients give up a
try after 1 s and try up to three times more; good is within 500 ms of the first try. **Back** is the number of seconds
after the overload until at least 95 % of the requests that come in a second are good, and of the two after it.
Target: at most 10 s.";

const COLUMNS: &[&str] = &[
    "overload",
    "goodput before, of the offered",
    "during, of the capacity",
    "back after",
];

fn plan(tells: bool) -> Plan {
    Plan {
        tells,
        ..Plan::new(2, SLOTS, vec![Work::of("/", SERVICE)])
    }
}

const ROUTES: &str =
    "routes:\n  all: { match: \"GET /{rest...}\", to: app, slo: { latency: 500ms } }\n";

const CONTENDERS: [Contender; 5] = [
    Contender {
        name: "Plimsoll",
        how: "`limit: 8`",
        start: |s, i| plimsoll(s, i, "    limit: 8\n", ROUTES).map(|o| o.proxy),
    },
    Contender {
        name: envoy::NAME,
        how: "adaptive concurrency (gradient), retry budget",
        start: |s, i| envoy::start(s, i, envoy::ADAPTIVE, envoy::ALL, RETRY_BUDGET),
    },
    Contender {
        name: "HAProxy",
        how: "`maxconn 4` per server, `timeout queue 250ms`",
        start: |s, i| haproxy(s, i, "", "  timeout queue 250ms\n", "maxconn 4"),
    },
    Contender {
        name: "nginx",
        how: "`max_conns=4` per server (it has no queue)",
        start: |s, i| nginx(s, i, "", "max_conns=4 max_fails=0", ""),
    },
    Contender {
        name: "HAProxy without limits",
        how: "none: what happens without protection",
        start: |s, i| haproxy(s, i, "", "", ""),
    },
];

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let section = Section::new(STORY, COLUMNS);
    each(stage, section, &CONTENDERS, &plan(false), |_, proxy| {
        measure(stage, proxy.address)
    })
}

/// Of Envoy.
const RETRY_BUDGET: &str = ", circuit_breakers: { thresholds: [ { retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 3 } } ] }";

/// Without a configured limit: what the model has learned from `Server-Timing` must do.
pub fn learned(stage: &Stage<'_>) -> Result<Section, String> {
    let origin = Origin::start(plan(true))?;
    let ours = plimsoll(stage, &origin.addresses(), "", ROUTES)?;
    let mut section = Section::new(STORY, COLUMNS);
    section.story += " Nothing is configured but the objective: the limit is learned from 110 s of traffic between 20 and 80 % of the capacity.";
    learn(ours.proxy.address)?;
    contenders::learned(stage, section, &ours, |proxy| measure(stage, proxy))
}

/// Traffic that rises and falls, so that there is something to learn.
fn learn(proxy: SocketAddr) -> Result<(), String> {
    let share = [0.2, 0.5, 0.8, 0.6, 0.3];
    let step = Duration::from_secs(5);
    let steps = (LEARNING.as_secs() / step.as_secs()) as usize;
    let phases: Vec<Phase> = (0..steps)
        .map(|i| Phase {
            time: step,
            rates: vec![CAPACITY * share[i % share.len()]],
        })
        .collect();
    drive(proxy, &[CLASS], &phases, Patience::once(PATIENCE.timeout)).map(|_| ())
}

const CLASS: Class = Class {
    path: "/item/{}",
    headers: "",
};

fn measure(stage: &Stage<'_>, proxy: SocketAddr) -> Result<Measured, String> {
    let over = Duration::from_secs(if stage.full { 60 } else { 30 });
    let phase = |time, share| Phase {
        time,
        rates: vec![CAPACITY * share],
    };
    let phases = [phase(CALM, 0.6), phase(over, 2.0), phase(AFTER, 0.6)];
    let done = drive(proxy, &[CLASS], &phases, PATIENCE)?;
    let between = |from: Duration, to: Duration| -> (f64, f64) {
        let some: Vec<&Done> = done.iter().filter(|d| d.at >= from && d.at < to).collect();
        let good = some.iter().filter(|d| d.good(OBJECTIVE)).count();
        (good as f64, some.len() as f64)
    };
    let before = between(Duration::ZERO, CALM);
    let during = between(CALM, CALM + over).0 / over.as_secs_f64();
    let second = Duration::from_secs(1);
    let calm: Vec<bool> = (0..AFTER.as_secs() as u32)
        .map(|s| between(CALM + over + second * s, CALM + over + second * (s + 1)))
        .map(|(good, all)| good >= 0.95 * all)
        .collect();
    let back = calm.windows(3).position(|w| w.iter().all(|c| *c));
    let cells = vec![
        format!("{} s", over.as_secs()),
        format!("{:.1} %", 100.0 * before.0 / before.1),
        format!("{:.0} %", 100.0 * during / CAPACITY),
        back.map_or(format!("not within {} s", AFTER.as_secs()), |s| {
            format!("{s} s")
        }),
    ];
    Ok((cells, Some(back.is_some_and(|s| s <= MOST))))
}
