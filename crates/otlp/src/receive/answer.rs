//! What became of a request, in the words of OTLP over HTTP (in protobuf or JSON) and over gRPC.

use crate::decode::{Encoding, Signal, Writer};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::json;
use std::convert::Infallible;

pub type Reply = Response<BoxBody<Bytes, Infallible>>;

/// When whoever was refused may come again, seconds.
const AGAIN_S: &str = "2";
const GRPC_STATUS: &str = "grpc-status";

/// How a request is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    Protobuf,
    Json,
}

impl Protocol {
    pub fn of(headers: &HeaderMap) -> Option<Protocol> {
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        match kind.split(';').next().unwrap_or("").trim() {
            "application/grpc" | "application/grpc+proto" => Some(Protocol::Grpc),
            "application/x-protobuf" => Some(Protocol::Protobuf),
            "application/json" => Some(Protocol::Json),
            _ => None,
        }
    }

    pub fn encoding(self) -> Encoding {
        match self {
            Protocol::Json => Encoding::Json,
            Protocol::Grpc | Protocol::Protobuf => Encoding::Protobuf,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Protocol::Grpc => "application/grpc",
            Protocol::Protobuf => "application/x-protobuf",
            Protocol::Json => "application/json",
        }
    }
}

pub enum Answer {
    /// What was rejected is counted, and a complaint says why; empty: nothing was.
    Taken {
        signal: Signal,
        rejected: u64,
        complaint: String,
    },
    Refused(Refusal),
}

/// Why nothing of a request was taken.
pub enum Refusal {
    NoSuchPath,
    NoPost,
    NoToken,
    UnknownType,
    UnknownEncoding(String),
    Malformed(String),
    TooLarge,
    Slow,
    /// It may come again.
    Full,
}

impl Refusal {
    /// Status of HTTP, status of gRPC, and words.
    fn said(&self) -> (StatusCode, u8, String) {
        let fixed = |status, code, text: &str| (status, code, text.to_owned());
        match self {
            Refusal::NoSuchPath => fixed(
                StatusCode::NOT_FOUND,
                12,
                "no such path: OTLP is taken at /v1/traces, /v1/metrics and /v1/logs, and by gRPC",
            ),
            Refusal::NoPost => fixed(StatusCode::METHOD_NOT_ALLOWED, 12, "OTLP is sent with POST"),
            Refusal::NoToken => fixed(
                StatusCode::UNAUTHORIZED,
                16,
                "send the token of `otlp.token` as `Authorization: Bearer …`",
            ),
            Refusal::UnknownType => fixed(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                12,
                "the content type must be application/x-protobuf, application/json or application/grpc",
            ),
            Refusal::UnknownEncoding(encoding) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                12,
                format!("the body may be gzip or plain, not `{encoding}`"),
            ),
            Refusal::Malformed(what) => (StatusCode::BAD_REQUEST, 3, what.clone()),
            Refusal::TooLarge => fixed(
                StatusCode::PAYLOAD_TOO_LARGE,
                // Not RESOURCE_EXHAUSTED: it would come again.
                3,
                "the body is larger than 64 MiB, packed or unpacked: send fewer spans at once",
            ),
            Refusal::Slow => fixed(StatusCode::REQUEST_TIMEOUT, 14, "the body came too slowly"),
            Refusal::Full => fixed(
                StatusCode::TOO_MANY_REQUESTS,
                14,
                "too many spans are waiting: come again, or sample fewer traces",
            ),
        }
    }

    fn may_come_again(&self) -> bool {
        matches!(self, Refusal::Full | Refusal::Slow)
    }
}

impl Answer {
    pub fn reply(&self, protocol: Option<Protocol>) -> Reply {
        match protocol {
            Some(Protocol::Grpc) => self.grpc(),
            other => self.http(other.unwrap_or(Protocol::Json)),
        }
    }

    fn http(&self, protocol: Protocol) -> Reply {
        let (status, body) = match self {
            Answer::Taken {
                signal,
                rejected,
                complaint,
            } => {
                let body = match protocol {
                    Protocol::Json => json_of(*signal, *rejected, complaint),
                    _ => export_response(*rejected, complaint),
                };
                (StatusCode::OK, body)
            }
            Answer::Refused(refusal) => {
                let (status, code, text) = refusal.said();
                let body = match protocol {
                    Protocol::Json => json!({ "code": code, "message": text }).to_string().into(),
                    _ => {
                        Writer::default()
                            .number(1, code.into())
                            .bytes(2, text.as_bytes())
                            .out
                    }
                };
                (status, body)
            }
        };
        let mut reply = Response::new(Full::new(Bytes::from(body)).boxed());
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        let kind = HeaderValue::from_static(protocol.content_type());
        headers.insert(header::CONTENT_TYPE, kind);
        if let Answer::Refused(refusal) = self {
            if refusal.may_come_again() {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(AGAIN_S));
            }
            if matches!(refusal, Refusal::NoPost) {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            // What is left of its body is not read.
            if status == StatusCode::PAYLOAD_TOO_LARGE || status == StatusCode::REQUEST_TIMEOUT {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        reply
    }

    fn grpc(&self) -> Reply {
        let mut headers = HeaderMap::new();
        let (body, trailers) = match self {
            Answer::Taken {
                rejected,
                complaint,
                ..
            } => {
                let message = export_response(*rejected, complaint);
                let mut body = vec![0];
                body.extend_from_slice(&(message.len() as u32).to_be_bytes());
                body.extend_from_slice(&message);
                let mut trailers = HeaderMap::new();
                trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
                (body, Some(Ok(trailers)))
            }
            Answer::Refused(refusal) => {
                let (_, code, text) = refusal.said();
                headers.insert(GRPC_STATUS, u16::from(code).into());
                if let Ok(text) = HeaderValue::from_str(&percent(&text)) {
                    headers.insert("grpc-message", text);
                }
                (Vec::new(), None)
            }
        };
        let body = Full::new(Bytes::from(body)).with_trailers(std::future::ready(trailers));
        let mut reply = Response::new(body.boxed());
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(Protocol::Grpc.content_type()),
        );
        headers.insert(
            "grpc-accept-encoding",
            HeaderValue::from_static("identity,gzip"),
        );
        *reply.headers_mut() = headers;
        reply
    }
}

/// `ExportTraceServiceResponse` and its like: empty when all is well.
fn export_response(rejected: u64, complaint: &str) -> Vec<u8> {
    let partial = Writer::default()
        .number(1, rejected)
        .bytes(2, complaint.as_bytes());
    Writer::default().bytes(1, &partial.out).out
}

fn json_of(signal: Signal, rejected: u64, complaint: &str) -> Vec<u8> {
    if rejected == 0 && complaint.is_empty() {
        return b"{}".to_vec();
    }
    let what = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    };
    json!({ "partialSuccess": { what: rejected.to_string(), "errorMessage": complaint } })
        .to_string()
        .into()
}

/// Text as `grpc-message` carries it.
fn percent(text: &str) -> String {
    let plain = |b: u8| (0x20..0x7f).contains(&b) && b != b'%';
    let one = |b: u8| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}
