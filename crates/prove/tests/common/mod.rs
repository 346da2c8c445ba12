//! Small servers inside the test process, each with a thread of its own.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// What the server does with a request.
#[derive(Clone)]
pub enum Manner {
    Answer,
    /// The whole server stops for this long at request number `.0`.
    StallAt(u64, Duration),
    /// One at a time, each this long.
    Serial(Duration),
    /// Closes every connection after the answer, without saying so.
    CloseAfter,
    Reset,
    Garbage,
    Silent,
}

pub struct Server {
    pub address: SocketAddr,
    pub served: Arc<AtomicU64>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn serve(manner: Manner) -> Server {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(AtomicU64::new(0));
    let count = served.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let turn = Arc::new(Mutex::new(()));
            let accept = async {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(connection(
                        stream,
                        manner.clone(),
                        count.clone(),
                        turn.clone(),
                    ));
                }
            };
            tokio::select! { _ = accept => {}, _ = stopped => {} }
        });
    });
    Server {
        address,
        served,
        stop: Some(stop),
        thread: Some(thread),
    }
}

async fn connection(
    mut stream: TcpStream,
    manner: Manner,
    served: Arc<AtomicU64>,
    turn: Arc<Mutex<()>>,
) {
    let _ = stream.set_nodelay(true);
    let mut buf = [0u8; 4096];
    let mut have = 0;
    loop {
        match stream.read(&mut buf[have..]).await {
            Ok(0) | Err(_) => return,
            Ok(n) => have += n,
        }
        if !buf[..have].ends_with(b"\r\n\r\n") {
            continue;
        }
        let missing = buf.starts_with(b"GET /missing");
        have = 0;
        let number = served.fetch_add(1, Ordering::Relaxed);
        match &manner {
            Manner::StallAt(at, time) if number == *at => std::thread::sleep(*time),
            Manner::Serial(time) => {
                let _turn = turn.lock().await;
                tokio::time::sleep(*time).await;
            }
            Manner::Reset => return,
            Manner::Silent => continue,
            Manner::Garbage => {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n")
                    .await;
                continue;
            }
            _ => {}
        }
        let answer: &[u8] = if missing {
            b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        };
        if stream.write_all(answer).await.is_err() || matches!(manner, Manner::CloseAfter) {
            return;
        }
    }
}
