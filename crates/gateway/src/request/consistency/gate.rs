//! The gate: reads the cookie, has the answer wait for a sample where something was written, and sets the cookie.

use crate::attempt::split::cookie;
use crate::exchange::{Exchange, Outgoing, ResponseHead};
use crate::gate::{Gate, Making, Needs, Settle, Slot, Step, Ticket};
use crate::replicas::{Group, Groups, Position, Seen, changes};
use base::Nanos;
use config::sections::Consistency;
use http1::Kind;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How a service says exactly what it has committed; clients never see it.
const COMMIT: &str = "Plimsoll-Commit";
/// What the cookie's name begins with.
const COOKIE: &str = "plimsoll-seen-";
/// A primary that takes longer to say where it is leaves the session with it.
const SAMPLE: Duration = Duration::from_millis(250);

/// On routes to services with a `replication`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let name = m.service.config.replication.as_deref()?;
    let rules = m.replications.iter().find(|r| r.name == name)?;
    Some(Arc::new(ConsistencyGate {
        level: m.route.consistency.unwrap_or(Consistency::Strong),
        writes: m.route.writes,
        cookie: format!("{COOKIE}{name}").into(),
        // With one replica there is nothing to stay with.
        several: rules.databases.len() > 2,
        group: m.kept.get("replication", Groups::default).of(rules),
    }))
}

struct ConsistencyGate {
    level: Consistency,
    writes: Option<bool>,
    cookie: Box<str>,
    several: bool,
    group: Arc<Group>,
}

/// One request.
struct Here {
    /// As the client has it.
    before: Option<Seen>,
    after: Seen,
    step: Sampling,
}

enum Sampling {
    NotYet,
    Waits(Rc<Cell<Option<Position>>>),
    Done,
}

impl ConsistencyGate {
    fn read(&self, x: &Exchange<'_>) -> Option<Seen> {
        let mut seen: Option<Seen> = None;
        x.head.each(|name, value| {
            if http1::classify(name) != Kind::Cookie {
                return;
            }
            let value = cookie(value, |n| n == self.cookie.as_bytes());
            let read = value.and_then(|v| Seen::read(v, |name| self.group.rules.place(name)));
            seen = match (seen, read) {
                (Some(a), Some(b)) => Some(a.join(b)),
                (a, b) => a.or(b),
            };
        });
        seen
    }

    /// Asks for a sample that begins now.
    fn sample(&self, here: &mut Here) -> Ticket {
        let (next, found) = (self.group.sampler.next(), Rc::new(Cell::new(None)));
        here.step = Sampling::Waits(found.clone());
        Box::pin(async move {
            if let Ok(Ok(at)) = tokio::time::timeout(SAMPLE, next).await {
                found.set(Some(at));
            }
        })
    }

    /// What the answer's database means for the session; a ticket when that must be asked.
    fn learn(&self, x: &Exchange<'_>, here: &mut Here, head: &ResponseHead<'_>) -> Option<Ticket> {
        here.step = Sampling::Done;
        let told = head.get(COMMIT).and_then(Position::told);
        if let Some(at) = told {
            here.after = here.after.committed(at);
            return None;
        }
        // A text that cannot be read is as good as none.
        if head.get(COMMIT).is_some() || changes(self.writes, &x.head) {
            return Some(self.sample(here));
        }
        let follows = matches!(self.level, Consistency::Session | Consistency::Strong);
        match x.source {
            Some((_, true)) if follows => Some(self.sample(here)),
            Some((database, false))
                if self.several && !matches!(self.level, Consistency::Bounded(_)) =>
            {
                here.after = here.after.read_from(usize::from(database));
                None
            }
            _ => None,
        }
    }

    fn line(&self, seen: &Seen, secure: bool) -> String {
        let name = |i: usize| self.group.rules.databases.get(i).map(|d| d.name.clone());
        let secure = if secure { "; Secure" } else { "" };
        let value = seen.write(name);
        format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}",
            self.cookie
        )
    }
}

impl Gate for ConsistencyGate {
    fn name(&self) -> &'static str {
        "consistency"
    }

    fn needs(&self) -> Needs {
        Needs {
            settles: true,
            ..Needs::default()
        }
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, _now: Nanos) -> Step {
        let before = self.read(x);
        x.seen = before.unwrap_or_default();
        *slot = Slot::boxed(Here {
            before,
            after: x.seen,
            step: Sampling::NotYet,
        });
        Step::Go
    }

    fn settle(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        head: ResponseHead<'_>,
        _now: Nanos,
    ) -> Settle {
        let Some(here) = slot.get::<Here>() else {
            return Settle::Go;
        };
        match std::mem::replace(&mut here.step, Sampling::Done) {
            Sampling::NotYet => match self.learn(x, here, &head) {
                Some(ticket) => Settle::Wait(ticket),
                None => Settle::Go,
            },
            Sampling::Waits(found) => {
                match found.take() {
                    Some(at) => here.after = here.after.sampled(at),
                    None => {
                        self.group.samples[1].fetch_add(1, Relaxed);
                        here.after.unknown = true;
                    }
                }
                Settle::Go
            }
            Sampling::Done => Settle::Go,
        }
    }

    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        if out.head.get(COMMIT).is_some() {
            out.edits.drop(COMMIT);
        }
        let Some(here) = slot.get::<Here>() else {
            return;
        };
        let nothing = here.before.is_none() && here.after == Seen::default();
        if !nothing && here.before != Some(here.after) {
            let line = self.line(&here.after, x.secure);
            out.edits.append("Set-Cookie", line.as_bytes());
        }
    }
}
