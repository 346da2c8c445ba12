//! One try over HTTP.

use config::Secret;
use config::sections::{ExportOtlp, OtlpProtocol};
use otlp::decode::{Encoding, Signal};
use otlp::export::{Said, partial, short};
use std::time::Duration;
use ureq::tls::{RootCerts, TlsConfig};

/// What is read of an answer, bytes.
const ANSWER: u64 = 64 * 1024;

pub struct Http {
    agent: ureq::Agent,
    traces: String,
    metrics: String,
    headers: Vec<(String, Secret)>,
    encoding: Encoding,
    gzip: bool,
}

/// For collectors and services that the config names: every status is an answer, no redirect is followed.
pub fn agent() -> ureq::Agent {
    let roots = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // Within a company they have certificates that only the system knows.
        .tls_config(roots)
        .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

impl Http {
    pub fn new(otlp: &ExportOtlp) -> Http {
        Http {
            agent: agent(),
            traces: format!("{}/v1/traces", otlp.endpoint),
            metrics: format!("{}/v1/metrics", otlp.endpoint),
            headers: otlp.headers.clone(),
            encoding: match otlp.protocol {
                OtlpProtocol::Json => Encoding::Json,
                _ => Encoding::Protobuf,
            },
            gzip: otlp.gzip,
        }
    }

    pub fn send(&self, signal: Signal, body: &[u8], timeout: Duration) -> Said {
        self.tried(signal, body, timeout)
            .unwrap_or_else(Said::Silent)
    }

    fn tried(&self, signal: Signal, body: &[u8], timeout: Duration) -> Result<Said, String> {
        let url = match signal {
            Signal::Traces => &self.traces,
            _ => &self.metrics,
        };
        let kind = match self.encoding {
            Encoding::Json => "application/json",
            Encoding::Protobuf => "application/x-protobuf",
        };
        let mut request = self.agent.post(url).header("content-type", kind);
        if self.gzip {
            request = request.header("content-encoding", "gzip");
        }
        for (name, value) in fetched(&self.headers)? {
            request = request.header(name, value);
        }
        let request = request.config().timeout_global(Some(timeout)).build();
        let mut answer = request.send(body).map_err(|e| short(&e.to_string()))?;
        let status = answer.status().as_u16();
        let after = answer.headers().get("retry-after");
        let after = after.and_then(|v| Some(v.to_str().ok()?.to_owned()));
        let kind = answer.headers().get("content-type");
        let is_json = kind.is_some_and(|k| k.as_bytes().starts_with(b"application/json"));
        let said = answer.body_mut().with_config().limit(ANSWER).read_to_vec();
        let said = said.unwrap_or_default();
        if !(200..300).contains(&status) {
            let message = short(&String::from_utf8_lossy(&said));
            return Ok(Said::Status {
                status,
                after,
                message,
            });
        }
        let encoding = if is_json {
            Encoding::Json
        } else {
            Encoding::Protobuf
        };
        Ok(match partial(&said, encoding) {
            Ok((rejected, message)) => Said::Taken { rejected, message },
            // A yes of somebody who is no collector.
            Err(_) => Said::Status {
                status,
                after: None,
                message: "which is no answer of OTLP; is there a collector?".into(),
            },
        })
    }
}

/// Read anew each time: whoever changes a secret's file need not restart.
pub fn fetched(headers: &[(String, Secret)]) -> Result<Vec<(&str, String)>, String> {
    let mut all = Vec::with_capacity(headers.len());
    for (name, secret) in headers {
        all.push((name.as_str(), secret.fetch().map_err(|f| f.what)?));
    }
    Ok(all)
}
