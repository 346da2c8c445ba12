//! What the access log, and what is told of traces, cost the traffic thread: `cargo run --release -p gateway --example log_cost`.
//!
//! Nanoseconds per request, the median of eleven rounds and their range: to note a request that is not written, and to
//! hand one over that is (another thread takes it, and makes no line of it); and to note one for its trace that is not kept, which
//! is all that traces cost a request where the log is off.

use base::{Nanos, RouteIx, Sample, SampleKind, keep};
use config::sections::AccessLog;
use gateway::access::{AccessTap, End, Rules, core};
use gateway::{Facts, Head, ListHead};
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const ROUNDS: usize = 11;
const TIMES: u64 = 100_000;

struct Bench {
    head: ListHead,
    rules: Arc<Rules>,
    tap: AccessTap,
    dropped: AtomicU64,
}

impl Bench {
    fn round(&self, share: f64) -> f64 {
        let client = IpAddr::from([127, 0, 0, 1]);
        let mut facts = Facts::new(RouteIx(0), client, Nanos(0), 1);
        let mut rules = self.rules.config.clone();
        rules.share = share;
        let began = Instant::now();
        for i in 0..TIMES {
            facts.reset(RouteIx(0), client, Nanos(i), i);
            let mut notes = facts.notes.take().unwrap_or_else(|| self.tap.spare());
            notes.clear();
            notes.head(&Head::List(&self.head), false);
            let mut sample = Sample::new(SampleKind::Request, RouteIx(0), Nanos(i));
            sample.status = 200;
            notes.attempt(&sample, &facts);
            let draw = core::draw(0, 0, facts.random());
            if core::keep(&rules, &sample, draw) {
                let end = End {
                    sample,
                    route: None,
                    client,
                    trace: 1,
                    rules: self.rules.clone(),
                };
                self.tap.push(notes, end, &self.dropped);
            } else {
                facts.notes = Some(notes);
            }
        }
        black_box(&facts);
        began.elapsed().as_nanos() as f64 / TIMES as f64
    }
}

impl Bench {
    fn traced(&self) -> f64 {
        let client = IpAddr::from([127, 0, 0, 1]);
        let mut facts = Facts::new(RouteIx(0), client, Nanos(0), 1);
        let (mut kept, began) = (0, Instant::now());
        for i in 0..TIMES {
            facts.reset(RouteIx(0), client, Nanos(i), i);
            let mut notes = facts.notes.take().unwrap_or_else(|| self.tap.spare());
            notes.clear();
            notes.path(&Head::List(&self.head));
            let mut sample = Sample::new(SampleKind::Request, RouteIx(0), Nanos(i));
            (sample.status, sample.trace) = (200, u128::MAX);
            notes.attempt(&sample, &facts);
            kept += u32::from(keep::why(&sample, Duration::from_secs(1), 0.01).is_some());
            facts.notes = Some(notes);
        }
        black_box((&facts, kept));
        began.elapsed().as_nanos() as f64 / TIMES as f64
    }
}

fn main() {
    let (tap, mut taken) = AccessTap::pair();
    let bench = Bench {
        head: ListHead::new(
            "GET",
            "/products/1?colour=red",
            &[
                ("host", "shop.example.com"),
                ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
                ("accept", "text/html,application/xhtml+xml"),
                ("accept-encoding", "gzip, br"),
            ],
        ),
        rules: Arc::new(Rules {
            config: AccessLog::default(),
            hasher: Arc::default(),
        }),
        tap,
        dropped: AtomicU64::new(0),
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                while let Some(notes) = taken.take() {
                    taken.give_back(notes);
                }
                std::thread::yield_now();
            }
        });
        println!("access log, traces       ns   (range)");
        let all: [(&str, &dyn Fn() -> f64); 3] = [
            ("noted, not written", &|| bench.round(0.0)),
            ("handed over", &|| bench.round(1.0)),
            ("for a trace, not kept", &|| bench.traced()),
        ];
        for (name, round) in all {
            let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
            rounds.sort_by(f64::total_cmp);
            let [low, middle, high] = [0, ROUNDS / 2, ROUNDS - 1].map(|i| rounds[i]);
            println!("{name:<21} {middle:>5.0}   ({low:.0} to {high:.0})");
        }
        done.store(true, Relaxed);
    });
    println!("lost to a full ring: {}", bench.dropped.load(Relaxed));
}
