//! How the instances of a service are spoken to, when it is not plain HTTP/1: TLS, HTTP/2, or both.

use crate::tls::{client, name_of};
use base::Finding;
use config::sections::{ServiceTls, Speaks};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

#[derive(Debug)]
pub struct Link {
    secure: Option<Secure>,
    speaks: Speaks,
    broken: Option<String>,
}

#[derive(Debug)]
struct Secure {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

/// A connection that is ready for requests.
pub enum Reached<S> {
    Plain(S),
    Secure(Box<TlsStream<S>>),
}

impl Link {
    /// `None` for plain HTTP/1.
    ///
    /// # Errors
    /// What is wrong with a file or a name.
    pub fn make(service: &config::Service) -> Result<Option<Link>, Finding> {
        let secure = match &service.tls {
            None if service.protocol != Speaks::Http2 => return Ok(None),
            None => None,
            Some(tls) => Some(Secure {
                config: Arc::new(client(tls)?),
                name: name(service, tls).map(name_of).transpose()?,
            }),
        };
        Ok(Some(Link {
            secure,
            speaks: service.protocol,
            broken: None,
        }))
    }

    /// One that no connection can be made by, and why.
    pub fn broken(why: String) -> Link {
        Link {
            secure: None,
            speaks: Speaks::Auto,
            broken: Some(why),
        }
    }

    /// Without being asked, as on a Unix socket.
    pub fn speaks_http2(&self) -> bool {
        self.speaks == Speaks::Http2
    }

    /// The connection, and whether HTTP/2 is spoken on it. `many`: HTTP/2 is offered where there is a choice.
    ///
    /// # Errors
    /// What the handshake failed by.
    pub async fn reach<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        to: IpAddr,
        many: bool,
    ) -> io::Result<(Reached<S>, bool)> {
        if let Some(why) = &self.broken {
            return Err(io::Error::other(why.clone()));
        }
        let Some(secure) = &self.secure else {
            return Ok((Reached::Plain(stream), self.speaks == Speaks::Http2));
        };
        let offered: &[&[u8]] = match self.speaks {
            Speaks::Auto if many => &[b"h2", b"http/1.1"],
            Speaks::Auto | Speaks::Http1 => &[b"http/1.1"],
            Speaks::Http2 => &[b"h2"],
        };
        let offered = offered.iter().map(|p| p.to_vec()).collect();
        let name = secure.name.clone();
        let name = name.unwrap_or(ServerName::IpAddress(to.into()));
        let connector = TlsConnector::from(secure.config.clone());
        let stream = connector.with_alpn(offered).connect(name, stream).await?;
        let http2 = match stream.get_ref().1.alpn_protocol() {
            None => self.speaks == Speaks::Http2,
            chosen => chosen == Some(b"h2"),
        };
        Ok((Reached::Secure(Box::new(stream)), http2))
    }
}

/// What certificates must be for, when it is not the address: the name that was given, else the one that was looked up.
fn name<'a>(service: &'a config::Service, tls: &'a ServiceTls) -> Option<&'a str> {
    let looked_up = service.names.first().map(|n| n.host.as_str());
    tls.name.as_deref().or(looked_up)
}

/// Whether connections of one are connections of the other.
pub fn same(a: Option<&Arc<Link>>, b: Option<&Arc<Link>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}
