//! Coalescing as a gate, right behind the cache: a miss leads or waits. What ends a flight is the cache, which knows
//! whether the answer can be stored; the leader's exchange carries the flight there.

use super::core::{LOOKS, News, Next, next};
use super::flights::{Flights, Role, Told};
use crate::attempt::deadline::core as deadline;
use crate::exchange::{Exchange, Facts, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::request::cache::{Shelf, core as cache, reuse};
use crate::tally::Tally;
use base::{CacheState, Nanos};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot::Receiver;

const NAMES: &[&str] = &["shared", "led", "alone", "late", "failed"];
const SHARED: usize = 0;
const LED: usize = 1;
const ALONE: usize = 2;
const LATE: usize = 3;
const FAILED: usize = 4;

/// On routes with a cache, unless they say `coalesce: { wait: 0 }`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let wait = m.route.coalesce.wait;
    let shelf = Shelf::of(m).filter(|_| !wait.is_zero())?;
    Some(Arc::new(CoalesceGate {
        wait,
        shelf,
        route: m.ix.0.to_le_bytes(),
        arm: [m.arm.0],
        name: m.route.name.as_str().into(),
        flights: m.kept.get("coalesce", Flights::default),
        tally: Tally::of(m.kept, "coalesce", &m.route.name, NAMES),
    }))
}

struct CoalesceGate {
    wait: Duration,
    shelf: Shelf,
    route: [u8; 2],
    arm: [u8; 1],
    name: Box<str>,
    flights: Arc<Flights>,
    tally: Arc<Tally>,
}

const CONDITIONS: [&str; 2] = ["if-none-match", "if-modified-since"];

/// Where the ticket leaves the news.
struct Waiting {
    told: Rc<RefCell<Option<Told>>>,
    until: Nanos,
    looks: u8,
}

impl CoalesceGate {
    /// Whether an answer to another could be one to this request.
    fn concerns(x: &Exchange<'_>) -> bool {
        x.cache == CacheState::Miss
            && !x.is_refresh
            && !x.head.is_upgrade()
            && reuse::ask(x.head.method_name(), &x.head, x.head.has_body())
                .is_some_and(|ask| ask.get && !ask.range && !ask.no_cache && ask.max_age != Some(0))
    }

    /// What `Vary` names most often is part of the key, so that its variants do not wait for each other; so is whether
    /// the request says who asks, because such answers are often not for others.
    fn key(&self, x: &Exchange<'_>) -> u64 {
        let encodings = x.head.get("accept-encoding").unwrap_or(b"");
        let personal = [cache::personal(&x.head) as u8];
        let (host, target) = (x.head.host().unwrap_or(b""), x.head.path_and_query());
        (self.flights).key(&[&self.route, &self.arm, &personal, host, target, encodings])
    }

    fn join(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        looks: u8,
        until: Nanos,
        now: Nanos,
    ) -> Step {
        // The answer to a condition is often 304, which is nothing to store.
        let conditional = |n| x.head.get(n).is_some();
        let may_lead = x.conditional || !CONDITIONS.iter().copied().any(conditional);
        match self.flights.join(self.key(x), may_lead, now) {
            Role::Lead(lead) => {
                x.flight = Some(lead);
                Step::Go
            }
            Role::Alone => {
                self.tally.note(x, ALONE);
                Step::Go
            }
            Role::Follow(news) => {
                let told = Rc::new(RefCell::new(None));
                *slot = Slot::boxed(Waiting {
                    told: told.clone(),
                    until,
                    looks,
                });
                Step::Wait(Box::pin(hear(news, until.since(now), told)))
            }
        }
    }
}

async fn hear(news: Receiver<Told>, wait: Duration, told: Rc<RefCell<Option<Told>>>) {
    if let Ok(Ok(news)) = tokio::time::timeout(wait, news).await {
        *told.borrow_mut() = Some(news);
    }
}

impl Gate for CoalesceGate {
    fn name(&self) -> &'static str {
        "coalesce"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        if !CoalesceGate::concerns(x) {
            return Step::Go;
        }
        let client = x.head.get(deadline::HEADER).and_then(deadline::parse);
        let until = client.map_or(now + self.wait, |d| (x.start + d).min(now + self.wait));
        self.join(x, slot, 0, until, now)
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let mut taken = slot.take();
        let Some(waited) = taken.get::<Waiting>() else {
            return Step::Go;
        };
        let news = match waited.told.borrow_mut().take() {
            None => News::Late,
            Some(Told::Stored) => News::Stored,
            Some(Told::Alone) => News::Alone,
            Some(Told::Failed) => News::Failed,
            Some(Told::Lead(mut lead)) => {
                lead.since = now;
                x.flight = Some(lead);
                News::Lead
            }
        };
        let decision = match news {
            News::Stored => SHARED,
            News::Alone => ALONE,
            News::Failed => FAILED,
            News::Lead => LED,
            News::Late => LATE,
        };
        match next(news) {
            Next::Look => match self.shelf.shared(&x.head, now) {
                Some(reply) => {
                    self.tally.note(x, decision);
                    x.cache = CacheState::Hit;
                    Step::Answer(reply)
                }
                None if waited.looks + 1 < LOOKS && now < waited.until => {
                    self.join(x, slot, waited.looks + 1, waited.until, now)
                }
                None => Step::Go,
            },
            Next::Go => {
                self.tally.note(x, decision);
                Step::Go
            }
            Next::Fail => {
                self.tally.note(x, decision);
                let detail = format!(
                    "two requests to {} for the same failed one after the other; try again in a second",
                    self.name
                );
                Step::Answer(Reply::problem(503, "coalesce", &detail).with("Retry-After", "1"))
            }
        }
    }

    /// Who goes while it waits, or was just told to lead, leaves that to others.
    fn leave(&self, _facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        drop(slot.take());
    }
}
