//! A handshake with a client: one of a bounded number at a time, and in bounded time.

use super::ClientCert;
use super::names::Shown;
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
    /// What it was shown, if that is for the name that it asked for.
    pub shown: Option<Arc<Shown>>,
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
    let theirs = session.peer_certificates().and_then(|c| c.first());
    let certificate = theirs.map(|c| Arc::new(ClientCert::read(c)));
    let asked = session.server_name();
    let shown = asked.and_then(|name| terms.names.as_ref()?.find(Some(name)));
    Ok(Shaken {
        shown: shown.filter(|s| asked.is_some_and(|name| s.covers(name.as_bytes()))),
        http2: session.alpn_protocol() == Some(b"h2"),
        certificate,
        socket: Socket::Tls(Box::new(stream.into())),
    })
}
