//! All objectives together: takes what was counted, says what changed, keeps the alerts.

use crate::alert::Context;
use crate::counts::Count;
use crate::keep::{MAX_NAMES, Row};
use crate::machine::Turn;
use crate::status::SloStatus;
use crate::tracked::Tracked;
use crate::{Alert, Kind, Objective, Severity, State};
use base::Grain;
use std::collections::BTreeSet;

/// Alerts that have ended and are still remembered; the oldest go first.
const MAX_PAST: usize = 200;

/// What came for one objective since the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    pub total: u64,
    pub bad: u64,
    /// Requests that have become hopelessly late and are not counted yet, as they have not ended.
    pub stuck: u64,
}

/// An alert that has begun or ended, by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub alert: String,
    pub turn: Turn,
}

#[derive(Default)]
pub struct Watch {
    tracked: Vec<Tracked>,
    /// Newest last.
    alerts: Vec<Alert>,
    /// Names in the order of the store.
    names: Vec<String>,
    now_ms: u64,
}

impl Watch {
    /// Takes the objectives of a configuration; those that stay keep their counts. Alerts of those that go end.
    pub fn objectives(&mut self, list: Vec<Objective>, now_ms: u64) -> Vec<Change> {
        let mut old = std::mem::take(&mut self.tracked);
        let timed = |o: &Objective| match o.kind {
            Kind::Latency { .. } => Some((o.scope, o.name.clone())),
            Kind::Availability => None,
        };
        let timed: BTreeSet<_> = list.iter().filter_map(timed).collect();
        for objective in list {
            if !self.names.contains(&objective.id) && self.names.len() < MAX_NAMES {
                self.names.push(objective.id.clone());
            }
            let kept = old.iter().position(|t| t.objective.id == objective.id);
            let mut tracked = match kept.map(|i| old.swap_remove(i)) {
                Some(tracked) => tracked,
                None => Tracked::new(objective.clone(), self.fires(&objective.id)),
            };
            let alone = !timed.contains(&(objective.scope, objective.name.clone()));
            tracked.promise(objective, alone);
            tracked.counts.add(now_ms, Count::default());
            self.tracked.push(tracked);
        }
        self.now_ms = self.now_ms.max(now_ms);
        let mut changes = Vec::new();
        let known: BTreeSet<&str> = (self.tracked.iter())
            .map(|t| t.objective.id.as_str())
            .collect();
        let gone =
            |a: &&mut Alert| a.state == State::Firing && !known.contains(a.objective.as_str());
        for alert in self.alerts.iter_mut().filter(gone) {
            end(
                alert,
                now_ms,
                "its objective was taken out of the configuration",
            );
            changes.push(Change {
                alert: alert.id.clone(),
                turn: Turn::Ends,
            });
        }
        changes
    }

    /// Whether the page and the ticket of an objective fire.
    fn fires(&self, objective: &str) -> [bool; 2] {
        Severity::ALL.map(|severity| {
            self.alerts.iter().any(|a| {
                a.objective == objective && a.severity == severity && a.state == State::Firing
            })
        })
    }

    /// Before `objectives`: what the store has.
    pub fn restore(&mut self, names: Vec<String>, mut alerts: Vec<Alert>) {
        alerts.sort_by_key(|a| a.started_ms);
        self.names = names;
        self.alerts = alerts;
    }

    /// After `objectives`: the rows of the store. What the coarse ones do not have yet is in the fine ones.
    pub fn rows(&mut self, rows: &[Row]) {
        let coarse: BTreeSet<u64> = rows
            .iter()
            .filter(|r| r.grain == Grain::Coarse)
            .map(|r| r.slot)
            .collect();
        for row in rows {
            let whole = row.slot * row.grain.slot_ms() / Grain::Coarse.slot_ms();
            for &(name, count) in &row.counts {
                let Some(id) = self.names.get(name as usize) else {
                    continue;
                };
                let Some(t) = self.tracked.iter_mut().find(|t| t.objective.id == *id) else {
                    continue;
                };
                t.counts.restore(row.grain, row.slot, count);
                if row.grain == Grain::Fine && !coarse.contains(&whole) {
                    t.counts.restore(Grain::Coarse, whole, count);
                }
            }
        }
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn list(&self) -> impl Iterator<Item = &Objective> {
        self.tracked.iter().map(|t| &t.objective)
    }

    /// Newest last.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    pub fn alerts_mut(&mut self) -> &mut [Alert] {
        &mut self.alerts
    }

