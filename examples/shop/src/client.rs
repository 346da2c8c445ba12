//! A plain blocking HTTP/1.1 client with a few kept connections, for calls between the shop's processes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

const KEEP: usize = 64;

pub struct Client {
    via: SocketAddr,
    idle: Mutex<Vec<TcpStream>>,
}

impl Client {
    pub fn new(via: SocketAddr) -> Client {
        Client {
            via,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Status and body of one call to `host`; the proxy chooses the instance by host.
    pub fn call(
        &self,
        method: &str,
        host: &str,
        target: &str,
        traceparent: Option<&str>,
    ) -> std::io::Result<(u16, String)> {
        self.send(method, host, target, traceparent, &[])
    }

    /// The same with a body.
    pub fn send(
        &self,
        method: &str,
        host: &str,
        target: &str,
        traceparent: Option<&str>,
        body: &[u8],
    ) -> std::io::Result<(u16, String)> {
        let trace = traceparent
            .map(|t| format!("traceparent: {t}\r\n"))
            .unwrap_or_default();
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{trace}\r\n"
        );
        let request = [head.as_bytes(), body].concat();
        let kept = self.idle.lock().unwrap_or_else(|e| e.into_inner()).pop();
        if let Some(stream) = kept
            && let Ok(answer) = self.exchange(stream, &request)
        {
            return Ok(answer);
        }
        let stream = TcpStream::connect_timeout(&self.via, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        self.exchange(stream, &request)
    }

    fn exchange(&self, mut stream: TcpStream, request: &[u8]) -> std::io::Result<(u16, String)> {
        let bad =
            |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
        stream.write_all(request)?;
        let mut buf = Vec::with_capacity(1024);
        let mut chunk = [0u8; 4096];
        let (start, length, status, close): (usize, usize, u16, bool) = loop {
            let n = stream.read(&mut chunk)?;
            if n == 0 {
                return Err(bad("the connection closed before the answer"));
            }
            buf.extend_from_slice(&chunk[..n]);
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut r = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(at) =
                r.parse(&buf).map_err(|e| bad(&e.to_string()))?
            {
                let get = |name: &str| {
                    r.headers
                        .iter()
                        .find(|h| h.name.eq_ignore_ascii_case(name))
                        .and_then(|h| std::str::from_utf8(h.value).ok())
                };
                let length = get("content-length")
                    .and_then(|v| v.parse().ok())
                    .ok_or_else(|| bad("no content-length"))?;
                let close = get("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
                break (at, length, r.code.unwrap_or(0), close);
            }
        };
        while buf.len() < start + length {
            let n = stream.read(&mut chunk)?;
            if n == 0 {
                return Err(bad("the answer ended early"));
            }
            buf.extend_from_slice(&chunk[..n]);
        }
        if !close {
            let mut idle = self.idle.lock().unwrap_or_else(|e| e.into_inner());
            if idle.len() < KEEP {
                idle.push(stream);
            }
        }
        Ok((
            status,
            String::from_utf8_lossy(&buf[start..start + length]).into_owned(),
        ))
    }
}
