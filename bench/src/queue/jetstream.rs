//! JetStream as a peer: connections that speak its protocol, each of which publishes and waits for its own acknowledgement.

use super::producers::PAYLOAD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Where acknowledgements come to: each connection sees only its own.
const INBOX: &str = "_INBOX.plimsoll";
const STREAM: &str =
    r#"{"name":"jobs","subjects":["jobs"],"storage":"file","retention":"limits","num_replicas":1}"#;
/// What one answer may be, bytes.
const ANSWER: usize = 64 << 10;

pub struct Producer {
    stream: BufReader<TcpStream>,
    inbox: String,
    publish: Vec<u8>,
}

/// A server with `sync_interval: always`, or why there is none.
pub fn server() -> Result<peers::Nats, String> {
    crate::pypi::want_nats();
    peers::Nats::start(peers::NatsOptions {
        jetstream: "sync_interval: always",
        ..peers::NatsOptions::default()
    })
}

pub async fn producers(server: &peers::Nats, producers: usize) -> Result<Vec<Producer>, String> {
    let mut all = Vec::new();
    for i in 0..producers {
        all.push(Producer::connect(server, i).await?);
    }
    if let Some(first) = all.first_mut() {
        // It is there already: its config is the same.
        first.ask("$JS.API.STREAM.CREATE.jobs", STREAM).await?;
    }
    Ok(all)
}

impl Producer {
    async fn connect(server: &peers::Nats, number: usize) -> Result<Producer, String> {
        let stream = TcpStream::connect(server.address()).await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        let inbox = format!("{INBOX}.{number}");
        let mut producer = Producer {
            stream: BufReader::new(stream),
            publish: message("jobs", &inbox, &"x".repeat(PAYLOAD)),
            inbox,
        };
        let hello = format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true}}\r\nSUB {} 1\r\n",
            producer.inbox
        );
        producer.send(hello.as_bytes()).await?;
        Ok(producer)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.get_mut().write_all(bytes).await.map_err(text)
    }

    async fn ask(&mut self, subject: &str, body: &str) -> Result<String, String> {
        let ask = message(subject, &self.inbox, body);
        self.send(&ask).await?;
        self.answer().await
    }

    /// Stores one message, and waits until that is acknowledged.
    pub async fn put(&mut self) -> Result<(), String> {
        let stream = self.stream.get_mut();
        stream.write_all(&self.publish).await.map_err(text)?;
        let answer = self.answer().await?;
        match answer.contains("\"seq\":") {
            true => Ok(()),
            false => Err(format!("JetStream: {answer}")),
        }
    }

    async fn answer(&mut self) -> Result<String, String> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.map_err(text)? == 0 {
                return Err("nats-server closed the connection".into());
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let size = match words.as_slice() {
                ["PING", ..] => {
                    self.send(b"PONG\r\n").await?;
                    continue;
                }
                ["INFO" | "PONG" | "+OK", ..] => continue,
                ["MSG" | "HMSG", .., size] => size.parse().ok().filter(|n| *n <= ANSWER),
                _ => None,
            };
            let size = size.ok_or_else(|| format!("nats-server: {}", line.trim()))?;
            let mut body = vec![0; size + 2];
            self.stream.read_exact(&mut body).await.map_err(text)?;
            body.truncate(size);
            return Ok(String::from_utf8_lossy(&body).into_owned());
        }
    }
}

fn message(subject: &str, inbox: &str, body: &str) -> Vec<u8> {
    format!("PUB {subject} {inbox} {}\r\n{body}\r\n", body.len()).into_bytes()
}

fn text(e: std::io::Error) -> String {
    e.to_string()
}
