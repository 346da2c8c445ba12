//! Clients on kept connections and in WebSockets, and what they lose.

use super::super::clients::{random, run};
use super::super::http;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CLIENTS: u64 = 16;
const PAUSE: Duration = Duration::from_millis(10);
const SOCKETS: u64 = 1000;
const ECHO: Duration = Duration::from_secs(1);
/// Echoes of one WebSocket, at least, and how many more at most.
const ECHOES: [f64; 2] = [4.0, 2.0];
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was asked and opened, and what of it was lost.
#[derive(Debug, Default)]
pub struct Lost {
    pub asked: u64,
    pub requests: u64,
    pub opened: u64,
    pub sockets: u64,
    /// The first of it.
    pub why: Option<String>,
}

impl Lost {
    fn note(&mut self, what: &str, why: &std::io::Error) {
        (self.why).get_or_insert_with(|| format!("{what}: {why}"));
    }
}

pub struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinHandle<Result<Lost, String>>,
}

impl Load {
    /// Returns when every WebSocket has had the time to open.
    pub fn start(proxy: SocketAddr) -> Result<Load, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let clients = std::thread::spawn(move || run(all(proxy, stopped)));
        std::thread::sleep(ECHO * 2);
        Ok(Load { stop, clients })
    }

    pub fn end(self) -> Lost {
        self.stop.store(true, Relaxed);
        let ended = self.clients.join();
        ended.ok().and_then(Result::ok).unwrap_or_else(|| Lost {
            requests: 1,
            why: Some("the clients ended by a fault of their own".into()),
            ..Lost::default()
        })
    }
}

async fn all(proxy: SocketAddr, stop: Arc<AtomicBool>) -> Lost {
    let lost = Rc::new(RefCell::new(Lost::default()));
    let mut tasks = Vec::new();
    for _ in 0..CLIENTS {
        let (stop, lost) = (stop.clone(), lost.clone());
        tasks.push(tokio::task::spawn_local(client(proxy, stop, lost)));
    }
    for n in 0..SOCKETS {
        let (stop, lost) = (stop.clone(), lost.clone());
        tasks.push(tokio::task::spawn_local(sockets(proxy, n, stop, lost)));
    }
    for t in tasks {
        let _ = t.await;
    }
    lost.take()
}

/// Asks again and again on one connection, and on the next one where that was closed while it was idle.
async fn client(proxy: SocketAddr, stop: Arc<AtomicBool>, lost: Rc<RefCell<Lost>>) {
    let mut kept: Option<TcpStream> = None;
    while !stop.load(Relaxed) {
        tokio::time::sleep(PAUSE).await;
        let stream = kept.take().filter(is_open);
        lost.borrow_mut().asked += 1;
        match within(ask(proxy, stream)).await {
            Ok(stream) => kept = stream,
            Err(why) => {
                let mut lost = lost.borrow_mut();
                lost.requests += 1;
                lost.note("a request", &why);
            }
        }
    }
}

/// Nothing has come, not even its end.
fn is_open(stream: &TcpStream) -> bool {
    let looked = stream.try_read(&mut [0]);
    looked.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
}

async fn within<T>(work: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

async fn connect(proxy: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The connection, where it stays open.
async fn ask(proxy: SocketAddr, kept: Option<TcpStream>) -> std::io::Result<Option<TcpStream>> {
    let mut stream = match kept {
        Some(stream) => stream,
        None => connect(proxy).await?,
    };
    stream
        .write_all(b"GET /p HTTP/1.1\r\nHost: scenario.test\r\n\r\n")
        .await?;
    let mut bytes = Vec::new();
    let head = http::head(&mut stream, &mut bytes).await?;
    let head = head.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    if head.word(1) != "200" {
        return Err(refused(&mut stream, bytes, &head).await);
    }
    http::skip(&mut stream, &mut bytes, head.length).await?;
    let closes = (head.get("connection")).is_some_and(|c| c.eq_ignore_ascii_case("close"));
    Ok((!closes).then_some(stream))
}

/// What an answer that was not hoped for says.
async fn refused(stream: &mut TcpStream, mut bytes: Vec<u8>, head: &http::Head) -> std::io::Error {
    while bytes.len() < head.length && stream.read_buf(&mut bytes).await.is_ok_and(|n| n > 0) {}
    let body = String::from_utf8_lossy(&bytes);
    std::io::Error::other(format!("status {}: {body}", head.word(1)))
}

/// One WebSocket after the other.
async fn sockets(proxy: SocketAddr, n: u64, stop: Arc<AtomicBool>, lost: Rc<RefCell<Lost>>) {
    // They open over a second, not all at once.
    tokio::time::sleep(ECHO.mul_f64(random(n))).await;
    for turn in 0.. {
        if stop.load(Relaxed) {
            return;
        }
        let echoes = ECHOES[0] + ECHOES[1] * random(n << 20 | turn);
        let until = Instant::now() + ECHO.mul_f64(echoes);
        lost.borrow_mut().opened += 1;
        if let Err(why) = socket(proxy, until, &stop).await {
            {
                let mut lost = lost.borrow_mut();
                lost.sockets += 1;
                lost.note("a WebSocket", &why);
            }
            tokio::time::sleep(ECHO).await;
        }
    }
}

async fn socket(proxy: SocketAddr, until: Instant, stop: &AtomicBool) -> std::io::Result<()> {
    let mut stream = within(open(proxy)).await?;
    while Instant::now() < until && !stop.load(Relaxed) {
        let message = b"are you there?";
        stream.write_all(message).await?;
        let mut back = [0; 14];
        within(stream.read_exact(&mut back)).await?;
        if back != *message {
            return Err(std::io::Error::other("something else came back"));
        }
        tokio::time::sleep(ECHO).await;
    }
    Ok(())
}

async fn open(proxy: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = connect(proxy).await?;
    let ask = b"GET /socket HTTP/1.1\r\nHost: scenario.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(ask).await?;
    let mut bytes = Vec::new();
    match http::head(&mut stream, &mut bytes).await? {
        Some(head) if head.word(1) == "101" => Ok(stream),
        Some(head) => Err(refused(&mut stream, bytes, &head).await),
        None => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}
