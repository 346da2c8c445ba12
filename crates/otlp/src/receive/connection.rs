//! Takes connections, as many as may be open, and speaks HTTP/1.1 or HTTP/2 on each.

use super::{Shared, request};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Connections open at once; those beyond wait to be taken.
const CONNECTIONS: usize = 512;
/// Requests at once on one connection of HTTP/2.
const STREAMS: u32 = 32;
/// Bytes of one head.
const HEAD: usize = 16 << 10;
/// A connection without a request, or with half a head, is closed after this.
pub const IDLE: Duration = Duration::from_secs(75);

/// `idle`: [`IDLE`], but for tests.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, idle: Duration) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(HEAD.max(1 << 16));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD as u32)
        .keep_alive_interval(idle)
        .keep_alive_timeout(idle);
    intake::connections(listener, CONNECTIONS, "otlp", |stream, _| {
        let (shared, builder) = (shared.clone(), builder.clone());
        async move {
            let first = Notify::new();
            let service = service_fn(|r| {
                let shared = shared.clone();
                first.notify_one();
                async move { Ok::<_, std::convert::Infallible>(request::handle(r, &shared).await) }
            });
            let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
            // Before the first request nobody else looks at the time: which version is spoken shows in up to 24 bytes.
            let begun = timeout(idle, first.notified());
            // How a sender ends its connection is its own affair.
            tokio::select! {
                _ = &mut serving => {}
                begun = begun => if begun.is_ok() {
                    let _ = serving.await;
                },
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Receiver};
    use super::*;
    use base::clock::Clock;
    use base::trace::SpanIds;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::runtime::Handle;

    /// Half of what tells the version leaves the question open, and nothing at all does, too.
    #[tokio::test]
    async fn a_connection_that_brings_no_request_is_closed() {
        let options = Options {
            listeners: Vec::new(),
            token: None,
            ids: Arc::new(SpanIds::new(1)),
            clock: Clock::start(),
            keeper: None,
        };
        let receiver = Receiver::start(&Handle::current(), options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let shared = receiver.shared.clone();
        tokio::spawn(serve(listener, shared, Duration::from_millis(50)));
        for begun in ["", "PRI * HT"] {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            // An error is an end, too.
            let ended = timeout(IDLE, stream.read_to_end(&mut answer)).await;
            assert!(ended.is_ok() && answer.is_empty(), "{begun}");
        }
    }
}
