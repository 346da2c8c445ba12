//! Waiting for what another exchange hands over: in bounded time, with the place kept in the gate's slot.

use crate::exchange::Facts;
use crate::gate::{Slot, Step};
use base::Nanos;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot::Receiver;

/// Where the ticket leaves what it got.
struct Waiting<T> {
    hand: Rc<RefCell<Option<T>>>,
    since: Nanos,
}

/// Waits for `receiver`, at most `most` and not beyond the deadline.
pub fn wait<T: 'static>(
    receiver: Receiver<T>,
    most: Duration,
    facts: &Facts,
    slot: &mut Slot,
    now: Nanos,
) -> Step {
    let most = facts.deadline.map_or(most, |d| d.since(now).min(most));
    let hand = Rc::new(RefCell::new(None));
    *slot = Slot::boxed(Waiting {
        hand: hand.clone(),
        since: now,
    });
    Step::Wait(Box::pin(async move {
        if let Ok(Ok(got)) = tokio::time::timeout(most, receiver).await {
            *hand.borrow_mut() = Some(got);
        }
    }))
}

/// How long was waited, and what for, if it came in time. `None`: the slot does not wait.
pub fn waited<T: 'static>(
    facts: &mut Facts,
    slot: &mut Slot,
    now: Nanos,
) -> Option<(Duration, Option<T>)> {
    let mut place = slot.take();
    let waiting = place.get::<Waiting<T>>()?;
    let time = now.since(waiting.since);
    facts.waited_ns += time.as_nanos() as u64;
    let got = waiting.hand.borrow_mut().take();
    Some((time, got))
}
