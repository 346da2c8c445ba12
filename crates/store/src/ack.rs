//! The promise of an answer from the writer: wait for it on a thread, or await it on any runtime.

use crate::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug)]
struct Slot<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
}

#[derive(Debug)]
struct State<T> {
    answer: Option<Result<T, Error>>,
    waker: Option<Waker>,
    /// A thread waits: to wake nobody is a system call, too.
    waits: bool,
}

/// Resolves once the write is on disk, or has failed. Dropping it does not undo the write.
#[derive(Debug)]
#[must_use = "a write is durable only once its ack has been waited for"]
pub struct Ack<T>(Arc<Slot<T>>);

/// The writer's end. Dropped without an answer, it tells that the writer is gone.
#[derive(Debug)]
pub(crate) struct Reply<T>(Option<Arc<Slot<T>>>);

pub(crate) fn pair<T>() -> (Reply<T>, Ack<T>) {
    let slot = Arc::new(Slot {
        state: Mutex::new(State {
            answer: None,
            waker: None,
            waits: false,
        }),
        ready: Condvar::new(),
    });
    (Reply(Some(slot.clone())), Ack(slot))
}

impl<T> Ack<T> {
    /// An answer that is known already.
    pub fn ready(answer: Result<T, Error>) -> Ack<T> {
        let (reply, ack) = pair();
        reply.send(answer);
        ack
    }

    /// Blocks the thread until the answer is there.
    pub fn wait(self) -> Result<T, Error> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            state.waits = true;
            state = self
                .0
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Does in commits of at most `most` what is too much for one: between two of them others write. Ends with the first that finds
/// less to do, or after so many turns.
pub async fn in_parts(
    most: usize,
    turns: usize,
    part: impl Fn(usize) -> Ack<usize>,
) -> Result<(), Error> {
    for _ in 0..turns {
        if part(most).await? < most {
            break;
        }
    }
    Ok(())
}

impl<T> Future for Ack<T> {
    type Output = Result<T, Error>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Reply<T> {
    pub(crate) fn send(mut self, answer: Result<T, Error>) {
        self.put(answer);
    }

    fn put(&mut self, answer: Result<T, Error>) {
        let Some(slot) = self.0.take() else { return };
        let (waker, waits) = {
            let mut state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.answer = Some(answer);
            (state.waker.take(), state.waits)
        };
        if waits {
            slot.ready.notify_all();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.put(Err(Error::Stopped("the writer is gone".into())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_sent_before_or_after_the_wait_arrives() {
        assert_eq!(Ack::ready(Ok(1)).wait(), Ok(1));
        let (reply, ack) = pair();
        let waiter = std::thread::spawn(move || ack.wait());
        reply.send(Ok(2));
        assert_eq!(waiter.join().unwrap(), Ok(2));
    }

    #[test]
    fn a_writer_that_dies_is_an_error_and_not_a_hang() {
        let (reply, ack) = pair::<()>();
        drop(reply);
        assert!(matches!(ack.wait(), Err(Error::Stopped(_))));
    }

    #[test]
    fn it_can_be_polled() {
        let (reply, mut ack) = pair();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut ack).poll(&mut cx).is_pending());
        reply.send(Ok(3));
        assert_eq!(Pin::new(&mut ack).poll(&mut cx), Poll::Ready(Ok(3)));
    }
}
