//! The state of what a connection does while it has requests, kept by the thread and lent: some KiB that an idle connection would
//! hold in its task otherwise.

use super::{Busy, client::Client};
use crate::worker::Worker;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// What a connection lends to its turn, and gets back.
pub(super) struct Lent {
    pub client: Client,
    pub room: Box<Busy>,
}

/// What comes after the requests that were there.
pub(super) enum Next {
    Wait,
    Close,
    /// It was no request but the beginning of HTTP/2; the bytes are in the room.
    Http2,
}

pub(super) type Done = (Lent, Next);

/// One turn of whatever connection, again and again in the same memory.
pub(super) trait Turn {
    fn begin(&mut self, worker: Rc<Worker>, lent: Lent);
    /// Not asked again once it is ready, until it begins anew.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Done>;
}

/// Memory for turns that a thread keeps for the next one.
const SPARE: usize = 128;

/// A thread's memory for turns.
#[derive(Default)]
pub(crate) struct Slots(RefCell<Vec<Box<dyn Turn>>>);

impl Slots {
    /// Some that is free, else what `new` makes.
    pub(super) fn lend(&self, new: impl FnOnce() -> Box<dyn Turn>) -> Box<dyn Turn> {
        let slot = self.0.borrow_mut().pop();
        slot.unwrap_or_else(new)
    }

    pub(super) fn give_back(&self, slot: Box<dyn Turn>) {
        let mut slots = self.0.borrow_mut();
        if slots.len() < SPARE {
            slots.push(slot);
        }
    }
}

/// Memory for the turn that `make` makes.
struct Slot<M, F> {
    make: M,
    running: Pin<Box<Option<F>>>,
}

pub(super) fn slot<F: Future<Output = Done> + 'static>(
    make: impl Fn(Rc<Worker>, Lent) -> F + 'static,
) -> Box<dyn Turn> {
    Box::new(Slot {
        make,
        running: Box::pin(None),
    })
}

impl<M: Fn(Rc<Worker>, Lent) -> F, F: Future<Output = Done>> Turn for Slot<M, F> {
    fn begin(&mut self, worker: Rc<Worker>, lent: Lent) {
        self.running.set(Some((self.make)(worker, lent)));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Done> {
        let Some(running) = self.running.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let done = ready!(running.poll(cx));
        self.running.set(None);
        Poll::Ready(done)
    }
}
