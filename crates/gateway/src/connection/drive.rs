//! Moves bytes between the two sockets: the request up while the response may already come down, each side only as
//! fast as the other takes it. Everything happens in `poll`, on buffers of the thread, without a wait in between.

use super::Busy;
use super::client::{Client, READ};
use super::download::Download;
use super::fault::Paced;
use super::socket::Socket;
use crate::exchange::Reply;
use crate::http2;
use crate::retry::Failure;
use crate::snapshot::Route;
use crate::worker::Worker;
use base::Nanos;
use http1::Reject;
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Body bytes of a request that are held for another attempt.
const HOLD: usize = 64 * 1024;
/// Room for one read of a request's body, and of a response.
pub(super) const BODY: usize = 64 * 1024;

const BODY_LATE: Reject = Reject {
    status: 408,
    reason: "body-timeout",
    detail: "the rest of the request's body did not come in time",
};

pub(super) enum Driven {
    /// The response has passed whole; whether the connection to the instance can be used again.
    Passed {
        reuse: bool,
    },
    /// Both sides have changed the protocol.
    Tunnel,
    /// Nothing of the response has passed; with a reason and what happened.
    Failed(Failure, &'static str, Cow<'static, str>),
    /// The response is one to try again after.
    Again(Duration),
    /// A gate has something better than the response.
    Instead {
        reply: Reply,
        /// The connection to the instance can be used again.
        reuse: bool,
    },
    BadRequest(Reject),
    /// A gate holds the response's head back; never how it ends.
    Waits,
    /// Part of the response has passed, and no more comes.
    Broken,
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Upload {
    Sending,
    Done,
    /// The instance takes no more. It may have answered nevertheless.
    Failed,
}

pub(super) struct Drive<'a> {
    pub worker: &'a Rc<Worker>,
    pub client: &'a mut Client,
    pub room: &'a mut Busy,
    pub(super) socket: &'a mut Socket,
    pub route: &'a Route,
    reused: bool,
    upload: Upload,
    pub down: Download,
    idle: Duration,
    /// There is something for the client, and it takes none of it.
    blocked: bool,
    /// The alarm is set for the rest of the body, not for the response.
    awaits_body: bool,
    /// Only under a fault.
    pub(super) paced: Option<Paced>,
    /// Told when the response's head is one to go on with. Only where another attempt may run beside.
    pub(super) answered: Option<&'a Cell<bool>>,
    /// The head is in `partial` already.
    pub(super) has_come: bool,
}

