//! A gate: one filter of the data path. The pure decision lives in its folder's `core`; here is what its
//! adapter implements, and what it gets when a generation is compiled.
//!
//! A gate is made per route and arm by its `make(&Making) -> Option<Arc<dyn Gate>>` (`None`: not wanted here).
//! What must survive a new generation (counters, budgets, caches) is kept under a name in [`Kept`].
//! What belongs to one exchange lives in its [`Slot`].
//!
//! To test one without sockets: `ListHead`, `Facts::new(…)`, a `Slot::default()`, then `enter` and `leave`.

use crate::exchange::{Edits, Exchange, Facts, Failed, Outgoing, Reply, ResponseHead};
use crate::upstream::Service;
use base::{Arm, Nanos, RouteIx};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a gate decides.
pub enum Step {
    Go,
    /// The exchange ends here with this reply; in the attempt ring, this attempt does.
    Answer(Reply),
    /// The ring waits for the ticket and then calls `resume`.
    Wait(Ticket),
    /// The ring calls `resume` when all of the request's body is in `held`. In the request ring only.
    Hold(Hold),
}

/// A wish for the whole body of a request.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// Bytes; a larger one is refused with 413.
    pub most: u64,
    /// Of that refusal, and whose bodies are bounded so.
    pub reason: &'static str,
    pub what: &'static str,
}

/// Wakes its exchange. Owned: it borrows nothing from the exchange, and dropping it gives up the wait.
pub type Ticket = Pin<Box<dyn Future<Output = ()>>>;

/// What a gate needs of a body; the fast path copies bodies unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyNeed {
    #[default]
    None,
    /// Sees the payload on its way, changes nothing.
    Tap,
    /// Changes the payload (responses only).
    Transform,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub request_body: BodyNeed,
    pub response_body: BodyNeed,
    pub trailers: bool,
    /// Wants to be told when no answer of an instance goes out, or one of 500 and above.
    pub failures: bool,
    /// Sees answers as instances give them, before anybody changes them.
    pub answers: bool,
    /// May hold an instance's response head back.
    pub settles: bool,
}

/// What becomes of an instance's response head.
pub enum Settle {
    Go,
    /// Nothing of it goes on before the ticket wakes; then the gate is asked again.
    Wait(Ticket),
    /// This goes out in its stead.
    Instead(Reply),
}

/// What goes on in place of a response, for every gate further out and for the client.
pub struct Transformed {
    /// Changes to its head.
    pub edits: Edits,
    /// What its body passes through; `None`: it stays as it is.
    pub body: Option<Box<dyn Transform>>,
}

impl Transformed {
    /// Nothing but the head.
    pub fn head(edits: Edits) -> Transformed {
        Transformed { edits, body: None }
    }
}

/// A payload on its way through a gate. Everything is appended to `out`.
pub trait Transform {
    fn take(&mut self, data: &[u8], out: &mut Vec<u8>);
    /// No more comes for now: what is held back goes on.
    fn flush(&mut self, out: &mut Vec<u8>);
    /// That was all. A second call does nothing.
    fn end(&mut self, out: &mut Vec<u8>);
}

/// What a gate remembers of one exchange.
#[derive(Default)]
pub enum Slot {
    #[default]
    Empty,
    Number(u64),
    Pair(u64, u64),
    Boxed(Box<dyn Any>),
}

impl Slot {
    pub fn boxed<T: 'static>(value: T) -> Slot {
        Slot::Boxed(Box::new(value))
    }
    pub fn get<T: 'static>(&mut self) -> Option<&mut T> {
        match self {
            Slot::Boxed(b) => b.downcast_mut(),
            _ => None,
        }
    }
    pub fn take(&mut self) -> Slot {
        std::mem::take(self)
    }
}

