//! One question to one instance beside the path: for health checks and for copies of requests. The connection is made for
//! it and closed after it.

use super::Service;
use super::connect::{Wire, reach};
use super::link::Link;
use crate::proxy_protocol::Told;
use bytes::Bytes;
use config::Address;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http1::client::render_request;
use http1::{Body, Limits, Lines, Method, Piece, Status};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Without `Host`, lengths, and what belongs to one connection.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Bytes>,
}

#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// Those of the head, then the trailers; names as they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// There is no more of the body than this.
    pub whole: bool,
}

impl Answer {
    /// The last one of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().rev();
        let found = all.find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        self.headers.push((text(name), text(value)));
    }

    /// Whether more of the body is wanted.
    fn take(&mut self, data: &[u8], most: usize) -> bool {
        let room = most.saturating_sub(self.body.len()).min(data.len());
        self.body.extend_from_slice(&data[..room]);
        room == data.len()
    }
}

/// How an instance is reached.
#[derive(Clone, Debug)]
pub struct Way {
    address: Address,
    link: Option<Arc<Link>>,
    /// Said before anything else, to one that wants to know who is there.
    told: Option<Told>,
}

impl Way {
    pub fn to(service: &Service, address: Address) -> Way {
        Way {
            address,
            link: service.link.clone(),
            told: service.config.proxy_protocol.then_some(Told::Own),
        }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What a question names that has no client.
    pub fn host(&self) -> String {
        match &self.address {
            Address::Ip(at) => at.to_string(),
            Address::Unix(_) => "localhost".into(),
        }
    }

    /// A connection, and whether HTTP/2 is spoken on it. `many`: where there is a choice it is.
    ///
    /// # Errors
    /// What the system or the handshake says.
    pub async fn open(&self, many: bool) -> io::Result<(Wire, bool)> {
        reach(self.link.as_deref(), &self.address, self.told, many).await
    }

    /// Reads at most `most` bytes of the answer's body. Takes as long as it takes: bound it.
    ///
    /// # Errors
    /// What the connection or the answer failed by.
    pub async fn ask(&self, question: &Question, most: usize, many: bool) -> io::Result<Answer> {
        match self.open(many).await? {
            (Wire::Tcp(stream), http2) => exchange(stream, http2, question, most).await,
            (Wire::Tls(stream), http2) => exchange(stream, http2, question, most).await,
            (Wire::Unix(stream), http2) => exchange(stream, http2, question, most).await,
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    is_http2: bool,
    question: &Question,
    most: usize,
) -> io::Result<Answer> {
    match is_http2 {
        true => http2(stream, question, most).await,
        false => http1(stream, question, most).await,
    }
}

/// The largest head of an answer that is read.
const HEAD: usize = 64 * 1024;

async fn http1(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    question: &Question,
    most: usize,
) -> io::Result<Answer> {
    let (mut bytes, q) = (Vec::new(), question);
    let mut headers = q.headers.clone();
    headers.push(("Connection".into(), "close".into()));
    let body = q.body.as_deref();
    render_request(&mut bytes, &q.method, &q.target, &q.host, &headers, body)
        .map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    bytes.clear();
    let limits = Limits::default().unbounded_body();
    let method = Method::from_bytes(q.method.as_bytes());
    let mut lines = Lines::default();
    let (mut told, mut body) = loop {
        if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > HEAD {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(begun) = begin(&mut bytes, &limits, method, &mut lines)? {
            break begun;
        }
    };
    loop {
        while !body.is_done() {
            let (n, piece) = body.decode(&bytes).map_err(io::Error::other)?;
            let (more, stuck) = match piece {
                Piece::Data(range) => (told.take(&bytes[range], most), false),
                Piece::More => (true, true),
                Piece::End => (true, false),
            };
            bytes.drain(..n);
            if !more {
                return Ok(told);
            }
            if stuck {
                break;
            }
        }
        if body.is_done() {
            told.whole = true;
            return Ok(told);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            body.end_of_input().map_err(io::Error::other)?;
        }
    }
}

/// The head, once it is whole; interim ones are passed over.
fn begin(
    bytes: &mut Vec<u8>,
    limits: &Limits,
    method: Method,
    lines: &mut Lines,
) -> io::Result<Option<(Answer, Body)>> {
    loop {
        let read = http1::parse_response(bytes, limits, method, lines);
        let Status::Complete(head) = read.map_err(io::Error::other)? else {
            return Ok(None);
        };
        let meta = head.meta;
        let mut told = Answer {
            status: meta.status,
            ..Answer::default()
        };
        head.fields.iter().for_each(|(n, v, _)| told.add(n, v));
        bytes.drain(..meta.len);
        if !meta.is_interim() {
            return Ok(Some((told, Body::new(meta.framing, limits))));
        }
    }
}

async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    question: &Question,
    most: usize,
) -> io::Result<Answer> {
    let handshake = h2::client::handshake(stream);
    let (sender, connection) = handshake.await.map_err(io::Error::other)?;
    let mut connection = pin!(connection);
    let mut talk = pin!(talk(sender, question, most));
    let mut ended = false;
    poll_fn(|cx| {
        // What it has read is there still when it has ended.
        ended = ended || connection.as_mut().poll(cx).is_ready();
        match talk.as_mut().poll(cx) {
            Poll::Pending if ended => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            told => told,
        }
    })
    .await
}

async fn talk(
    sender: h2::client::SendRequest<Bytes>,
    question: &Question,
    most: usize,
) -> io::Result<Answer> {
    let request = request(question).ok_or(io::ErrorKind::InvalidInput)?;
    let mut sender = sender.ready().await.map_err(io::Error::other)?;
    let alone = question.body.is_none();
    let sent = sender.send_request(request, alone);
    let (response, mut body) = sent.map_err(io::Error::other)?;
    if let Some(bytes) = &question.body {
        // Far less than a window.
        (body.send_data(bytes.clone(), true)).map_err(io::Error::other)?;
    }
    let (head, mut body) = response.await.map_err(io::Error::other)?.into_parts();
    let mut told = Answer {
        status: head.status.as_u16(),
        ..Answer::default()
    };
    let add = |told: &mut Answer, all: &HeaderMap| {
        all.iter()
            .for_each(|(n, v)| told.add(n.as_str().as_bytes(), v.as_bytes()));
    };
    add(&mut told, &head.headers);
    while let Some(data) = body.data().await {
        let data = data.map_err(io::Error::other)?;
        if !told.take(&data, most) {
            return Ok(told);
        }
        let _ = body.flow_control().release_capacity(data.len());
    }
    if let Some(trailers) = body.trailers().await.map_err(io::Error::other)? {
        add(&mut told, &trailers);
    }
    told.whole = true;
    Ok(told)
}

fn request(question: &Question) -> Option<Request<()>> {
    let uri = Uri::builder()
        .scheme("http")
        .authority(question.host.as_str())
        .path_and_query(question.target.as_str());
    let request = Request::builder()
        .method(question.method.as_str())
        .uri(uri.build().ok()?);
    let mut request = request.body(()).ok()?;
    for (name, value) in &question.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = HeaderValue::from_str(value).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}
