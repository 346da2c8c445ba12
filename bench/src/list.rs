//! What there is to measure and to check, in one list.

use crate::*;
use std::path::Path;
use xtask::run::cargo;

type Run = fn(&Path, &Ask) -> Result<String, String>;

/// The Plimsoll that is measured.
#[derive(Clone, Copy)]
enum Built {
    /// As tests have it.
    Debug,
    /// As people build it.
    Release,
    /// With every engine.
    Full,
    /// One unit, fat LTO.
    Fat,
    /// What is measured is built by what measures.
    Elsewhere,
}

/// Name, what it measures, with which build, how.
const ALL: &[(&str, &str, Built, Run)] = &[
    (
        "proxy",
        "CPU per proxied request, memory per idle connection",
        Built::Fat,
        |p, ask| proxy::run(p, ask.pairs),
    ),
    (
        "protocols",
        "CPU per request over HTTP/2 and TLS",
        Built::Fat,
        |p, ask| protocols::run(p, ask.pairs),
    ),
    (
        "hit",
        "CPU per answer from the cache",
        Built::Fat,
        |p, ask| hit::run(p, ask.pairs),
    ),
    (
        "disk",
        "CPU and latency of an answer from the cache's disk",
        Built::Fat,
        |p, ask| disk::run(p, ask.pairs),
    ),
    (
        "load",
        "the load generator beside wrk and oha",
        Built::Release,
        |p, ask| load::run(p, ask.pairs),
    ),
    (
        "history",
        "what 35 days of 200 routes take",
        Built::Release,
        |p, ask| history::run(p, ask.minutes),
    ),
    (
        "traces",
        "what it costs to keep traces",
        Built::Release,
        |p, _| traces::run(p),
    ),
    (
        "console",
        "pages with 200 routes, a hundred open consoles",
        Built::Release,
        |p, _| console::measure::run(p),
    ),
    (
        "state",
        "what a session, an idempotency key and a shared cache cost a request",
        Built::Full,
        |p, ask| state::run(p, ask.pairs),
    ),
    (
        "scenarios",
        "what clients feel when services fail and proxies are flooded",
        Built::Release,
        |p, ask| scenarios::run(p, &ask.names, ask.full),
    ),
    (
        "diagnosis",
        "planted bottlenecks, watched live",
        Built::Release,
        diagnose,
    ),
    (
        "agent",
        "what `plimsoll agent` costs its host",
        Built::Elsewhere,
        |_, _| agent::run(true),
    ),
    (
        "agent-debug",
        "the same with a debug build, an upper bound",
        Built::Elsewhere,
        |_, _| agent::run(false),
    ),
    (
        "model",
        "what learning costs, and how far it is from the truth",
        Built::Elsewhere,
        |_, _| model::run(),
    ),
    (
        "simulated",
        "the diagnosis on 1024 made-up services",
        Built::Elsewhere,
        |_, _| simulated::run(),
    ),
    (
        "queue",
        "durable enqueue, beside Redis Streams, PostgreSQL and JetStream",
        Built::Elsewhere,
        |_, _| queue::run(),
    ),
    (
        "replicas",
        "how many reads over replicas are stale",
        Built::Elsewhere,
        |_, _| replicas::run(),
    ),
    (
        "cache",
        "the public HTTP cache tests",
        Built::Debug,
        |p, _| cache::run(p),
    ),
    (
        "framing",
        "what nine origin servers read of messages with two readings",
        Built::Debug,
        |p, _| framing::run(p),
    ),
    (
        "pages",
        "the console in Chromium, and its pictures anew",
        Built::Debug,
        |p, _| pages(p),
    ),
    ("otlp", "OpenTelemetry's SDKs", Built::Debug, |p, _| {
        quiet(otlp::check(p))
    }),
    ("export", "a collector", Built::Debug, |p, _| {
        quiet(otlp::export::check(p))
    }),
    (
        "topics",
        "CloudEvents' SDK and the verifier of Standard Webhooks",
        Built::Debug,
        |p, _| quiet(topics::check(p)),
    ),
    (
        "backstage",
        "what Backstage itself reads of a catalog",
        Built::Debug,
        |p, _| quiet(backstage::check(p)),
    ),
];

const DEBUG: &str = "target/debug/plimsoll";

/// A line each, for `--help`.
pub fn help() -> String {
    let line = |(name, about, ..): &(&str, &str, Built, Run)| format!("  {name:<12} {about}\n");
    let lines: String = ALL.iter().map(line).collect();
    format!("What there is:\n{lines}")
}

/// The page, or nothing where something was checked.
pub fn measure(ask: &Ask) -> Result<String, String> {
    let Some((_, _, built, run)) = ALL.iter().find(|(name, ..)| *name == ask.what) else {
        return Err(format!("no benchmark `{}`\n{}", ask.what, help()));
    };
    let binary = match &ask.plimsoll {
        Some(there) => there.clone(),
        None => build(*built)?.into(),
    };
    run(&binary, ask)
}

/// The part of the test command, with the debug build that it has made.
pub fn check() -> Result<String, String> {
    let plimsoll = Path::new(DEBUG);
    // Both learn while the others run.
    let watched = console::begin(plimsoll)?;
    std::thread::scope(|s| {
        let spans = s.spawn(|| otlp::check(plimsoll));
        let others = clients(plimsoll, watched);
        let spans = spans.join().map_err(|_| "a thread panicked")?;
        others.and(spans)
    })?;
    Ok(String::new())
}

fn clients(plimsoll: &Path, watched: Option<console::Watched>) -> Result<(), String> {
    cache::check(plimsoll)?;
    framing::check(plimsoll)?;
    grpc_web::check(plimsoll)?;
    console::check(watched)?;
    console::contract::check(plimsoll)?;
    topics::check(plimsoll)?;
    backstage::check(plimsoll)
}

fn build(built: Built) -> Result<&'static str, String> {
    let (how, binary): (&[&str], _) = match built {
        Built::Debug => (&["--features", "full"], DEBUG),
        Built::Release => (&["--release"], "target/release/plimsoll"),
        Built::Full => (
            &["--release", "--features", "full"],
            "target/release/plimsoll",
        ),
        Built::Fat => (&["--profile", "bench-fat"], "target/bench-fat/plimsoll"),
        Built::Elsewhere => return Ok(""),
    };
    cargo(&[&["build", "--package", "plimsoll"], how].concat())?;
    Ok(binary)
}

fn diagnose(plimsoll: &Path, ask: &Ask) -> Result<String, String> {
    let ask = diagnosis::Ask {
        names: ask.names.clone(),
        again: ask.only.clone(),
        seeds: ask.seeds,
        at_most: ask.at_most,
    };
    diagnosis::run(plimsoll, &ask)
}

fn pages(plimsoll: &Path) -> Result<String, String> {
    let watched = console::begin(plimsoll)?;
    let seen = watched.is_some();
    console::check(watched)?;
    console::contract::check(plimsoll)?;
    if seen {
        console::pictures()?;
    }
    Ok(String::new())
}

fn quiet(done: Result<(), String>) -> Result<String, String> {
    done.map(|()| String::new())
}
