//! A client of HTTP/2 by the `h2` crate.
#![allow(dead_code)]

use crate::common::PATIENCE;
use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Request, Response};
use std::future::Future;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub type Sender = SendRequest<Bytes>;
pub type Ended = JoinHandle<Result<(), h2::Error>>;

/// Fails instead of hanging.
pub async fn soon<F: Future>(what: F) -> F::Output {
    let timed = tokio::time::timeout(PATIENCE, what).await;
    timed.expect("it takes too long")
}

pub async fn connect(address: SocketAddr) -> (Sender, Ended) {
    over(TcpStream::connect(address).await.unwrap(), Builder::new()).await
}

/// Takes much on the whole, so that one answer that it does not read holds no other back.
pub async fn patient(address: SocketAddr) -> (Sender, Ended) {
    let mut builder = Builder::new();
    builder.initial_connection_window_size(1 << 24);
    over(TcpStream::connect(address).await.unwrap(), builder).await
}

pub async fn over<T>(io: T, builder: Builder) -> (Sender, Ended)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = builder.handshake(io).await.unwrap();
    (sender, tokio::spawn(connection))
}

pub fn get(path: &str) -> Request<()> {
    let uri = format!("http://shop.example{path}");
    Request::builder().uri(uri).body(()).unwrap()
}

pub struct Whole {
    pub response: Response<()>,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Whole {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }
    pub fn header(&self, name: &str) -> &str {
        let value = self.response.headers().get(name);
        value.map_or("", |v| v.to_str().unwrap())
    }
}

/// Sends a request without a body and reads all of the answer.
pub async fn ask(sender: &Sender, request: Request<()>) -> Result<Whole, h2::Error> {
    let mut sender = soon(sender.clone().ready()).await?;
    let (response, _) = sender.send_request(request, true)?;
    whole(soon(response).await?).await
}

/// The same with a body, and trailers behind it.
pub async fn send(
    sender: &Sender,
    request: Request<()>,
    body: &[u8],
    trailers: Option<HeaderMap>,
) -> Result<Whole, h2::Error> {
    let mut sender = soon(sender.clone().ready()).await?;
    let (response, mut stream) = sender.send_request(request, false)?;
    let mut left = Bytes::copy_from_slice(body);
    let upload = async move {
        while !left.is_empty() {
            stream.reserve_capacity(left.len());
            if stream.capacity() == 0 {
                std::future::poll_fn(|cx| stream.poll_capacity(cx))
                    .await
                    .unwrap()?;
            }
            let n = stream.capacity().min(left.len());
            stream.send_data(left.split_to(n), false)?;
        }
        match trailers {
            Some(trailers) => stream.send_trailers(trailers),
            None => stream.send_data(Bytes::new(), true),
        }
    };
    let download = async { whole(response.await?).await };
    soon(async { tokio::try_join!(upload, download) })
        .await
        .map(|(_, whole)| whole)
}

pub async fn whole(response: Response<RecvStream>) -> Result<Whole, h2::Error> {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = soon(stream.data()).await {
        let data = data?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len())?;
    }
    Ok(Whole {
        response: Response::from_parts(parts, ()),
        body,
        trailers: soon(stream.trailers()).await?,
    })
}
