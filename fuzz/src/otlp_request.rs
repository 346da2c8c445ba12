//! Any bytes are spans within the bounds, or a mistake; what is counted is not less than what is read.

use otlp::decode::{Encoding, LINES, SPANS, Signal, count, logs, spans};
use traces::{ATTRIBUTES, Wanted};

/// What is told of a span beside its attributes: what it called, its status, why it failed.
const BESIDE: usize = 4;

pub fn check(data: &[u8]) {
    let (kind, data) = crate::kind(data);
    let encoding = match kind % 2 {
        0 => Encoding::Protobuf,
        _ => Encoding::Json,
    };
    let _ = count(data, Signal::Metrics, encoding);
    let _ = count(data, Signal::Logs, encoding);
    if let Ok(read) = logs(data, encoding) {
        assert!(read.lines.len() <= LINES);
        assert!(read.lines.iter().all(|(_, line)| line.bytes() <= 8 << 10));
    }
    if let Ok(read) = spans(data, encoding, &Wanted::default()) {
        assert!(read.spans.len() <= SPANS);
        assert!(
            read.seen
                .iter()
                .all(|s| s.attributes.len() <= ATTRIBUTES + BESIDE)
        );
        assert!(
            read.spans
                .iter()
                .all(|s| s.trace > 0 && s.id > 0 && s.service.len() <= 64)
        );
        let counted = count(data, Signal::Traces, encoding);
        assert!(counted.is_err() || counted.is_ok_and(|n| n >= read.spans.len() as u64));
    }
}
