//! What a span costs the receiver, on one core: `cargo run --release -p otlp --example receive`.

use base::trace::SpanIds;
use base::{Arm, RouteIx};
use otlp::Evidence;
use otlp::decode::{Encoding, Writer, spans};
use std::sync::Arc;
use std::time::Instant;
use traces::Wanted;

/// Requests of OTLP, and traces in each: a server span with eight calls of a database.
const REQUESTS: u64 = 500;
const TRACES: u64 = 57;
const CALLS: u64 = 8;

fn attribute(key: &str, value: &str) -> Vec<u8> {
    let any = Writer::default().bytes(1, value.as_bytes());
    let pair = Writer::default().bytes(1, key.as_bytes());
    pair.bytes(2, &any.out).out
}

fn span(trace: u128, (id, parent): (u64, u64), at: u64) -> Writer {
    Writer::default()
        .bytes(1, &trace.to_be_bytes())
        .bytes(2, &id.to_be_bytes())
        .bytes(4, &parent.to_be_bytes())
        .bytes(5, b"SELECT")
        .number(6, 3)
        .fixed(7, at * 1_000_000)
        .fixed(8, (at + 1) * 1_000_000)
        .bytes(9, &attribute("thread.name", "worker-1"))
        .bytes(9, &attribute("code.function", "list_items"))
}

fn request(ids: &SpanIds, n: u64) -> Vec<u8> {
    let mut scope = Writer::default();
    for t in 0..TRACES {
        let trace = u128::from(n * TRACES + t + 1);
        let ours = ids.give(RouteIx((t % 30) as u16), Arm::BASE, t as u32);
        scope = scope.bytes(2, &span(trace, (1, ours), 0).out);
        for call in 0..CALLS {
            let call = span(trace, (2 + call, 1), 1 + call)
                .bytes(9, &attribute("db.system.name", "postgresql"))
                .bytes(
                    9,
                    &attribute("db.query.text", "SELECT * FROM items WHERE id = 42"),
                );
            scope = scope.bytes(2, &call.out);
        }
    }
    let all = Writer::default().bytes(2, &scope.out);
    Writer::default().bytes(1, &all.out).out
}

fn main() {
    let ids = SpanIds::new(1);
    let requests: Vec<Vec<u8>> = (0..REQUESTS).map(|n| request(&ids, n)).collect();
    let total = (REQUESTS * TRACES * (1 + CALLS)) as f64;
    let wanted = Wanted::default();
    let began = Instant::now();
    let read: Vec<_> = (requests.iter())
        .map(|r| spans(r, Encoding::Protobuf, &wanted).expect("it is a request"))
        .collect();
    let decoded = began.elapsed().as_secs_f64();
    let mut evidence = Evidence::new(Arc::new(ids));
    let began = Instant::now();
    for r in &read {
        for trace in r.spans.chunks(1 + CALLS as usize) {
            evidence.trace(trace);
        }
    }
    let joined = began.elapsed().as_secs_f64();
    assert_eq!(evidence.counts.joined as f64, total);
    println!(
        "{total:.0} spans: {:.0} ns to read each, {:.0} ns to tie and add up; {:.0} spans/s on one core",
        1e9 * decoded / total,
        1e9 * joined / total,
        total / (decoded + joined)
    );
}
