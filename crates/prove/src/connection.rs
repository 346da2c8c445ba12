//! One connection of the generator: sends a request, reads its response, and gives up at the deadline.

use crate::record::Failure;
use base::{Nanos, clock::Clock};
use http1::client::{Response, ResponseReader};
use http1::{Limits, Lines, Method};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until, timeout_at};

/// What the connections of one thread share: they parse in one place, and keep bytes only of partial heads.
pub(crate) struct Scratch {
    input: Box<[u8]>,
    lines: Lines,
}

impl Scratch {
    pub fn new() -> Rc<RefCell<Scratch>> {
        Rc::new(RefCell::new(Scratch {
            input: vec![0; 64 * 1024].into(),
            lines: Lines::default(),
        }))
    }
}

pub(crate) struct Connection {
    target: SocketAddr,
    clock: Clock,
    scratch: Rc<RefCell<Scratch>>,
    stream: Option<TcpStream>,
    reader: ResponseReader,
    /// The start of a head whose rest has not come.
    pending: Vec<u8>,
    /// Set again only when it fires early, so that a request costs no timer.
    alarm: Option<Pin<Box<Sleep>>>,
    pub connects: u64,
}

/// What one try came to.
enum Try {
    Done(Response),
    /// A kept connection was closed before it answered: the server had given it up already.
    Stale,
    Failed(Failure),
}

impl Connection {
    pub fn new(target: SocketAddr, clock: Clock, scratch: Rc<RefCell<Scratch>>) -> Connection {
        Connection {
            target,
            clock,
            scratch,
            stream: None,
            reader: ResponseReader::new(Limits::default().unbounded_body()),
            pending: Vec::new(),
            alarm: None,
            connects: 0,
        }
    }

    /// One request and its response: when it was sent, and how it ended.
    pub async fn exchange(
        &mut self,
        method: Method,
        request: &[u8],
        deadline: Instant,
    ) -> (Option<Nanos>, Result<Response, Failure>) {
        let mut first_sent = None;
        loop {
            let reused = self.stream.is_some();
            let mut stream = match self.stream.take() {
                Some(stream) => stream,
                None => match self.connect(deadline).await {
                    Ok(stream) => stream,
                    Err(failure) => return (first_sent, Err(failure)),
                },
            };
            let sent = *first_sent.get_or_insert_with(|| self.clock.now());
            self.pending.clear();
            self.reader.begin(method);
            let tried = self.attempt(&mut stream, request, deadline, reused).await;
            return match tried {
                Try::Done(response) => {
                    if response.keep_alive {
                        self.stream = Some(stream);
                    }
                    (Some(sent), Ok(response))
                }
                Try::Stale => continue,
                Try::Failed(failure) => (Some(sent), Err(failure)),
            };
        }
    }

    async fn connect(&mut self, deadline: Instant) -> Result<TcpStream, Failure> {
        self.connects += 1;
        match timeout_at(deadline.into(), TcpStream::connect(self.target)).await {
            Err(_) => Err(Failure::Timeout),
            Ok(Err(_)) => Err(Failure::Connect),
            Ok(Ok(stream)) => {
                // Only latency is at stake: a kernel that refuses is no failure.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
        }
    }

    async fn attempt(
        &mut self,
        stream: &mut TcpStream,
        request: &[u8],
        deadline: Instant,
        reused: bool,
    ) -> Try {
        let broken = |e: &io::Error| match e.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset if reused => Try::Stale,
            _ => Try::Failed(Failure::Closed),
        };
        let written = match stream.try_write(request) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
            Err(e) => return broken(&e),
        };
        if written < request.len() {
            match timeout_at(deadline.into(), stream.write_all(&request[written..])).await {
                Err(_) => return Try::Failed(Failure::Timeout),
                Ok(Err(e)) => return broken(&e),
                Ok(Ok(())) => {}
            }
        }
        std::future::poll_fn(|cx| self.poll_response(stream, cx, deadline, reused)).await
    }

    fn poll_response(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        deadline: Instant,
        reused: bool,
    ) -> Poll<Try> {
        let scratch = self.scratch.clone();
        let scratch = &mut *scratch.borrow_mut();
        loop {
            let mut buf = ReadBuf::new(&mut scratch.input);
            match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
                Poll::Pending if self.poll_alarm(cx, deadline) => {
                    return Poll::Ready(Try::Failed(Failure::Timeout));
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) if reused && self.untouched() => {
                    return Poll::Ready(Try::Stale);
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Try::Failed(Failure::Closed)),
                Poll::Ready(Ok(())) => {}
            }
            let n = buf.filled().len();
            if n == 0 {
                return Poll::Ready(match self.reader.end_of_input() {
                    Ok(Some(response)) => Try::Done(response),
                    Ok(None) if reused && self.untouched() => Try::Stale,
                    _ => Try::Failed(Failure::Closed),
                });
            }
            if let Some(done) = self.take(&scratch.input[..n], &mut scratch.lines) {
                return Poll::Ready(done);
            }
        }
    }

    /// Nothing has come in answer to the request.
    fn untouched(&self) -> bool {
        self.pending.is_empty() && !self.reader.in_body()
    }

    fn take(&mut self, bytes: &[u8], lines: &mut Lines) -> Option<Try> {
        let read = if self.pending.is_empty() {
            self.reader.read(bytes, lines).map(|(used, done)| {
                self.pending.extend_from_slice(&bytes[used..]);
                done
            })
        } else {
            self.pending.extend_from_slice(bytes);
            self.reader.read(&self.pending, lines).map(|(used, done)| {
                self.pending.drain(..used);
                done
            })
        };
        match read {
            // Bytes that nobody asked for would be taken for the next response.
            Ok(Some(_)) if !self.pending.is_empty() => Some(Try::Failed(Failure::Malformed)),
            Ok(Some(response)) => Some(Try::Done(response)),
            Ok(None) => None,
            Err(_) => Some(Try::Failed(Failure::Malformed)),
        }
    }

    /// Whether the deadline has passed.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        // One that is set later than this request's deadline, after a longer-lived one, is set anew.
        if alarm.deadline().into_std() > deadline {
            alarm.as_mut().reset(deadline.into());
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if self.clock.now() >= self.clock.at(deadline) {
                return true;
            }
            alarm.as_mut().reset(deadline.into());
        }
        false
    }
}
