//! Requests of OTLP, in protobuf or JSON.

mod json;
mod proto;

use super::message::{Metric, Resource, Sent};
use crate::decode::Encoding;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// Of which attributes speak.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.44.0";
const SCOPE: &str = "plimsoll";
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// An `ExportTraceServiceRequest`.
pub fn traces(resource: &Resource, spans: &[Sent], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => proto::traces(resource, spans),
        Encoding::Json => json::traces(resource, spans),
    }
}

/// An `ExportMetricsServiceRequest`: counted from `start` to `now`, nanoseconds since the Unix epoch.
pub fn metrics(
    resource: &Resource,
    metrics: &[Metric],
    time: (u64, u64),
    encoding: Encoding,
) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => proto::metrics(resource, metrics, time),
        Encoding::Json => json::metrics(resource, metrics, time),
    }
}

/// The same by gzip.
///
/// # Errors
/// When there is no memory for it.
pub fn packed(message: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(message)?;
    packer.finish()
}

/// As one message of gRPC.
pub fn framed(message: &[u8], is_packed: bool) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(message.len() + 5);
    out.push(u8::from(is_packed));
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    out
}

#[cfg(test)]
mod tests;
