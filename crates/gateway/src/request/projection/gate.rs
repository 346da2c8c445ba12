//! The gate.

use super::positions::Positions;
use crate::exchange::{Exchange, Outgoing, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::tally::Tally;
use base::Nanos;
use config::sections::Awaited;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::watch;

/// The position that a request must see.
const POSITION: &str = "plimsoll-position";
/// Requests of one route that wait at once; more are as those that waited in vain.
const WAITING: usize = 4096;

const NAMES: &[&str] = &["waited", "stale"];
const WAITED: usize = 0;
const STALE: usize = 1;

/// On routes with a `projection`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = m.route.projection.clone()?;
    let positions = m.kept.get("projections", Positions::default);
    Some(Arc::new(ProjectionGate {
        now: positions.of(&rules.name),
        rules,
        // Told to through here as long as the route is there.
        _positions: positions,
        waiting: Arc::default(),
        tally: Tally::of(m.kept, "projection", &m.route.name, NAMES),
    }))
}

struct ProjectionGate {
    rules: Awaited,
    now: watch::Receiver<u64>,
    _positions: Arc<Positions>,
    waiting: Arc<AtomicUsize>,
    tally: Arc<Tally>,
}

/// One that waits.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl ProjectionGate {
    fn is_at(&self, position: u64) -> bool {
        *self.now.borrow() >= position
    }

    fn place(&self) -> Option<Place> {
        let before = self.waiting.fetch_add(1, Relaxed);
        let place = Place(self.waiting.clone());
        (before < WAITING).then_some(place)
    }

    fn stale(&self, x: &mut Exchange<'_>, slot: &mut Slot, position: u64) -> Step {
        self.tally.note(x, STALE);
        let now = *self.now.borrow();
        if self.rules.pass {
            *slot = Slot::Number(position.saturating_sub(now));
            return Step::Go;
        }
        let detail = format!(
            "`{}` has seen events up to position {now}, and the request must see {position}; try again",
            self.rules.name
        );
        Step::Answer(Reply::problem(503, "projection-behind", &detail).with("Retry-After", "1"))
    }
}

fn asked(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

impl Gate for ProjectionGate {
    fn name(&self) -> &'static str {
        "projection"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, _now: Nanos) -> Step {
        let Some(value) = x.head.get(POSITION) else {
            return Step::Go;
        };
        let Some(position) = asked(value) else {
            let detail = "Plimsoll-Position is the whole number that an append was answered";
            return Step::Answer(Reply::problem(400, "projection-position", detail));
        };
        if self.is_at(position) {
            return Step::Go;
        }
        let Some(place) = self.place() else {
            return self.stale(x, slot, position);
        };
        let (mut now, wait) = (self.now.clone(), self.rules.max_wait);
        *slot = Slot::Pair(position, 0);
        Step::Wait(Box::pin(async move {
            let _place = place;
            let _ = tokio::time::timeout(wait, now.wait_for(|now| *now >= position)).await;
        }))
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, _now: Nanos) -> Step {
        let Slot::Pair(position, _) = slot.take() else {
            return Step::Go;
        };
        match self.is_at(position) {
            true => {
                self.tally.note(x, WAITED);
                Step::Go
            }
            false => self.stale(x, slot, position),
        }
    }

    /// How many events it lacks, for who passed without them.
    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        if let Slot::Number(behind) = slot {
            out.edits
                .append("Plimsoll-Stale", behind.to_string().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, header};
    use std::time::Duration;

    fn bench(pass: bool) -> (Bench, Arc<dyn Gate>, Arc<Positions>) {
        let mut b = Bench::default();
        b.route.projection = Some(Awaited {
            max_wait: Duration::from_millis(20),
            pass,
            ..Awaited::named("view")
        });
        let gate = make(&b.making()).unwrap();
        let positions = b.kept.get("projections", Positions::default);
        (b, gate, positions)
    }

    fn wait(step: Step) {
        let Step::Wait(ticket) = step else {
            panic!("it does not wait")
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(ticket);
    }

    fn enter(b: &Bench, gate: &dyn Gate, position: &str) -> crate::testing::Run {
        b.run(gate, "GET", "/", &[("Plimsoll-Position", position)])
    }

    #[test]
    fn a_request_waits_for_what_it_must_see() {
        let (b, gate, positions) = bench(false);
        assert!(matches!(b.run(&*gate, "GET", "/", &[]).step, Step::Go));
        positions.tell("view", 5);
        assert!(matches!(enter(&b, &*gate, "5").step, Step::Go));
        let mut run = enter(&b, &*gate, "6");
        let step = std::mem::replace(&mut run.step, Step::Go);
        let teller = std::thread::spawn(move || positions.tell("view", 7));
        wait(step);
        teller.join().unwrap();
        // Whether the news came before the end of the wait or not: it is there now.
        let now = b.now;
        assert!(matches!(b.resume(&*gate, &mut run, now), Step::Go));
    }

    #[test]
    fn who_waits_in_vain_is_refused_or_told() {
        for pass in [false, true] {
            let (b, gate, positions) = bench(pass);
            positions.tell("view", 5);
            let mut run = enter(&b, &*gate, "9");
            wait(std::mem::replace(&mut run.step, Step::Go));
            let now = b.now;
            match b.resume(&*gate, &mut run, now) {
                Step::Answer(reply) if !pass => {
                    assert_eq!((reply.status, reply.reason), (503, "projection-behind"));
                    assert_eq!(header(&reply, "Retry-After"), "1");
                }
                Step::Go if pass => assert!(matches!(run.slot, Slot::Number(4))),
                _ => panic!("with pass {pass}"),
            }
        }
        let (b, gate, _) = bench(true);
        for text in ["", "-1", "x", "99999999999999999999999"] {
            let Step::Answer(reply) = enter(&b, &*gate, text).step else {
                panic!("{text}")
            };
            assert_eq!(reply.status, 400);
        }
    }

    #[test]
    fn one_that_is_built_again_is_behind_again() {
        let (b, gate, positions) = bench(false);
        positions.tell("view", 5);
        positions.tell("view", 1);
        assert!(matches!(enter(&b, &*gate, "5").step, Step::Wait(_)));
    }
}
