//! Drives one connection: hands its streams out, keeps its bounds, sees whether the client is still there, says goodbye.

use super::cork::Corked;
use super::head::write_request;
use super::input::Input;
use super::output::Output;
use super::stream::{Stream, Streams};
use super::watch::{Bounds, Wrong};
use super::wire::{Heard, Wire};
use crate::connection::{Peer, Socket, serve_one};
use crate::listen::Counted;
use crate::wheel::Timer;
use crate::worker::Worker;
use bytes::Bytes;
use config::sections::{Http2, Limits};
use h2::server::{Builder, Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::Request;
use http1::Method;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::spawn_local;

/// What a client begins with, when it knows beforehand that HTTP/2 is spoken.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of answers that wait in the library, per stream.
const SEND_BUFFER: usize = 64 * 1024;
/// After a goodbye, with nothing under way.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// Serves a connection to its end. `early` was read of it already.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    socket: Socket,
    early: Vec<u8>,
    peer: Peer,
    counted: Counted,
) {
    let snapshot = worker.snapshot();
    let (rules, limits) = (&snapshot.http2, &snapshot.limits);
    let bounds = Bounds {
        resets: rules.resets_total,
        idle_frames: rules.idle_frames,
    };
    let socket = Corked::new(socket);
    let wire = Wire::new(socket.clone(), early, bounds, worker.clone());
    let heard = wire.heard();
    let begin = socket.drive(builder(rules, limits).handshake::<_, Bytes>(wire));
    let Ok(Ok(Ok(mut connection))) = tokio::time::timeout(limits.head_timeout, begin).await else {
        return;
    };
    let mut driver = Driver {
        pings: connection.ping_pong(),
        alarm: worker.wheel.timer(),
        streams: Rc::new(Streams::new(worker.clone())),
        rules: rules.clone(),
        idle: limits.idle,
        peer,
        heard,
        worker,
        asked: false,
        leaving: false,
    };
    drop(snapshot);
    driver.set(driver.idle.min(driver.rules.ping));
    let turns = poll_fn(|cx| driver.poll(cx, &mut connection));
    let _ = socket.drive(turns).await;
    driver.worker.private.close(&driver.peer.ends);
    drop(counted);
}

fn builder(rules: &Http2, limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(rules.streams)
        .max_header_list_size(limits.head as u32)
        .initial_window_size(rules.window)
        .initial_connection_window_size(rules.window.saturating_mul(4).min(i32::MAX as u32))
        .max_pending_accept_reset_streams(rules.resets as usize)
        .max_local_error_reset_streams(Some(rules.local_resets as usize))
        .max_send_buffer_size(SEND_BUFFER)
        .enable_connect_protocol();
    builder
}

struct Driver {
    worker: Rc<Worker>,
    streams: Rc<Streams>,
    heard: Rc<Heard>,
    rules: Http2,
    idle: Duration,
    peer: Peer,
    alarm: Timer,
    pings: Option<PingPong>,
    /// A ping is on its way, and nothing has been heard since.
    asked: bool,
    /// The goodbye has been said.
    leaving: bool,
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>, connection: &mut Connection<Wire, Bytes>) -> Poll<()> {
        self.alarm.bind(cx.waker());
        loop {
            match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.begin(request, respond);
                    continue;
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if let Some(wrong) = self.wrong().filter(|_| !self.leaving) {
                let reason = match wrong {
                    Wrong::TooMany(what) => {
                        let client = self.peer.ends.from.ip();
                        tracing::info!(%client, "HTTP/2 connection ended: too many {what}");
                        Reason::ENHANCE_YOUR_CALM
                    }
                    Wrong::NoSettings => Reason::PROTOCOL_ERROR,
                };
                connection.abrupt_shutdown(reason);
                self.leaving = true;
                self.set(LAST_CHANCE);
                continue;
            }
            if self.worker.draining() && !self.leaving {
                self.leave(connection);
                continue;
            }
            if let Some(pings) = &mut self.pings {
                // Takes the answer, so that another ping may be sent.
                let _ = pings.poll_pong(cx);
            }
            if !self.alarm.rang() {
                return Poll::Pending;
            }
            if self.rang(connection).is_break() {
                return Poll::Ready(());
            }
        }
    }

    fn wrong(&self) -> Option<Wrong> {
        let regretted = self.streams.regretted.get() > self.rules.resets;
        let regretted = regretted.then_some(Wrong::TooMany("requests that are taken back"));
        self.heard.wrong.get().or(regretted)
    }

    /// The time is over for something; whether the connection is.
    fn rang(&mut self, connection: &mut Connection<Wire, Bytes>) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        let heard = self.heard.any.take();
        self.asked &= !heard;
        if self.streams.open.get() == 0 {
            let over = self.worker.now().since(self.streams.ended.get());
            if self.leaving {
                return Break(());
            }
            match self.idle.checked_sub(over).filter(|left| !left.is_zero()) {
                Some(left) => self.set(left.min(self.rules.ping)),
                None => self.leave(connection),
            }
            return Continue(());
        }
        if self.asked {
            return Break(());
        }
        self.set(self.rules.ping);
        if let Some(pings) = self.pings.as_mut().filter(|_| !heard) {
            self.asked = pings.send_ping(Ping::opaque()).is_ok();
            self.set(self.rules.ping_timeout);
        }
        Continue(())
    }

    /// Takes no more requests; those under way end first.
    fn leave(&mut self, connection: &mut Connection<Wire, Bytes>) {
        connection.graceful_shutdown();
        self.leaving = true;
        self.set(LAST_CHANCE);
    }

    fn set(&self, after: Duration) {
        (self.worker.wheel).set(&self.alarm, self.worker.now() + after);
    }

    /// A request: a task of its own.
    fn begin(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (parts, body) = request.into_parts();
        let mut head = Vec::with_capacity(512);
        let nonce = [self.worker.seed(), self.worker.seed()];
        let follows = write_request(&mut head, &parts, body.is_end_stream(), nonce);
        let method = Method::from_bytes(parts.method.as_str().as_bytes());
        let input = Input::new(head, body, follows);
        let method = match input.is_tunnel() {
            true => Method::Get,
            false => method,
        };
        let output = Output::new(method, respond);
        let stream = Stream::new(input, output, self.streams.clone());
        let socket = Socket::Stream(Box::new(stream));
        spawn_local(serve_one(self.worker.clone(), socket, self.peer.clone()));
    }
}
