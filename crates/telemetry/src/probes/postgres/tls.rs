//! TLS to PostgreSQL: what `sslmode` in its URL asks for, and rustls in the place where the driver wants it.

use super::super::tls::{self, Check};
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Encrypted;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// The URL as the driver takes it, and what is looked at in a certificate. The driver knows fewer modes than
/// PostgreSQL's own clients: the two that look at certificates are `require` to it.
pub fn mode(url: &str, ca: bool) -> (String, Check) {
    let Some((at, mode)) = written(url) else {
        return match ca {
            true => (with(url, "require"), Check::Named),
            false => (url.to_owned(), Check::Nothing),
        };
    };
    let check = match mode {
        "verify-full" => Check::Named,
        "verify-ca" => Check::Signed,
        // As PostgreSQL's own clients do where they find a CA.
        "require" if ca => Check::Signed,
        _ => return (url.to_owned(), Check::Nothing),
    };
    let end = at + mode.len();
    (format!("{}require{}", &url[..at], &url[end..]), check)
}

/// Where the value of `sslmode` begins, and the value: in the query of a URL, or among `key=value` pairs.
fn written(url: &str) -> Option<(usize, &str)> {
    const KEY: &str = "sslmode=";
    let from = match url.contains("://") {
        true => url.rfind('?')?,
        false => 0,
    };
    let at = url[from..].match_indices(KEY).find_map(|(i, _)| {
        let before = url[..from + i].chars().next_back();
        before
            .is_none_or(|c| matches!(c, '?' | '&') || c.is_whitespace())
            .then_some(from + i + KEY.len())
    })?;
    let rest = &url[at..];
    let end = rest.find(|c: char| c == '&' || c.is_whitespace());
    Some((at, &rest[..end.unwrap_or(rest.len())]))
}

fn with(url: &str, mode: &str) -> String {
    let before = match (url.contains("://"), url.contains('?')) {
        (true, true) => '&',
        (true, false) => '?',
        (false, _) => ' ',
    };
    format!("{url}{before}sslmode={mode}")
}

/// Makes encrypted connections.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    pub fn new(check: Check, ca: Option<&Path>) -> Result<Tls, String> {
        tls::client(check, ca).map(Tls)
    }
}

pub struct Handshake {
    config: Arc<ClientConfig>,
    name: io::Result<ServerName<'static>>,
}

pub struct Stream<S>(Encrypted<S>);

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, name: &str) -> io::Result<Handshake> {
        Ok(Handshake {
            config: self.0.clone(),
            name: ServerName::try_from(name.to_owned()).map_err(io::Error::other),
        })
    }
}

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let connector = TlsConnector::from(self.config);
            connector.connect(self.name?, stream).await.map(Stream)
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_the_databases_own_clients() {
        for (url, ca, want, check) in [
            (
                "postgres://u:p@h/d",
                false,
                "postgres://u:p@h/d",
                Check::Nothing,
            ),
            (
                "postgres://h/d",
                true,
                "postgres://h/d?sslmode=require",
                Check::Named,
            ),
            ("host=h", true, "host=h sslmode=require", Check::Named),
            (
                "postgres://h/d?a=b",
                true,
                "postgres://h/d?a=b&sslmode=require",
                Check::Named,
            ),
            (
                "postgres://h/d?sslmode=verify-full&a=b",
                false,
                "postgres://h/d?sslmode=require&a=b",
                Check::Named,
            ),
            (
                "host=h sslmode=verify-ca user=u",
                false,
                "host=h sslmode=require user=u",
                Check::Signed,
            ),
            (
                "postgres://h?sslmode=require",
                true,
                "postgres://h?sslmode=require",
                Check::Signed,
            ),
            (
                "postgres://h?sslmode=require",
                false,
                "postgres://h?sslmode=require",
                Check::Nothing,
            ),
            (
                "postgres://h?sslmode=disable",
                true,
                "postgres://h?sslmode=disable",
                Check::Nothing,
            ),
            // A password is no setting.
            (
                "postgres://u:&sslmode=x@h",
                false,
                "postgres://u:&sslmode=x@h",
                Check::Nothing,
            ),
        ] {
            assert_eq!(mode(url, ca), (want.to_owned(), check), "{url}");
        }
    }
}
