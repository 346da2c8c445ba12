//! Services of tests, and the messages that they read, over HTTP/1.1 with bodies of a stated length.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A service: each connection is served on a thread of its own, and all that it gets is written down.
pub fn service<T: Send + 'static>(
    serve: fn(TcpStream, &Mutex<Vec<T>>) -> Option<()>,
) -> (SocketAddr, Arc<Mutex<Vec<T>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let got = Arc::new(Mutex::new(Vec::new()));
    let all = got.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let all = all.clone();
            std::thread::spawn(move || serve(stream, &all));
        }
    });
    (at, got)
}

/// What a request tells its service of the session: its state, and its data.
#[cfg(any(feature = "nats", feature = "redis"))]
pub fn session(head: &str) -> String {
    let lower = head.to_lowercase();
    let of = |name: &str| {
        let line = lower.lines().find_map(|l| l.strip_prefix(name));
        line.unwrap_or("none").trim().to_owned()
    };
    format!(
        "{} {}",
        of("plimsoll-session-state:"),
        of("plimsoll-session:")
    )
}

/// Head and body of the next message; `None`: there is none.
pub fn message(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}
