//! A service that answers every request with `ok`, and gives back what comes over a WebSocket's connection.

use super::super::http;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// To the one key that the clients have, the example of RFC 6455, 1.3.
const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Lives as long as this process.
pub fn start() -> std::io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream));
                }
            }
        });
    });
    Ok(address)
}

/// Until the peer leaves, in whatever way.
async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    while let Some(head) = http::head(&mut stream, &mut bytes).await? {
        http::skip(&mut stream, &mut bytes, head.length).await?;
        if head.get("upgrade").is_none() {
            stream.write_all(ANSWER).await?;
            continue;
        }
        stream.write_all(SWITCH).await?;
        let mut piece = [0; 256];
        loop {
            match stream.read(&mut piece).await? {
                0 => return Ok(()),
                n => stream.write_all(&piece[..n]).await?,
            }
        }
    }
    Ok(())
}
