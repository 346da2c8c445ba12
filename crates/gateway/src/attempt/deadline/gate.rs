//! The deadline as a gate: sets when the first byte must be there, refuses what is too late to begin, and passes on
//! what is left of the client's own time.

use super::core::{self, Kind};
use crate::exchange::{Exchange, Head, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use base::Nanos;
use std::sync::Arc;
use std::time::Duration;

/// On every route: the client may send a deadline even where the route has none.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    Some(Arc::new(DeadlineGate {
        first_byte: m.route.deadline.first_byte,
        service: m.service.name.clone(),
    }))
}

struct DeadlineGate {
    first_byte: Option<Duration>,
    service: Arc<str>,
}

fn kind(head: &Head<'_>) -> Kind {
    if head.is_upgrade() {
        return Kind::Upgrade;
    }
    match head.kind(http1::Kind::Accept) {
        Some(accept) if accept.starts_with(b"text/event-stream") => Kind::EventStream,
        _ => Kind::Plain,
    }
}

impl Gate for DeadlineGate {
    fn name(&self) -> &'static str {
        "deadline"
    }

    fn enter(&self, x: &mut Exchange<'_>, _slot: &mut Slot, now: Nanos) -> Step {
        let head = x.head;
        let ours = head.get(core::HEADER).and_then(core::parse);
        let grpc = head.get(core::GRPC_HEADER).and_then(core::parse_grpc);
        let client = ours.into_iter().chain(grpc).min();
        let start = x.start;
        x.deadline = core::first_byte(kind(&head), self.first_byte, client, start);
        let late = x.deadline.is_some_and(|d| now >= d);
        let left = client.map(|c| core::remaining(c, start, now));
        if late || left == Some(None) {
            let detail = format!("the deadline passed before {} could be asked", self.service);
            return Step::Answer(Reply::problem(504, "deadline", &detail));
        }
        if let Some(Some(left)) = left {
            if ours.is_some() {
                x.edits.set(core::HEADER, core::write(left).as_bytes());
            }
            if grpc.is_some() {
                x.edits
                    .set(core::GRPC_HEADER, core::write_grpc(left).as_bytes());
            }
        }
        Step::Go
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, edits};

    #[test]
    fn a_hop_gets_what_is_left_and_nothing_begins_too_late() {
        let mut b = Bench::default();
        b.now = Nanos(50_000_000);
        let gate = make(&b.making()).unwrap();
        let run = b.run(
            &*gate,
            "GET",
            "/",
            &[("plimsoll-deadline", "200"), ("grpc-timeout", "1S")],
        );
        assert_eq!(run.facts.deadline, Some(Nanos(200_000_000)));
        assert_eq!(
            edits(&run.facts.edits),
            ["set plimsoll-deadline: 149", "set grpc-timeout: 149m"]
        );
        let run = b.run(&*gate, "GET", "/", &[("plimsoll-deadline", "50")]);
        assert!(matches!(run.step, Step::Answer(r) if r.status == 504));
        let run = b.run(&*gate, "GET", "/", &[]);
        assert_eq!(run.facts.deadline, Some(Nanos(60_000_000_000)));
        assert!(run.facts.edits.is_empty());
        for stream in [("upgrade", "websocket"), ("accept", "text/event-stream")] {
            assert_eq!(
                b.run(&*gate, "GET", "/", &[stream]).facts.deadline,
                None,
                "{stream:?}"
            );
        }
    }
}
