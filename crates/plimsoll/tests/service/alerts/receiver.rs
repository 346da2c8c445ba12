//! A receiver that keeps what notifiers send.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Takes what notifiers send, and answers with one status.
#[derive(Clone)]
pub struct Receiver {
    pub at: SocketAddr,
    pub status: Arc<AtomicU16>,
    /// Path and body.
    pub seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    pub fn start(status: u16) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Receiver {
            at: listener.local_addr().unwrap(),
            status: Arc::new(AtomicU16::new(status)),
            seen: Arc::default(),
        };
        let all = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let one = all.clone();
                std::thread::spawn(move || one.take(stream));
            }
        });
        receiver
    }

    fn take(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        stream.read_line(&mut first).ok()?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let path = first.split(' ').nth(1)?.to_owned();
        let body = serde_json::from_slice(&body).ok()?;
        self.seen.lock().unwrap().push((path, body));
        let status = self.status.load(SeqCst);
        let answer =
            format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes()).ok()
    }

    /// The last body that came to a path.
    pub fn last(&self, path: &str) -> Option<Value> {
        let seen = self.seen.lock().unwrap();
        seen.iter().rev().find(|s| s.0 == path).map(|s| s.1.clone())
    }
}
