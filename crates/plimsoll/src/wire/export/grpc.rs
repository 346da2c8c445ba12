//! One try over gRPC: a unary call on a connection of HTTP/2 that is kept. The connection lives on control's runtime.

use super::http::fetched;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use config::Secret;
use config::sections::ExportOtlp;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Uri};
use otlp::decode::{Encoding, Signal};
use otlp::export::{self, Said, partial, short};
use std::time::Duration;
use telemetry::probes::tls::{self, Check};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// What is read of an answer, bytes.
const ANSWER: usize = 64 * 1024;
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const UNAVAILABLE: u32 = 14;

pub struct Grpc {
    runtime: Handle,
    endpoint: String,
    headers: Vec<(String, Secret)>,
    gzip: bool,
    open: Option<SendRequest<Bytes>>,
}

impl Grpc {
    pub fn new(otlp: &ExportOtlp, runtime: Handle) -> Grpc {
        Grpc {
            runtime,
            endpoint: otlp.endpoint.clone(),
            headers: otlp.headers.clone(),
            gzip: otlp.gzip,
            open: None,
        }
    }

    pub fn send(&mut self, signal: Signal, message: &[u8], timeout: Duration) -> Said {
        let body = Bytes::from(export::framed(message, self.gzip));
        let runtime = self.runtime.clone();
        let tried = runtime.block_on(async {
            let call = self.call(signal, body);
            let late = |_| Err(format!("no answer within {} s", timeout.as_secs()));
            tokio::time::timeout(timeout, call)
                .await
                .unwrap_or_else(late)
        });
        tried.unwrap_or_else(|why| {
            // Whatever went wrong, another connection may do better.
            self.open = None;
            Said::Silent(short(&why))
        })
    }

    async fn call(&mut self, signal: Signal, body: Bytes) -> Result<Said, String> {
        let request = self.request(signal)?;
        let mut open = self.connection().await?;
        let (answer, mut sending) = open.send_request(request, false).map_err(said)?;
        sending.send_data(body, true).map_err(said)?;
        let (head, mut body) = answer.await.map_err(said)?.into_parts();
        if head.status != http::StatusCode::OK {
            return Ok(Said::Status {
                status: head.status.as_u16(),
                after: None,
                message: "it does not speak gRPC".into(),
            });
        }
        let mut all = Vec::new();
        while let Some(part) = body.data().await {
            let part = part.map_err(said)?;
            body.flow_control()
                .release_capacity(part.len())
                .map_err(said)?;
            if all.len() + part.len() > ANSWER {
                return Err("its answer is too long".into());
            }
            all.extend_from_slice(&part);
        }
        let trailers = body.trailers().await.map_err(said)?;
        Ok(read(&all, &trailers.unwrap_or(head.headers)))
    }

    fn request(&self, signal: Signal) -> Result<Request<()>, String> {
        let path = match signal {
            Signal::Traces => TRACES,
            _ => METRICS,
        };
        let mut request = Request::post(format!("{}{path}", self.endpoint))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header(
                "user-agent",
                concat!("plimsoll/", env!("CARGO_PKG_VERSION")),
            );
        if self.gzip {
            request = request.header("grpc-encoding", "gzip");
        }
        for (name, value) in fetched(&self.headers)? {
            request = request.header(name, value);
        }
        request.body(()).map_err(said)
    }

    /// The one that is open, else another.
    async fn connection(&mut self) -> Result<SendRequest<Bytes>, String> {
        if let Some(open) = self.open.take()
            && let Ok(ready) = open.ready().await
        {
            self.open = Some(ready.clone());
            return Ok(ready);
        }
        let uri: Uri = self.endpoint.parse().map_err(said)?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(said)?;
        // Small frames must not wait for one another; without it they are only slower.
        let _ = stream.set_nodelay(true);
        let open = if is_secure {
            let name = ServerName::try_from(host.to_owned()).map_err(said)?;
            let connector = TlsConnector::from(tls::client(Check::Named, None)?);
            let offered = connector.with_alpn(vec![b"h2".to_vec()]);
            let stream = offered.connect(name, stream).await;
            self.handshake(stream.map_err(|e| format!("{e}: {}", tls::advice(&e.to_string())))?)
                .await?
        } else {
            self.handshake(stream).await?
        };
        let open = open.ready().await.map_err(said)?;
        self.open = Some(open.clone());
        Ok(open)
    }

    async fn handshake<S>(&self, stream: S) -> Result<SendRequest<Bytes>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (open, connection) = h2::client::handshake(stream).await.map_err(said)?;
        // How it ends is told to whoever asks next.
        tokio::spawn(async move { drop(connection.await) });
        Ok(open)
    }
}

fn said(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// What a whole answer says.
fn read(body: &[u8], trailers: &HeaderMap) -> Said {
    let text = |name: &str| trailers.get(name).and_then(|v| v.to_str().ok());
    let status = text("grpc-status").and_then(|s| s.parse().ok());
    let message = short(text("grpc-message").unwrap_or(""));
    match status {
        Some(0) => {
            // One message, not packed: nothing was said of accepting another form.
            let message = body.get(5..).unwrap_or_default();
            let (rejected, message) = partial(message, Encoding::Protobuf).unwrap_or_default();
            Said::Taken { rejected, message }
        }
        Some(status) => {
            let details = trailers
                .get("grpc-status-details-bin")
                .map(|v| v.as_bytes());
            let padded = |d| {
                STANDARD
                    .decode(d)
                    .or_else(|_| STANDARD_NO_PAD.decode(d))
                    .ok()
            };
            Said::Grpc {
                status,
                after: details.and_then(padded).and_then(|d| export::grpc(&d)),
                message,
            }
        }
        None => Said::Grpc {
            status: UNAVAILABLE,
            after: None,
            message: "its answer has no grpc-status".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_trailers() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let mut all = HeaderMap::new();
            for (name, value) in pairs {
                all.insert(*name, http::HeaderValue::from_static(value));
            }
            all
        };
        let taken = read(&[0, 0, 0, 0, 0], &of(&[("grpc-status", "0")]));
        let none = String::new();
        assert_eq!(
            taken,
            Said::Taken {
                rejected: 0,
                message: none
            }
        );
        // code 8, with a RetryInfo of two seconds.
        let details = "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAg==";
        let full = of(&[
            ("grpc-status", "8"),
            ("grpc-message", "full"),
            ("grpc-status-details-bin", details),
        ]);
        let expected = Said::Grpc {
            status: 8,
            after: Some(Duration::from_secs(2)),
            message: "full".into(),
        };
        assert_eq!(read(b"", &full), expected);
        let Said::Grpc { status, .. } = read(b"<html>", &of(&[])) else {
            panic!()
        };
        assert_eq!(status, UNAVAILABLE);
    }
}
