//! Where metrics and traces are sent.

use crate::Secret;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// `None`: nothing is sent by OTLP.
    pub otlp: Option<ExportOtlp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportOtlp {
    /// Without `/v1/…`, and without a slash at its end.
    pub endpoint: String,
    pub protocol: OtlpProtocol,
    /// Sent with each request.
    pub headers: Vec<(String, Secret)>,
    /// Requests are packed by gzip.
    pub gzip: bool,
    /// Between two requests with metrics.
    pub interval: Duration,
    /// Of one try.
    pub timeout: Duration,
    /// What this Plimsoll calls itself: `service.name`.
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtlpProtocol {
    #[serde(rename = "http/protobuf")]
    Protobuf,
    #[serde(rename = "http/json")]
    Json,
    Grpc,
}

impl Default for ExportOtlp {
    fn default() -> ExportOtlp {
        ExportOtlp {
            endpoint: String::new(),
            protocol: OtlpProtocol::Protobuf,
            headers: Vec::new(),
            gzip: true,
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            name: "plimsoll".into(),
        }
    }
}