    /// Takes what came up to now, and returns the slots that have closed. `come` is asked for each objective.
    pub fn push(&mut self, now_ms: u64, come: impl Fn(&Objective) -> Tick) -> Vec<Row> {
        let before = self.now_ms;
        self.now_ms = before.max(now_ms);
        let closed = [Grain::Fine, Grain::Coarse]
            .into_iter()
            .filter_map(|grain| {
                let slot = before / grain.slot_ms();
                (slot < self.now_ms / grain.slot_ms() && before > 0).then(|| self.row(grain, slot))
            });
        let closed = closed.filter(|r| !r.counts.is_empty()).collect::<Vec<_>>();
        for t in &mut self.tracked {
            t.push(self.now_ms, come(&t.objective));
        }
        closed
    }

    /// The slot under way, for a stop.
    pub fn open_row(&self) -> Row {
        self.row(Grain::Fine, self.now_ms / Grain::Fine.slot_ms())
    }

    fn row(&self, grain: Grain, slot: u64) -> Row {
        let of = |t: &Tracked| {
            let name = self.names.iter().position(|n| *n == t.objective.id)?;
            let count = t.counts.slot(grain, slot);
            (count.total > 0).then_some((name as u16, count))
        };
        Row {
            grain,
            slot,
            counts: self.tracked.iter().filter_map(of).collect(),
        }
    }

    /// Judges every objective. `context` is asked when an alert begins.
    pub fn evaluate(&mut self, context: impl Fn(&Objective) -> Context) -> Vec<Change> {
        let (now_ms, mut changes) = (self.now_ms, Vec::new());
        for t in &mut self.tracked {
            t.judge(now_ms);
            for severity in Severity::ALL {
                let Some(turn) = t.step(severity, now_ms) else {
                    continue;
                };
                if turn == Turn::Fires {
                    self.alerts
                        .push(t.alert(severity, now_ms, &context(&t.objective)));
                }
                let of = |a: &&mut Alert| {
                    a.objective == t.objective.id
                        && a.severity == severity
                        && a.state == State::Firing
                };
                let Some(alert) = self.alerts.iter_mut().rev().find(of) else {
                    continue;
                };
                if turn == Turn::Ends {
                    end(alert, now_ms, "the answers are good again");
                }
                changes.push(Change {
                    alert: alert.id.clone(),
                    turn,
                });
            }
        }
        changes
    }

    /// Forgets the oldest alerts that have ended; their ids.
    pub fn forget(&mut self) -> Vec<String> {
        let past = self
            .alerts
            .iter()
            .filter(|a| a.state == State::Resolved)
            .count();
        let mut surplus = past.saturating_sub(MAX_PAST);
        let mut gone = Vec::new();
        self.alerts.retain(|a| {
            let goes = surplus > 0 && a.state == State::Resolved;
            if goes {
                surplus -= 1;
                gone.push(a.id.clone());
            }
            !goes
        });
        gone
    }

    pub fn status(&self) -> Vec<SloStatus> {
        self.tracked.iter().map(|t| t.status(self.now_ms)).collect()
    }
}

fn end(alert: &mut Alert, now_ms: u64, why: &str) {
    alert.state = State::Resolved;
    alert.ended_ms = Some(now_ms);
    let took = base::units::Secs(now_ms.saturating_sub(alert.started_ms) as f64 / 1000.0);
    alert.summary = format!("over after {took}, {why}. It was: {}", alert.summary);
}