impl<'a> Drive<'a> {
    pub fn new(
        worker: &'a Rc<Worker>,
        client: &'a mut Client,
        room: &'a mut Busy,
        socket: &'a mut Socket,
        route: &'a Route,
        reused: bool,
    ) -> Drive<'a> {
        Drive {
            idle: room.live.snapshot.limits.idle,
            blocked: false,
            awaits_body: false,
            paced: Paced::of(room.live.facts.fault),
            answered: None,
            has_come: false,
            worker,
            client,
            room,
            socket,
            route,
            reused,
            upload: Upload::Sending,
            down: Download::default(),
        }
    }

    /// Whether the client's connection can carry another request.
    pub fn keeps_client(&self) -> bool {
        self.upload == Upload::Done && !self.down.closing && !self.client.socket.is_nobody()
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Driven> {
        loop {
            match ready!(self.poll_both(cx)) {
                Driven::Gone if self.endures() => self.go_on_alone(),
                end => return Poll::Ready(end),
            }
        }
    }

    fn poll_both(&mut self, cx: &mut Context<'_>) -> Poll<Driven> {
        if self.client.alarm.rang() {
            return Poll::Ready(self.late());
        }
        if self.upload == Upload::Sending
            && let Poll::Ready(Err(end)) = self.poll_upload(cx)
        {
            return Poll::Ready(end);
        }
        if let Poll::Ready(end) = self.poll_download(cx) {
            return Poll::Ready(end);
        }
        if self.upload != Upload::Sending {
            let gone = self.client.poll_gone(cx, &mut self.room.down.bytes);
            return gone.map(|()| Driven::Gone);
        }
        Poll::Pending
    }

    /// Whether what comes is of use without the client, who has sent all that there is.
    fn endures(&self) -> bool {
        let live = &self.room.live;
        live.facts.endures && !live.facts.stream && !self.client.socket.is_nobody()
    }

    fn go_on_alone(&mut self) {
        self.client.socket = Socket::Nobody;
        self.room.out.clear();
        self.blocked = false;
        self.touch();
    }

    fn late(&self) -> Driven {
        if self.down.passed() && self.blocked {
            // Not the instance's fault, and what the system holds for this client is memory.
            self.client.socket.abandon();
            return Driven::Gone;
        }
        if self.down.passed() {
            return Driven::Broken;
        }
        let deadline = self.room.live.facts.deadline;
        if self.awaits_body && deadline.is_none_or(|d| self.worker.wheel.now() < d) {
            return Driven::BadRequest(BODY_LATE);
        }
        let what = match self.upload {
            Upload::Sending => "the request was not taken in time",
            _ => "no response in time",
        };
        Driven::Failed(Failure::Deadline, "deadline", what.into())
    }

    /// Something has moved: the time without any begins anew. Before the response the deadline stands.
    fn touch(&mut self) {
        if self.down.passed() && !self.room.live.facts.stream {
            let at: Nanos = self.worker.wheel.now() + self.idle;
            self.client.set_alarm(self.worker, Some(at));
        }
    }

    /// Whether the client takes what there is for it. A stream may be silent as long as it likes, but who reads nothing
    /// of one for the idle time has left it.
    fn blocked(&mut self, blocked: bool) {
        if blocked == std::mem::replace(&mut self.blocked, blocked) || !self.streams() {
            return;
        }
        let at = blocked.then(|| self.worker.wheel.now() + self.idle);
        self.client.set_alarm(self.worker, at);
    }

    fn streams(&self) -> bool {
        self.down.passed() && self.room.live.facts.stream
    }

    /// Who begins a body and sends no more of it holds a permit and a connection: not for long.
    fn await_body(&mut self) {
        if self.awaits_body || self.down.passed() {
            return;
        }
        self.awaits_body = true;
        let live = &self.room.live;
        let at = self.worker.wheel.now() + live.snapshot.limits.body_timeout;
        let at = live.facts.deadline.map_or(at, |d| d.min(at));
        self.client.set_alarm(self.worker, Some(at));
    }

    fn body_came(&mut self) {
        if std::mem::take(&mut self.awaits_body) && !self.down.passed() {
            (self.client).set_alarm(self.worker, self.room.live.facts.deadline);
        }
        self.touch();
    }

    /// Sends head and body; `Ready(Ok)` when no more is to be sent.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Driven>> {
        loop {
            while !self.room.up.is_empty() {
                let sent = self.socket.poll_write(cx, self.room.up.left());
                match ready!(sent) {
                    Ok(n) if n > 0 => {
                        self.room.up.advance(n);
                        if let Some(trial) = &mut self.room.live.trial {
                            trial.bytes_in += n as u64;
                        }
                        self.touch();
                    }
                    _ => {
                        self.upload = Upload::Failed;
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            let down = &mut self.room.down;
            if down.body.is_done() {
                self.upload = match ready!(self.socket.poll_sent(cx)) {
                    Ok(()) => Upload::Done,
                    Err(_) => Upload::Failed,
                };
                return Poll::Ready(Ok(()));
            }
            if down.taken < down.bytes.len() {
                match down.body.pass(&down.bytes[down.taken..]) {
                    Ok(pass) => {
                        let end = down.taken + pass.len;
                        (self.room.up.bytes).extend_from_slice(&down.bytes[down.taken..end]);
                        down.taken = end;
                        self.room.live.sample.bytes_in += pass.len as u64;
                        if down.meta.is_some_and(|m| end - m.len > HOLD) || !down.replayable {
                            down.forget();
                        }
                    }
                    Err(_) if self.down.passed() => return Poll::Ready(Err(Driven::Broken)),
                    Err(reject) => return Poll::Ready(Err(Driven::BadRequest(reject))),
                }
                continue;
            }
            let room = match down.body.received() {
                0 => READ,
                _ => BODY,
            };
            match self.client.socket.poll_read(cx, &mut down.bytes, room) {
                Poll::Ready(Ok(n)) if n > 0 => self.body_came(),
                Poll::Ready(_) => return Poll::Ready(Err(Driven::Gone)),
                Poll::Pending => {
                    self.await_body();
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_download(&mut self, cx: &mut Context<'_>) -> Poll<Driven> {
        loop {
            let sent = self.poll_client(cx);
            self.blocked(sent.is_pending());
            if ready!(sent).is_err() {
                return Poll::Ready(Driven::Gone);
            }
            if let Some(ticket) = &mut self.down.settling {
                ready!(ticket.as_mut().poll(cx));
                (self.down.settling, self.has_come) = (None, true);
            }
            if self.down.tunnel {
                return Poll::Ready(Driven::Tunnel);
            }
            if self.paced.as_ref().is_some_and(Paced::is_cut) {
                return Poll::Ready(Driven::Broken);
            }
            if self.down.ended() {
                let reuse = self.down.reusable && self.upload == Upload::Done;
                return Poll::Ready(Driven::Passed { reuse });
            }
            let worker = self.worker.clone();
            let mut scratch = worker.scratch.borrow_mut();
            scratch.clear();
            scratch.extend_from_slice(&self.room.partial);
            let read = match std::mem::take(&mut self.has_come) {
                true => Poll::Ready(Ok(scratch.len())),
                false => self.poll_response(cx, &mut scratch),
            };
            if read.is_pending() && self.flush_changed() {
                continue;
            }
            match ready!(read) {
                Ok(0) => match self.end_of_input(None) {
                    Ok(()) => continue,
                    Err(end) => return Poll::Ready(end),
                },
                Err(e) => {
                    let end = self.end_of_input(Some(e));
                    return Poll::Ready(end.err().unwrap_or(Driven::Broken));
                }
                Ok(n) => {
                    self.room.partial.clear();
                    if let Some(trial) = &mut self.room.live.trial {
                        trial.bytes_out += n as u64;
                    }
                }
            }
            let direct = match self.take(&scratch) {
                Ok(direct) => direct,
                Err(Driven::Waits) => {
                    if let Some(trial) = &mut self.room.live.trial {
                        let again = self.room.partial.len() as u64;
                        trial.bytes_out = trial.bytes_out.saturating_sub(again);
                    }
                    continue;
                }
                Err(Driven::Instead { reply, reuse }) => {
                    let reuse = reuse && self.upload == Upload::Done;
                    return Poll::Ready(Driven::Instead { reply, reuse });
                }
                Err(end) => return Poll::Ready(end),
            };
            self.touch();
            // What goes on as it came is sent from where it was read, behind what is in the buffer.
            let direct = &scratch[direct];
            let first = self.room.out.left().len();
            if first + direct.len() == 0 {
                continue;
            }
            let sent = if first > 0 && direct.len() <= COPY {
                self.room.out.bytes.extend_from_slice(direct);
                continue;
            } else {
                (self.client.socket).poll_write_two(cx, self.room.out.left(), direct)
            };
            let sent = match sent {
                Poll::Ready(Ok(n)) if n > 0 => n,
                Poll::Ready(_) => return Poll::Ready(Driven::Gone),
                Poll::Pending => 0,
            };
            let of_direct = sent.saturating_sub(first);
            self.wrote(sent.min(first));
            self.room.live.sample.bytes_out += of_direct as u64;
            (self.room.out.bytes).extend_from_slice(&direct[of_direct..]);
        }
    }

    /// Ready when all that there is for the client is on its way.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while !self.room.out.is_empty() {
            match ready!(self.client.socket.poll_write(cx, self.room.out.left()))? {
                0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                n => self.wrote(n),
            }
        }
        self.client.socket.poll_sent(cx)
    }

    fn wrote(&mut self, n: usize) {
        self.room.out.advance(n);
        self.room.live.sample.bytes_out += n as u64;
        self.blocked(false);
        self.touch();
    }

    fn end_of_input(&mut self, error: Option<std::io::Error>) -> Result<(), Driven> {
        if self.down.passed() {
            // A reset is no end, even where an end of the connection would be one.
            return match error {
                None if self.end_of_body().is_ok() => Ok(()),
                _ => Err(Driven::Broken),
            };
        }
        let heard = !self.room.partial.is_empty() || self.down.interim;
        let unread = error.as_ref().and_then(http2::unread);
        let failure = match unread.filter(|_| !heard) {
            Some(unread) => unread,
            None if self.reused && !heard => Failure::Stale,
            None => Failure::Reset,
        };
        let what: Cow<'static, str> = match error {
            Some(e) => format!("the connection broke before a response: {e}").into(),
            None if heard => "the connection ended within the response head".into(),
            None => "the connection ended before a response".into(),
        };
        Err(Driven::Failed(failure, "upstream-reset", what))
    }
}

/// A body up to this size is copied behind its head, so that both leave in one plain write.
const COPY: usize = 8 * 1024;
