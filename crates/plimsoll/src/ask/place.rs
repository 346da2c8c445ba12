//! Where a running Plimsoll is asked, and what is shown to it there.

use super::stream::Stream;
use crate::cli::AskArgs;
use crate::exit::Failure;
use config::Document;
use config::sections::{Certificate, ServiceTls};
use std::fmt;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

const CONNECT: Duration = Duration::from_secs(2);
const WAIT: Duration = Duration::from_secs(30);

/// The address of a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Host and port.
    Plain(String),
    Tls(String),
    Unix(PathBuf),
}

impl Place {
    /// `--console`, else the config's console address, else the default.
    pub fn of(args: &AskArgs) -> Place {
        let usual = || Place::Plain(config::Config::empty().console.listen.to_string());
        let config = Some(args.config.as_path()).filter(|c| c.exists());
        let told = args.console.clone().or_else(|| written(config?));
        told.unwrap_or_else(usual)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Place::Unix(path.into()));
        }
        let (bare, make): (&str, fn(String) -> Place) = match text.strip_prefix("https://") {
            Some(bare) => (bare, Place::Tls),
            None => (text.strip_prefix("http://").unwrap_or(text), Place::Plain),
        };
        let bare = bare.trim_end_matches('/');
        match bare.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(make(bare.to_owned()))
            }
            _ => Err(format!(
                "`{text}` is no console's address; write it like `127.0.0.1:9400`, `https://plimsoll.internal:9400` or `unix:/run/plimsoll/console.sock`"
            )),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Plain(at) => f.write_str(at),
            Place::Tls(at) => write!(f, "https://{at}"),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A console, and who asks.
pub struct Console {
    pub place: Place,
    pub token: Option<String>,
    tls: Option<ServiceTls>,
}

impl Console {
    /// # Errors
    /// The token's file cannot be read.
    pub fn of(args: &AskArgs) -> Result<Console, Failure> {
        let token = match (&args.token_file, std::env::var("PLIMSOLL_TOKEN")) {
            (Some(file), _) => Some(read(file)?),
            (None, told) => told.ok(),
        };
        let own = args.cert.clone().zip(args.key.clone());
        Ok(Console {
            place: Place::of(args),
            token: token.map(|t| t.trim().to_owned()),
            tls: args.ca.clone().map(|ca| ServiceTls {
                ca,
                name: None,
                certificate: own.map(|(cert, key)| Certificate { cert, key }),
            }),
        })
    }

    /// As it stands in `Host`.
    pub fn host(&self) -> &str {
        match &self.place {
            Place::Plain(at) | Place::Tls(at) => at,
            Place::Unix(_) => "localhost",
        }
    }

    pub fn connect(&self) -> Result<Stream, Failure> {
        let none = |e: std::io::Error| {
            Failure::new(format!("no Plimsoll answers at {}: {e}", self.place))
                .help("start one with `plimsoll run`, or name its console with --console")
        };
        match &self.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).map_err(none)?;
                stream.set_read_timeout(Some(WAIT))?;
                Ok(Stream::Unix(stream))
            }
            Place::Plain(at) => Ok(Stream::Tcp(tcp(at).map_err(none)?)),
            Place::Tls(at) => self.encrypted(at, tcp(at).map_err(none)?),
        }
    }

    fn encrypted(&self, at: &str, stream: TcpStream) -> Result<Stream, Failure> {
        let Some(tls) = &self.tls else {
            return Err(
                Failure::new(format!("who has signed the certificate of {}?", self.place))
                    .help("name the authority's file (PEM) with --ca"),
            );
        };
        let wrong = |f: base::Finding| Failure::new(f.what).help(f.help);
        let config = gateway::tls::client(tls).map_err(wrong)?;
        let host = at.rsplit_once(':').map_or(at, |(host, _)| host);
        let name = gateway::tls::name_of(host.trim_matches(['[', ']'])).map_err(wrong)?;
        let session = ClientConnection::new(Arc::new(config), name);
        let session = session.map_err(|e| Failure::new(e.to_string()))?;
        Ok(Stream::Tls(Box::new(StreamOwned::new(session, stream))))
    }
}

fn tcp(at: &str) -> std::io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = at.to_socket_addrs()?.collect();
    let first = addresses.first().ok_or(std::io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(first, CONNECT)?;
    stream.set_read_timeout(Some(WAIT))?;
    Ok(stream)
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|e| Failure::new(format!("the token file {}: {e}", file.display())))
}

/// The file's own `console`: also when the rest of it is broken, which is when people ask what is wrong.
fn written(config: &Path) -> Option<Place> {
    let (document, _) = Document::load(config);
    let console = document.root.get("console")?;
    let place: Place = match console.text() {
        Some(text) => text.parse().ok()?,
        None => console.get("listen")?.text()?.parse().ok()?,
    };
    Some(match (place, console.get("tls")) {
        (Place::Plain(at), Some(_)) => Place::Tls(at),
        (place, _) => place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_a_name_or_a_socket() {
        for (text, place) in [
            ("127.0.0.1:9400", Place::Plain("127.0.0.1:9400".into())),
            (
                "http://plimsoll.internal:80/",
                Place::Plain("plimsoll.internal:80".into()),
            ),
            ("https://[::1]:9400", Place::Tls("[::1]:9400".into())),
            ("unix:/run/c.sock", Place::Unix("/run/c.sock".into())),
        ] {
            assert_eq!(text.parse(), Ok(place), "{text}");
        }
        for bad in ["", "9400", ":9400", "127.0.0.1", "https://a"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_file_says_where_it_is_also_when_it_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.yaml");
        for (text, place) in [
            ("console: 127.0.0.1:1\nroutes: 3\n", "127.0.0.1:1"),
            ("console: { listen: 'unix:/c.sock' }\n", "unix:/c.sock"),
            (
                "console: { listen: 127.0.0.1:2, tls: { cert: a, key: b } }\n",
                "https://127.0.0.1:2",
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(written(&file).unwrap().to_string(), place);
        }
    }
}
