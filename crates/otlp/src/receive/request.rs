//! One request: who sends it, what it is, its body within the bounds, and what becomes of its spans.

use super::Shared;
use super::answer::{Answer, Protocol, Refusal, Reply};
use crate::decode::{self, Encoding, Signal};
use base::secret::same;
use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// Largest body, packed and unpacked.
const BODY: usize = 64 << 20;
/// Longest time for all of a body, and for one's turn to send it.
const PATIENCE: Duration = Duration::from_secs(10);
const TURN: Duration = Duration::from_secs(2);

const PATHS: [(&str, Signal); 6] = [
    ("/v1/traces", Signal::Traces),
    ("/v1/metrics", Signal::Metrics),
    ("/v1/logs", Signal::Logs),
    (
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Traces,
    ),
    (
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Metrics,
    ),
    (
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Logs,
    ),
];

pub async fn handle(request: Request<Incoming>, shared: &Arc<Shared>) -> Reply {
    let protocol = Protocol::of(request.headers());
    let answer = match taken(request, protocol, shared).await {
        Ok(answer) => answer,
        Err(refusal) => Answer::Refused(refusal),
    };
    answer.reply(protocol)
}

async fn taken(
    request: Request<Incoming>,
    protocol: Option<Protocol>,
    shared: &Arc<Shared>,
) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let Some(&(_, signal)) = PATHS.iter().find(|p| p.0 == path) else {
        return Err(Refusal::NoSuchPath);
    };
    if head.method != Method::POST {
        return Err(Refusal::NoPost);
    }
    if !admits(shared.token.as_deref(), &head.headers) {
        return Err(Refusal::NoToken);
    }
    let protocol = protocol.ok_or(Refusal::UnknownType)?;
    let packed = packed(&head.headers, protocol)?;
    if signal == Signal::Traces && shared.is_full() {
        return Err(Refusal::Full);
    }
    let turn = tokio::time::timeout(TURN, shared.requests.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(Refusal::Full);
    };
    let all = Limited::new(body, BODY).collect();
    let body = match tokio::time::timeout(PATIENCE, all).await {
        Err(_) => return Err(Refusal::Slow),
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(e)) if e.is::<http_body_util::LengthLimitError>() => return Err(Refusal::TooLarge),
        Ok(Err(e)) => return Err(Refusal::Malformed(format!("its body broke off: {e}"))),
    };
    let shared = shared.clone();
    let work = move || {
        // Kept to the end, also where the sender is gone meanwhile.
        let _turn = turn;
        let message = unpacked(body, packed, protocol)?;
        store(&message, signal, protocol.encoding(), &shared)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Refusal::Malformed("it could not be read".into()))?
}

/// Spans are kept, and log lines where somebody keeps them; the rest is counted, and its sender told that it is dropped.
fn store(
    message: &[u8],
    signal: Signal,
    encoding: Encoding,
    shared: &Shared,
) -> Result<Answer, Refusal> {
    let bad = |e: decode::Malformed| Refusal::Malformed(e.to_string());
    let (rejected, complaint) = match signal {
        Signal::Traces => {
            let wanted = shared.keeper.as_ref().map(|k| k.wanted());
            let wanted = wanted.unwrap_or_else(|| Arc::new(::traces::Wanted::none()));
            let mut decoded = decode::spans(message, encoding, &wanted).map_err(bad)?;
            let spans = std::mem::take(&mut decoded.spans);
            if let Some(keeper) = &shared.keeper {
                let traces = spans.iter().map(|s| s.trace);
                keeper.spans(traces.zip(std::mem::take(&mut decoded.seen)).collect());
            }
            shared.take(spans, decoded.rejected());
            (decoded.rejected(), decoded.complaint())
        }
        Signal::Logs if shared.keeper.is_some() => {
            let mut decoded = decode::logs(message, encoding).map_err(bad)?;
            if let Some(keeper) = &shared.keeper {
                keeper.lines(std::mem::take(&mut decoded.lines));
            }
            (decoded.over, decoded.complaint())
        }
        Signal::Metrics | Signal::Logs => {
            let count = decode::count(message, signal, encoding).map_err(bad)?;
            let (what, setting) = match signal {
                Signal::Metrics => (
                    "takes no metrics and has dropped these metrics",
                    "OTEL_METRICS_EXPORTER",
                ),
                _ => (
                    "keeps no traces here and has dropped these logs",
                    "OTEL_LOGS_EXPORTER",
                ),
            };
            let complaint = match count {
                0 => String::new(),
                _ => format!("Plimsoll {what}: send them to a collector, or set {setting}=none"),
            };
            (count, complaint)
        }
    };
    Ok(Answer::Taken {
        signal,
        rejected,
        complaint,
    })
}

fn admits(token: Option<&str>, headers: &HeaderMap) -> bool {
    let Some(token) = token else { return true };
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
    same(shown.unwrap_or(b""), token.as_bytes())
}

/// Whether the body is gzip.
fn packed(headers: &HeaderMap, protocol: Protocol) -> Result<bool, Refusal> {
    let name = match protocol {
        Protocol::Grpc => "grpc-encoding",
        _ => "content-encoding",
    };
    match headers.get(name).map(|v| v.as_bytes()) {
        None | Some(b"identity" | b"") => Ok(false),
        Some(b"gzip") => Ok(true),
        Some(other) => Err(Refusal::UnknownEncoding(
            String::from_utf8_lossy(&other[..other.len().min(40)]).into_owned(),
        )),
    }
}

fn unpacked(mut body: Bytes, mut packed: bool, protocol: Protocol) -> Result<Bytes, Refusal> {
    if protocol == Protocol::Grpc {
        if body.len() < 5 {
            return Err(Refusal::Malformed(
                "the message of gRPC is not there".into(),
            ));
        }
        packed = match (body.get_u8(), packed) {
            (0, _) => false,
            (1, true) => true,
            _ => return Err(Refusal::UnknownEncoding("none named".into())),
        };
        let length = body.get_u32() as usize;
        if length != body.len() {
            return Err(Refusal::Malformed(
                "the message of gRPC is not one whole message".into(),
            ));
        }
    }
    if !packed {
        return Ok(body);
    }
    let mut out = Vec::new();
    let most = BODY as u64 + 1;
    let read = MultiGzDecoder::new(&body[..])
        .take(most)
        .read_to_end(&mut out);
    match read {
        Err(e) => Err(Refusal::Malformed(format!("its gzip is broken: {e}"))),
        Ok(_) if out.len() > BODY => Err(Refusal::TooLarge),
        Ok(_) => Ok(out.into()),
    }
}
