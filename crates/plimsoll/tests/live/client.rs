//! Clients that ask without a pause on kept connections, and know exactly which request was not answered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub struct Clients {
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

/// Each asks until the server says that it closes.
pub fn start(at: SocketAddr, n: usize) -> Clients {
    let answered = Arc::new(AtomicU64::new(0));
    let threads = (0..n)
        .map(|i| {
            let answered = answered.clone();
            std::thread::spawn(move || ask(at, i, &answered))
        })
        .collect();
    Clients { answered, threads }
}

impl Clients {
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits for all; what was lost.
    pub fn end(self) -> Vec<String> {
        let ended = self.threads.into_iter().map(|t| t.join().unwrap());
        ended.filter_map(Result::err).collect()
    }
}

fn ask(at: SocketAddr, i: usize, answered: &AtomicU64) -> Result<(), String> {
    let mut stream = TcpStream::connect(at).map_err(|e| e.to_string())?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .map_err(|e| e.to_string())?;
    for n in 0.. {
        let request = format!(
            "GET /products/{} HTTP/1.1\r\nHost: shop\r\n\r\n",
            1 + (i * 31 + n) % 200
        );
        stream
            .write_all(request.as_bytes())
            .map_err(|e| format!("request {n} was not sent: {e}"))?;
        let head = answer(&mut stream).map_err(|e| format!("request {n} was not answered: {e}"))?;
        if !head.starts_with("http/1.1 200") {
            return Err(format!("request {n}: {head}"));
        }
        answered.fetch_add(1, Ordering::Relaxed);
        if head.contains("connection: close") {
            break;
        }
    }
    Ok(())
}

/// The head of one answer in small letters, after its body has come.
fn answer(stream: &mut TcpStream) -> Result<String, String> {
    let mut seen = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        let n = stream.read(&mut chunk).map_err(|e| e.to_string())?;
        if n == 0 {
            return Err(format!("the connection ended after {} bytes", seen.len()));
        }
        seen.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&seen);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        let whole = match length {
            Some(l) => body.len() >= l.trim().parse::<usize>().map_err(|e| e.to_string())?,
            None => body.ends_with("0\r\n\r\n"),
        };
        if whole {
            return Ok(head);
        }
    }
}
