//! Any bytes are spans within the bounds, or a mistake; what is counted is not less than what is read.
#![no_main]

use otlp::decode::{Encoding, LINES, SPANS, Signal, count, logs, spans};
use traces::{ATTRIBUTES, Wanted};

/// What is told of a span beside its attributes: what it called, its status, why it failed.
const BESIDE: usize = 4;

libfuzzer_sys::fuzz_target!(|input: (bool, &[u8])| {
    let encoding = if input.0 { Encoding::Json } else { Encoding::Protobuf };
    let _ = count(input.1, Signal::Metrics, encoding);
    let _ = count(input.1, Signal::Logs, encoding);
    if let Ok(read) = logs(input.1, encoding) {
        assert!(read.lines.len() <= LINES);
        assert!(read.lines.iter().all(|(_, line)| line.bytes() <= 8 << 10));
    }
    if let Ok(read) = spans(input.1, encoding, &Wanted::default()) {
        assert!(read.spans.len() <= SPANS);
        assert!(read.seen.iter().all(|s| s.attributes.len() <= ATTRIBUTES + BESIDE));
        assert!(read.spans.iter().all(|s| s.trace > 0 && s.id > 0 && s.service.len() <= 64));
        let counted = count(input.1, Signal::Traces, encoding);
        assert!(counted.is_err() || counted.is_ok_and(|n| n >= read.spans.len() as u64));
    }
});
