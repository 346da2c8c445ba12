//! One Redis over one connection, connected to again after an error.

use super::super::tls::{self, Check};
use super::info::Info;
use super::resp::{Reply, ask};
use config::Secret;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

/// A store that takes longer than this is left, and connected to again.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What one reading gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    pub info: Info,
    /// The newest slow commands: number, seconds, name.
    pub slow: Vec<(i64, f64, String)>,
    pub no_slow: Option<String>,
}

/// `redis://USER:PASSWORD@HOST:PORT/DB`, taken apart; `rediss` is encrypted.
#[derive(Debug, Default, PartialEq)]
struct Url {
    encrypted: bool,
    user: String,
    password: String,
    host: String,
    port: u16,
}

/// Not with the URL: it holds a password.
const BAD_URL: &str =
    "its URL cannot be read: write redis://USER:PASSWORD@HOST:PORT, or rediss:// for TLS";

/// Reads the store each time it is called.
pub fn reader(
    secret: &Secret,
    ca: Option<&Path>,
) -> impl FnMut() -> Result<Store, String> + Send + 'static {
    let (secret, ca) = (secret.clone(), ca.map(Path::to_owned));
    let mut open: Option<Open> = None;
    move || {
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => connect(&secret, ca.as_deref())?,
        };
        let store = read(&mut stream)?;
        open = Some(stream);
        Ok(store)
    }
}

fn parse(url: &str) -> Result<Url, String> {
    let (scheme, rest) = url.trim().split_once("://").ok_or(BAD_URL)?;
    let encrypted = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => return Err(BAD_URL.into()),
    };
    let rest = rest.split(['/', '?']).next().unwrap_or_default();
    let (who, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (user, password) = who.split_once(':').unwrap_or(("", who));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| BAD_URL)?),
        None => (place, 6379),
    };
    match host.trim_matches(['[', ']']) {
        "" => Err(BAD_URL.into()),
        host => Ok(Url {
            encrypted,
            user: user.into(),
            password: password.into(),
            host: host.into(),
            port,
        }),
    }
}

/// Plain or encrypted.
trait Wire: Read + Write + Send {}
impl<S: Read + Write + Send> Wire for S {}

type Open = BufReader<Box<dyn Wire>>;

fn connect(secret: &Secret, ca: Option<&Path>) -> Result<Open, String> {
    let url = parse(&secret.fetch().map_err(|f| f.to_string())?)?;
    let open = || -> io::Result<TcpStream> {
        let mut last = io::Error::other("the name has no address");
        for address in (url.host.as_str(), url.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TIMEOUT))?;
                    stream.set_write_timeout(Some(TIMEOUT))?;
                    return Ok(stream);
                }
                Err(e) => last = e,
            }
        }
        Err(last)
    };
    let stream =
        open().map_err(|e| format!("no connection: {e}; is it running, and the URL right?"))?;
    let wire: Box<dyn Wire> = match url.encrypted {
        true => Box::new(encrypted(&url.host, ca, stream)?),
        false => Box::new(stream),
    };
    let mut stream = BufReader::new(wire);
    if !url.password.is_empty() {
        let with_user = ["AUTH", &url.user, &url.password];
        let without = ["AUTH", &url.password];
        let words: &[&str] = if url.user.is_empty() {
            &without
        } else {
            &with_user
        };
        text_of(ask(&mut stream, words))?;
    }
    Ok(stream)
}

fn encrypted(
    host: &str,
    ca: Option<&Path>,
    mut stream: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
    let no_tls = |why: String| format!("no TLS: {why}; {}", tls::advice(&why));
    let config = tls::client(Check::Named, ca)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| BAD_URL)?;
    let mut shake = ClientConnection::new(config, name).map_err(|e| no_tls(e.to_string()))?;
    while shake.is_handshaking() {
        shake
            .complete_io(&mut stream)
            .map_err(|e| no_tls(e.to_string()))?;
    }
    Ok(StreamOwned::new(shake, stream))
}

fn read(stream: &mut Open) -> Result<Store, String> {
    let info = text_of(ask(stream, &["INFO", "everything"]))?;
    let (slow, no_slow) = match ask(stream, &["SLOWLOG", "GET", "16"]).map_err(|e| fault(&e))? {
        Reply::List(all) => (all.iter().filter_map(entry).collect(), None),
        Reply::Refused(why) => (Vec::new(), Some(refused(&why))),
        _ => (Vec::new(), None),
    };
    Ok(Store {
        info: Info::parse(&info),
        slow,
        no_slow,
    })
}

/// Its number, how long it took, and its first word: the others are somebody's data.
fn entry(entry: &Reply) -> Option<(i64, f64, String)> {
    let Reply::List(fields) = entry else {
        return None;
    };
    match fields.get(..4)? {
        [Reply::Number(id), _, Reply::Number(us), Reply::List(words)] => match words.first()? {
            Reply::Text(name) => Some((*id, *us as f64 / 1e6, name.to_ascii_uppercase())),
            _ => None,
        },
        _ => None,
    }
}

fn text_of(reply: io::Result<Reply>) -> Result<String, String> {
    match reply {
        Ok(Reply::Text(text)) => Ok(text),
        Ok(Reply::Refused(why)) => Err(refused(&why)),
        Ok(_) => Err("it answers something else than Redis does".into()),
        Err(e) => Err(fault(&e)),
    }
}

fn fault(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!(
            "no answer within {} s: a long command holds its thread, or it is stalled or unreachable",
            TIMEOUT.as_secs()
        ),
        _ => format!("the connection broke: {e}"),
    }
}

fn refused(why: &str) -> String {
    let advice = match why.split(' ').next().unwrap_or_default() {
        "NOAUTH" | "WRONGPASS" => "correct the URL in the variable or file that `redis` names",
        "NOPERM" => "allow its user +info and +slowlog|get (ACL SETUSER)",
        "LOADING" => "it reads its data after a start",
        _ => return format!("the store says: {why}"),
    };
    format!("the store says: {why}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_never_shown() {
        let url = parse("redis://u:p@ss@[::1]:7000/3?x").unwrap();
        assert_eq!((url.user.as_str(), url.password.as_str()), ("u", "p@ss"));
        assert_eq!((url.host.as_str(), url.port), ("::1", 7000));
        assert_eq!(parse("redis://h").unwrap().port, 6379);
        assert!(parse("rediss://h").unwrap().encrypted);
        for bad in [
            "",
            "redis://",
            "redis://u:secret@h:port",
            "h:1",
            "http://secret@h",
        ] {
            assert!(!parse(bad).unwrap_err().contains("secret"), "{bad}");
        }
    }
}
