//! A plain blocking HTTP/1.1 server: one thread per connection, as many small services still are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MAX_HEAD: usize = 16 * 1024;
pub const MAX_BODY: usize = 512 << 10;
const MAX_CONNECTIONS: usize = 1024;

/// One request, read whole.
pub struct Request {
    pub method: String,
    /// Path without the query.
    pub path: String,
    pub query: String,
    pub traceparent: Option<String>,
}

impl Request {
    /// The value of a query parameter, not decoded.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|p| {
            p.split_once('=')
                .filter(|(k, _)| *k == name)
                .map(|(_, v)| v)
        })
    }
}

/// One answer.
pub struct Response {
    pub status: u16,
    pub body: String,
    pub server_timing: Option<String>,
}

impl Response {
    pub fn new(status: u16, body: impl Into<String>) -> Response {
        Response {
            status,
            body: body.into(),
            server_timing: None,
        }
    }
}

/// Serves until the process ends.
pub fn serve(
    listen: SocketAddr,
    handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    let handler = Arc::new(handler);
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if open.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (handler, open_here) = (handler.clone(), open.clone());
        let spawned = std::thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(move || {
                // An error here is the client's going away: the connection is simply over.
                let _ = connection(stream, &*handler);
                open_here.fetch_sub(1, Ordering::Relaxed);
            });
        if spawned.is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn connection(
    mut stream: TcpStream,
    handler: &dyn Fn(&Request) -> Response,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let mut buf: Vec<u8> = Vec::with_capacity(2048);
    let mut out = Vec::with_capacity(2048);
    loop {
        let (head, request, length, keep): Parsed = loop {
            if let Some(parsed) = parse(&buf)? {
                break parsed;
            }
            if buf.len() > MAX_HEAD || !fill(&mut stream, &mut buf)? {
                return Ok(());
            }
        };
        if length > MAX_BODY {
            return stream.write_all(
                b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
        while buf.len() < head + length {
            if !fill(&mut stream, &mut buf)? {
                return Ok(());
            }
        }
        buf.drain(..head + length);
        let response = handler(&request);
        out.clear();
        write!(
            out,
            "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            response.status,
            if response.status < 400 { "OK" } else { "Error" },
            response.body.len()
        )?;
        if let Some(t) = &response.server_timing {
            write!(out, "Server-Timing: {t}\r\n")?;
        }
        out.extend_from_slice(b"\r\n");
        if request.method != "HEAD" {
            out.extend_from_slice(response.body.as_bytes());
        }
        stream.write_all(&out)?;
        if !keep {
            return Ok(());
        }
    }
}

fn fill(stream: &mut TcpStream, buf: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut chunk = [0u8; 4096];
    let n = stream.read(&mut chunk)?;
    buf.extend_from_slice(&chunk[..n]);
    Ok(n > 0)
}

/// Length of the head, the request, length of its body, keep-alive.
type Parsed = (usize, Request, usize, bool);

fn parse(buf: &[u8]) -> std::io::Result<Option<Parsed>> {
    let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut r = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = r.parse(buf).map_err(|e| bad(&e.to_string()))? else {
        return Ok(None);
    };
    let target = r.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let get = |name: &str| {
        r.headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name))
            .and_then(|h| std::str::from_utf8(h.value).ok())
    };
    if get("transfer-encoding").is_some() {
        return Err(bad("this server takes no chunked bodies"));
    }
    let length: usize = get("content-length")
        .map_or(Ok(0), str::parse)
        .map_err(|_| bad("content-length"))?;
    let keep = !get("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
    let request = Request {
        method: r.method.unwrap_or("").to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        traceparent: get("traceparent").map(str::to_owned),
    };
    Ok(Some((head, request, length, keep)))
}
