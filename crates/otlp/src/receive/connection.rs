//! Takes connections, as many as may be open, and speaks HTTP/1.1 or HTTP/2 on each.

use super::{Shared, request};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Connections open at once; those beyond wait to be taken.
const CONNECTIONS: usize = 512;
/// Requests at once on one connection of HTTP/2.
const STREAMS: u32 = 32;
/// Bytes of one head.
const HEAD: usize = 16 << 10;
/// A connection without a request, or with half a head, is closed after this.
const IDLE: Duration = Duration::from_secs(75);

pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD.max(1 << 16));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD as u32)
        .keep_alive_interval(IDLE)
        .keep_alive_timeout(IDLE);
    intake::connections(listener, CONNECTIONS, "otlp", |stream, _| {
        let (shared, builder) = (shared.clone(), builder.clone());
        async move {
            let service = service_fn(move |r| {
                let shared = shared.clone();
                async move { Ok::<_, std::convert::Infallible>(request::handle(r, &shared).await) }
            });
            // How a sender ends its connection is its own affair.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
}
