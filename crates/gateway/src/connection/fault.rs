//! Carries out what the `fault` gate decided for an attempt.

use super::Busy;
use super::attempt::{Tried, fail, failed, late};
use super::client::{Client, Cut};
use super::drive::{BODY, Drive};
use super::exchange::Ending;
use crate::attempt::fault::{End, Pace, What};
use crate::exchange::Reply;
use crate::retry::Failure;
use crate::snapshot::Route;
use crate::upstream::Instance;
use crate::worker::Worker;
use base::Outcome;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::time::Sleep;

/// What goes wrong before the instance is asked; `None`: it is asked now.
pub(super) async fn before(
    worker: &Rc<Worker>,
    client: &mut Client,
    room: &mut Busy,
    route: &Route,
    instance: &Instance,
    what: What,
) -> Option<Tried> {
    if !what.delay.is_zero() {
        let sleep = tokio::time::sleep(what.delay);
        match client.race(&mut room.down.bytes, sleep).await {
            Ok(()) => {}
            Err(Cut::ClientGone) => return Some(Tried::End(Ending::Gone)),
            Err(Cut::Late) => return Some(late(worker, room, route, instance, "a fault")),
        }
    }
    let now = worker.now();
    Some(match what.end? {
        End::Reset => {
            let detail = "the connection broke before a response: a fault made on purpose";
            let (failure, reason) = (Failure::Reset, "upstream-reset");
            failed(room, route, instance, failure, reason, detail, now)
        }
        End::Abort(status) => {
            if let Some(trial) = &mut room.live.trial {
                trial.status = status;
            }
            let (service, address) = (&instance.service, &instance.address);
            let detail = format!("{service}/{address}: a fault made on purpose");
            let reply = Reply::problem(status, "fault", &detail);
            let failure = Failure::Status(status);
            fail(room, route, failure, (status, Outcome::Done), reply, now)
        }
    })
}

/// A response that comes slowly, or breaks off.
pub(super) struct Paced {
    pace: Pace,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub fn of(what: Option<What>) -> Option<Paced> {
        let pace = Pace::of(&what?)?;
        Some(Paced { pace, sleep: None })
    }

    pub fn trim<'a>(&mut self, body: &'a [u8]) -> &'a [u8] {
        self.pace.trim(body)
    }

    pub fn is_cut(&self) -> bool {
        self.pace.is_cut()
    }

    fn poll_room(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<usize> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            let now = worker.now();
            match self.pace.room(now) {
                Ok(n) => return Poll::Ready(n),
                Err(at) => self.sleep = Some(Box::pin(tokio::time::sleep(at.since(now)))),
            }
        }
    }
}

impl Drive<'_> {
    /// One read from the instance, as fast as it may be.
    pub(super) fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let Some(paced) = &mut self.paced else {
            return self.socket.poll_read(cx, into, BODY);
        };
        let most = ready!(paced.poll_room(cx, self.worker)).min(BODY);
        let read = ready!(self.socket.poll_read_most(cx, into, most));
        if let Ok(n) = read {
            paced.pace.took(n, self.worker.now());
        }
        Poll::Ready(read)
    }
}
