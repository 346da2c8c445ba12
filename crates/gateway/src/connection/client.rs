//! The client's side: its socket (or nobody, when an answer is fetched behind the clients' backs) and its timer.

use super::socket::Socket;
use crate::proxy_protocol::{Ends, Told};
use crate::tls::{ClientCert, Shown};
use crate::wheel::Timer;
use crate::worker::Worker;
use base::Nanos;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub(super) struct Client {
    pub socket: Socket,
    pub ends: Ends,
    /// It speaks TLS.
    pub secure: bool,
    pub certificate: Option<Arc<ClientCert>>,
    /// The certificate that was shown to it, where it asked for one by name.
    pub shown: Option<Arc<Shown>>,
    pub alarm: Timer,
}

/// What ended a wait before it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    ClientGone,
    /// The alarm rang.
    Late,
}

impl Client {
    pub fn address(&self) -> IpAddr {
        self.ends.from.ip()
    }

    /// Who is behind an attempt, for an instance that wants to know.
    pub fn told(&self) -> Told {
        match self.socket.is_nobody() || self.ends == Ends::UNKNOWN {
            true => Told::Own,
            false => Told::Client(self.ends),
        }
    }

    /// Whether this is a stream of a connection that was made for other hosts: clients put requests for several on one
    /// when they believe its certificate to be for all of them (RFC 9113 9.1.1).
    pub fn is_misdirected(&self, host: Option<&[u8]>) -> bool {
        let stream = matches!(self.socket, Socket::Stream(_));
        let shown = self.shown.as_ref().filter(|_| stream);
        shown.is_some_and(|shown| host.is_some_and(|host| !shown.covers(host)))
    }

    pub fn set_alarm(&self, worker: &Worker, at: Option<Nanos>) {
        match at {
            Some(at) => worker.wheel.set(&self.alarm, at),
            None => self.alarm.clear(),
        }
    }

    /// Waits for `future` as long as the client is there and its alarm does not ring. What the client sends
    /// meanwhile is kept in `input`, within a bound.
    pub async fn race<F: Future>(
        &mut self,
        input: &mut Vec<u8>,
        future: F,
    ) -> Result<F::Output, Cut> {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(out) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(out));
            }
            if self.alarm.rang() {
                return Poll::Ready(Err(Cut::Late));
            }
            self.poll_gone(cx, input).map(|()| Err(Cut::ClientGone))
        })
        .await
    }

    /// Ready when the client has gone. Reads ahead what it sends, up to `AHEAD`; beyond that it is not watched.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<()> {
        while input.len() < AHEAD {
            ready!(self.socket.poll_readable(cx));
            match ready!(self.socket.poll_read(cx, input, READ)) {
                Ok(n) if n > 0 => {}
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

/// Room for one read of requests.
pub(super) const READ: usize = 4 * 1024;
/// How much of what a client sends is held before it is its turn.
const AHEAD: usize = 64 * 1024;