/// A filter of either ring. Every method must be cheap and must not block.
pub trait Gate: Send + Sync {
    fn name(&self) -> &'static str;

    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The request passes inward.
    fn enter(&self, exchange: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step;

    /// The ticket that `enter` (or `resume`) gave has woken.
    fn resume(&self, exchange: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let _ = (exchange, slot, now);
        Step::Go
    }

    /// The instance has answered, and its answer is not one to try again (only with `answers`). Whether the gate wants to
    /// see its payload.
    fn answered(
        &self,
        exchange: &mut Exchange<'_>,
        slot: &mut Slot,
        head: ResponseHead<'_>,
    ) -> bool {
        let _ = (exchange, slot, head);
        false
    }

    /// Payload of that answer, as the instance sent it.
    fn payload(&self, slot: &mut Slot, data: &[u8]) {
        let _ = (slot, data);
    }

    /// The final response head of the instance (only with `settles`), before it is passed on in any way. After a wait it is
    /// asked again, with the same head.
    fn settle(
        &self,
        exchange: &mut Exchange<'_>,
        slot: &mut Slot,
        head: ResponseHead<'_>,
        now: Nanos,
    ) -> Settle {
        let _ = (exchange, slot, head, now);
        Settle::Go
    }

    /// The instance's response, before anybody else sees it (only with `response_body: Transform`).
    fn transform(
        &self,
        exchange: &mut Exchange<'_>,
        head: ResponseHead<'_>,
    ) -> Option<Transformed> {
        let _ = (exchange, head);
        None
    }

    /// The instance's response head passes outward. Not called for a gate's own reply.
    fn reply(
        &self,
        exchange: &mut Exchange<'_>,
        slot: &mut Slot,
        out: &mut Outgoing<'_>,
        now: Nanos,
    ) {
        let _ = (exchange, slot, out, now);
    }

    /// The instance says 304. Called outward until a gate, whose conditions those were, gives the reply to send instead;
    /// with none, the 304 is the client's and passes like any other answer.
    fn not_modified(
        &self,
        exchange: &mut Exchange<'_>,
        slot: &mut Slot,
        head: ResponseHead<'_>,
        now: Nanos,
    ) -> Option<Reply> {
        let _ = (exchange, slot, head, now);
        None
    }

    /// A gate further in has refused, or the attempts have failed (only with `failures`). Called outward from the
    /// innermost gate that was entered, until one gives a reply to send instead.
    fn failed(
        &self,
        exchange: &mut Exchange<'_>,
        slot: &mut Slot,
        failed: Failed<'_>,
        now: Nanos,
    ) -> Option<Reply> {
        let _ = (exchange, slot, failed, now);
        None
    }

    /// Payload of the response passes outward (only with `response_body: Tap`). An empty slice: that was all of it, and
    /// the client does not have the end yet.
    fn tap(&self, slot: &mut Slot, data: &[u8]) {
        let _ = (slot, data);
    }

    /// The body has ended, the client has gone or the exchange was dropped. Called exactly once for every gate
    /// that was entered, in reverse order. `facts.complete` tells whether all of the body passed.
    fn leave(&self, facts: &mut Facts, slot: &mut Slot, now: Nanos) {
        let _ = (facts, slot, now);
    }
}

/// What a gate can be made of: one route on one arm.
pub struct Making<'a> {
    pub route: &'a config::Route,
    pub ix: RouteIx,
    pub arm: Arm,
    /// The route's service with its instances, shared by all routes to it.
    pub service: &'a Arc<Service>,
    /// The service that gets copies of its requests.
    pub mirror: Option<&'a Arc<Service>>,
    pub kept: &'a Kept,
    /// The headers that say who asks.
    pub identity: &'a Option<config::sections::Identity>,
    pub sessions: &'a [config::sections::Session],
    pub replications: &'a [config::sections::Replication],
    pub topics: &'a [config::sections::Topic],
    /// Share of the traces begun here that services are asked to record.
    pub traced: f64,
    pub moment: Moment,
}

impl Making<'_> {
    /// The route's name without the service that its users were split to: what is kept by this name is one for all of them.
    pub fn undivided(&self) -> &str {
        let part = format!("@{}", self.route.to);
        let name = &self.route.name;
        name.strip_suffix(&part).unwrap_or(name)
    }
}

/// One instant on both clocks: the gateway's own, and the calendar (since the Unix epoch).
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    pub now: Nanos,
    pub unix: Duration,
}

impl Moment {
    /// When the calendar will show `unix_s`, as far as it runs evenly; `None` when that is past.
    pub fn until(&self, unix_s: u64) -> Option<Nanos> {
        let left = Duration::from_secs(unix_s).checked_sub(self.unix)?;
        (!left.is_zero()).then(|| self.now + left)
    }
}

/// A gate's constructor, one line per member in the ring's lists.
pub type Make = fn(&Making<'_>) -> Option<Arc<dyn Gate>>;

/// Shared state that survives a new generation, by name and type. What is shared is shared between threads
/// (atomics, sharded maps); what is per core (connections, pools) is not kept here.
#[derive(Default)]
pub struct Kept {
    all: Mutex<HashMap<(TypeId, String), Arc<dyn Any + Send + Sync>>>,
}

impl Kept {
    /// What is kept under `name`, made now if it is new.
    pub fn get<T: Send + Sync + 'static>(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut all = self.all.lock().unwrap_or_else(|e| e.into_inner());
        let entry = all
            .entry((TypeId::of::<T>(), name.to_owned()))
            .or_insert_with(|| Arc::new(make()));
        entry
            .clone()
            .downcast()
            .unwrap_or_else(|_| unreachable!("the key holds the type"))
    }

    /// What is kept under `name`, if anything is.
    pub fn find<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        let all = self.all.lock().unwrap_or_else(|e| e.into_inner());
        let kept = all.get(&(TypeId::of::<T>(), name.to_owned()))?;
        kept.clone().downcast().ok()
    }

    /// Everything of one type, in no order.
    pub fn all<T: Send + Sync + 'static>(&self) -> Vec<Arc<T>> {
        let all = self.all.lock().unwrap_or_else(|e| e.into_inner());
        let of_type = |(kind, _): &&(TypeId, String)| *kind == TypeId::of::<T>();
        let found = all.iter().filter(|(key, _)| of_type(key));
        found
            .filter_map(|(_, kept)| kept.clone().downcast().ok())
            .collect()
    }

    /// Forgets what nobody else holds; called after a new generation has replaced the old one.
    pub fn sweep(&self) {
        let mut all = self.all.lock().unwrap_or_else(|e| e.into_inner());
        all.retain(|_, kept| Arc::strong_count(kept) > 1);
    }

    pub fn len(&self) -> usize {
        self.all.lock().unwrap_or_else(|e| e.into_inner()).len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_outlives_a_generation_and_not_its_last_holder() {
        let kept = Kept::default();
        let a = kept.get("a", || 1u32);
        assert_eq!(*kept.get("a", || 2u32), 1);
        assert_eq!(*kept.get("a", || 3u64), 3, "another type is another thing");
        kept.sweep();
        assert_eq!(kept.len(), 1);
        drop(a);
        kept.sweep();
        assert!(kept.is_empty());
    }
}
