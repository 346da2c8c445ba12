//! A handshake with a client: one of a bounded number at a time, and in bounded time.

use super::ClientCert;
use super::place::Terms;
use crate::acme::ALPN;
use crate::connection::Socket;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;

/// A client whose handshake is done.
pub(crate) struct Shaken {
    pub socket: Socket,
    pub certificate: Option<Arc<ClientCert>>,
    /// It has agreed to HTTP/2.
    pub http2: bool,
}

/// # Errors
/// What the handshake failed by, or `TimedOut`.
pub(crate) async fn handshake(terms: &Terms, stream: TcpStream) -> io::Result<Shaken> {
    let shake = async {
        let _turn = terms.turns.acquire().await.map_err(io::Error::other)?;
        terms.acceptor.accept(stream).await
    };
    let stream = tokio::time::timeout(terms.timeout, shake).await??;
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() == Some(ALPN) {
        return Err(io::Error::other("an authority has validated a name"));
    }
    let shown = session.peer_certificates().and_then(|c| c.first());
    let certificate = shown.map(|c| Arc::new(ClientCert::read(c)));
    Ok(Shaken {
        http2: session.alpn_protocol() == Some(b"h2"),
        certificate,
        socket: Socket::Tls(Box::new(stream.into())),
    })
}
