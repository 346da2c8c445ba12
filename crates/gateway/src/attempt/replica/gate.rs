//! The gate: looks at what is known, waits for a replica where that is worth it, and says from where the service shall read.

use super::core::{Asked, Choice, Look, Why, choose};
use crate::exchange::{Exchange, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::replicas::{Group, Groups, changes};
use crate::tally::Tally;
use crate::upstream::health::Members;
use base::Nanos;
use config::sections::{Consistency, MOST_DATABASES};
use std::sync::Arc;

/// How the service is told.
const READ_FROM: &str = "Plimsoll-Read-From";

/// Who answered reads; how many of the replica's had waited; why the primary did; and what was refused.
pub const NAMES: &[&str] = &["replica", "primary", "waited", "behind", "away", "refused"];
const REPLICA: usize = 0;
const PRIMARY: usize = 1;
const WAITED: usize = 2;
const BEHIND: usize = 3;
const AWAY: usize = 4;
const REFUSED: usize = 5;

/// On routes to services with a `replication`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let name = m.service.config.replication.as_deref()?;
    let rules = m.replications.iter().find(|r| r.name == name)?;
    let places = m.service.reads_from.iter();
    Some(Arc::new(ReplicaGate {
        level: level(m.route),
        writes: m.route.writes,
        group: m.kept.get("replication", Groups::default).of(rules),
        bound: places.map(|name| rules.place(name)).collect(),
        health: Members::of(m.kept, m.service),
        tally: Tally::of(m.kept, "replica", &m.route.name, NAMES),
    }))
}

/// Half of a bound is the cache's, where there is one.
fn level(route: &config::Route) -> Consistency {
    match route.consistency {
        Some(Consistency::Bounded(bound)) if route.cache.is_some() => {
            Consistency::Bounded(bound / 2)
        }
        level => level.unwrap_or(Consistency::Strong),
    }
}

struct ReplicaGate {
    level: Consistency,
    writes: Option<bool>,
    group: Arc<Group>,
    /// The database of each instance; empty: any instance reads from whichever.
    bound: Vec<Option<usize>>,
    health: Members,
    tally: Arc<Tally>,
}

impl ReplicaGate {
    /// Whether an instance that may be used reads from it.
    fn is_served(&self, database: usize, now: Nanos) -> bool {
        let mut bound = self.bound.iter().enumerate();
        self.bound.is_empty()
            || bound.any(|(i, d)| *d == Some(database) && self.health.usable(i, now))
    }

    fn go(&self, x: &mut Exchange<'_>, slot: &mut Slot, patient: bool, now: Nanos) -> Step {
        let mut looks = [Look::default(); MOST_DATABASES];
        let count = self.group.len().min(MOST_DATABASES);
        for (i, look) in looks[..count].iter_mut().enumerate() {
            let known = self.group.known(i);
            *look = Look {
                at: known.at,
                lag: known.lag(now),
                usable: known.is_replica(now) && self.is_served(i, now),
            };
        }
        let asked = Asked {
            level: self.level,
            writes: changes(self.writes, &x.head),
            seen: x.seen,
            patient: patient && !self.group.rules.max_wait.is_zero(),
            avoid: x.source.filter(|_| x.attempt > 1).map(|s| usize::from(s.0)),
            random: x.random(),
        };
        let (primary, last) = (self.group.primary(now), self.group.last_primary(now));
        let database = match choose(&asked, &looks[..count], primary, last) {
            Choice::Wait(of) => {
                *slot = Slot::Number(now.0);
                let reached = self.group.clone().reached(x.seen.at, of);
                let most = self.group.rules.max_wait;
                let most = x.deadline.map_or(most, |d| d.since(now).min(most));
                return Step::Wait(Box::pin(async move {
                    // In vain: the primary will do.
                    let _ = tokio::time::timeout(most, reached).await;
                }));
            }
            Choice::Refuse => {
                self.tally.note(x, REFUSED);
                let name = &self.group.rules.name;
                let detail = format!(
                    "no database of {name} that can be reached has what this request must see: its primary does not answer"
                );
                let reply = Reply::problem(503, "no-primary", &detail);
                return Step::Answer(reply.with("Retry-After", "1"));
            }
            Choice::Replica(i) => {
                self.tally.add(REPLICA);
                if !patient {
                    self.tally.note(x, WAITED);
                }
                x.source = Some((i as u8, false));
                i
            }
            Choice::Primary(i, why) => {
                if !asked.writes {
                    match why {
                        Why::Asked => self.tally.add(PRIMARY),
                        Why::Behind => self.tally.note(x, BEHIND),
                        Why::Away => self.tally.note(x, AWAY),
                    }
                }
                x.source = Some((i as u8, true));
                i
            }
        };
        let name = &self.group.rules.databases[database].name;
        x.edits.set(READ_FROM, name.as_bytes());
        Step::Go
    }
}

impl Gate for ReplicaGate {
    fn name(&self) -> &'static str {
        "replica"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        self.go(x, slot, true, now)
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        if let Slot::Number(since) = slot.take() {
            x.waited_ns += now.since(Nanos(since)).as_nanos() as u64;
        }
        self.go(x, slot, false, now)
    }
}
