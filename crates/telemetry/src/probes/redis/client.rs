//! One Redis over one connection, connected to again after an error.

use super::info::Info;
use super::resp::{Reply, ask};
use config::Secret;
use std::io::{self, BufReader};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

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

/// `redis://USER:PASSWORD@HOST:PORT/DB`, taken apart.
#[derive(Debug, Default, PartialEq)]
struct Url {
    user: String,
    password: String,
    host: String,
    port: u16,
}

/// Not with the URL: it holds a password.
const BAD_URL: &str = "its URL cannot be read: write redis://USER:PASSWORD@HOST:PORT";

/// Reads the store each time it is called.
pub fn reader(secret: &Secret) -> impl FnMut() -> Result<Store, String> + Send + 'static {
    let secret = secret.clone();
    let mut open: Option<BufReader<TcpStream>> = None;
    move || {
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => connect(&secret)?,
        };
        let store = read(&mut stream)?;
        open = Some(stream);
        Ok(store)
    }
}

fn parse(url: &str) -> Result<Url, String> {
    if url.starts_with("rediss:") {
        return Err("`rediss` is not spoken: read it over a plain port on a private way".into());
    }
    let rest = url.trim().strip_prefix("redis://").ok_or(BAD_URL)?;
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
            user: user.into(),
            password: password.into(),
            host: host.into(),
            port,
        }),
    }
}

fn connect(secret: &Secret) -> Result<BufReader<TcpStream>, String> {
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
    let mut stream = BufReader::new(stream);
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

fn read(stream: &mut BufReader<TcpStream>) -> Result<Store, String> {
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
        for bad in [
            "",
            "redis://",
            "redis://u:secret@h:port",
            "h:1",
            "rediss://secret@h",
        ] {
            assert!(!parse(bad).unwrap_err().contains("secret"), "{bad}");
        }
    }
}
