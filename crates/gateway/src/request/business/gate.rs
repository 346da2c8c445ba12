//! Numbers of the business as a gate: sees each answer that a service gave, before anybody changes it, and changes nothing.
//!
//! What Plimsoll itself answers (from a cache, a refusal, a 202 for a job) is no business done; the delivery of a job is.

use super::core::{ONE, Told, is_json, number};
use super::counts::Counts;
use super::json;
use crate::exchange::{Exchange, Facts, ResponseHead};
use crate::gate::{Gate, Making, Needs, Slot, Step};
use base::Nanos;
use config::sections::{Measure, Term};
use http1::Method;
use std::sync::Arc;

/// On routes that declare some.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    if m.route.business.is_empty() {
        return None;
    }
    // A route that is split among services counts as one.
    let route = m.undivided();
    let one = |measure: &Measure| Declared {
        place: match &measure.term {
            Term::Json(pointer) => json::parts(pointer),
            _ => Box::default(),
        },
        counts: Counts::of(m.kept, route, measure),
        measure: measure.clone(),
    };
    Some(Arc::new(BusinessGate {
        all: m.route.business.iter().map(one).collect(),
    }))
}

struct Declared {
    measure: Measure,
    /// Of a number in JSON.
    place: Box<[String]>,
    counts: Arc<Counts>,
}

struct BusinessGate {
    all: Box<[Declared]>,
}

/// A body in JSON on its way.
struct Reading {
    /// Bits of those whose number it tells.
    wanted: u32,
    body: Vec<u8>,
    /// It is longer than any of them reads.
    too_long: bool,
    most: usize,
}

impl Declared {
    /// What the head tells; `None`: the body will.
    fn head(&self, head: &ResponseHead<'_>, bodiless: bool) -> Option<Told> {
        let text = |name: &str| {
            head.get(name)
                .map(|v| std::str::from_utf8(v).unwrap_or("?"))
        };
        match &self.measure.term {
            Term::Answer => Some(Told::Number(ONE)),
            Term::Header(name) => Some(text(name).map_or(Told::Absent, number)),
            Term::Json(_) => {
                let json = head.get("content-type").is_some_and(is_json);
                let plain =
                    text("content-encoding").is_none_or(|e| e.eq_ignore_ascii_case("identity"));
                let long = head.length().is_some_and(|n| n > self.measure.max_body);
                match () {
                    () if bodiless || !json => Some(Told::Absent),
                    () if !plain || long => Some(Told::Unread),
                    () => None,
                }
            }
        }
    }
}

impl Gate for BusinessGate {
    fn name(&self) -> &'static str {
        "business"
    }

    fn needs(&self) -> Needs {
        Needs {
            answers: true,
            ..Needs::default()
        }
    }

    fn enter(&self, _x: &mut Exchange<'_>, _slot: &mut Slot, _now: Nanos) -> Step {
        Step::Go
    }

    fn answered(&self, x: &mut Exchange<'_>, slot: &mut Slot, head: ResponseHead<'_>) -> bool {
        // Nobody asked for what the cache fetches anew.
        if x.is_refresh {
            return false;
        }
        let bodiless = x.head.method() == Method::Head || head.length() == Some(0);
        let (mut wanted, mut most) = (0, 0);
        for (i, d) in self.all.iter().enumerate() {
            if !d.measure.wants(head.status()) {
                continue;
            }
            match d.head(&head, bodiless) {
                Some(told) => d.counts.add(told),
                None => {
                    wanted |= 1 << i;
                    most = most.max(d.measure.max_body);
                }
            }
        }
        if wanted == 0 {
            return false;
        }
        *slot = Slot::boxed(Reading {
            wanted,
            body: Vec::with_capacity(head.length().unwrap_or(0) as usize),
            too_long: false,
            most: most as usize,
        });
        true
    }

    fn payload(&self, slot: &mut Slot, data: &[u8]) {
        let Some(r) = slot.get::<Reading>().filter(|r| !r.too_long) else {
            return;
        };
        match r.body.len() + data.len() > r.most {
            true => (r.too_long, r.body) = (true, Vec::new()),
            false => r.body.extend_from_slice(data),
        }
    }

    /// The client has what it asked for.
    fn leave(&self, facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        let Some(r) = slot.get::<Reading>() else {
            return;
        };
        // An answer that something else took the place of is complete, and its body did not come.
        let whole = facts.complete && !r.too_long && !r.body.is_empty();
        let wanted = self
            .all
            .iter()
            .enumerate()
            .filter(|(i, _)| r.wanted >> i & 1 == 1);
        for (_, d) in wanted {
            let read = whole && r.body.len() as u64 <= d.measure.max_body;
            d.counts.add(match read {
                true => json::at(&r.body, &d.place),
                false => Told::Unread,
            });
        }
    }
}
