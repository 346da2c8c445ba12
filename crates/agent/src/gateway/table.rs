//! All agents: who may come, who sees which instance, what goes into a window, and what there is to be said. Pure.

use super::agent::{Agent, Key, Known, MISSED, TELL, named};
use super::locks::Flights;
use super::place::Part;
use crate::message::{self, Instance, Message, Note};
use base::{InstanceIx, Nanos, Signal};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Agents known at once, silent ones among them.
pub const AGENTS: usize = 64;
/// Those without a word for so long are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Refusals that are told.
const REFUSALS: usize = 8;
const GOOD: Duration = crate::host::clock::GOOD;

#[derive(Default)]
pub struct Table {
    /// This run of the gateway.
    gateway: u64,
    known: Known,
    agents: BTreeMap<String, Agent>,
    /// Who speaks for an instance: the first that sees it.
    speaks: BTreeMap<Instance, String>,
    flights: Flights,
    refusals: VecDeque<(Nanos, String, String)>,
}

/// Why a message is not taken at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    Malformed(String),
    /// Another one of this name is there.
    Twin(String),
    Full,
}

/// What agents have for one window.
#[derive(Debug, Default, PartialEq)]
pub struct Second {
    pub cells: Vec<(String, InstanceIx, Part)>,
    pub signals: Vec<(String, InstanceIx, Signal, f64)>,
    /// Resources of which a part is out of sight: what is seen of them is no sum.
    pub withheld: BTreeSet<String>,
}

impl Table {
    pub fn new(gateway: u64) -> Table {
        Table {
            gateway,
            ..Table::default()
        }
    }

    /// The config's instances, as they are now.
    pub fn known(&mut self, known: Known) {
        if known != self.known {
            self.speaks.retain(|i, _| known.contains_key(i));
            self.known = known;
        }
    }

    /// What agents are told to look for.
    pub fn instances(&self) -> Vec<Instance> {
        self.known.keys().take(message::TARGETS).cloned().collect()
    }

    /// Ten times a second: what is in flight where agents look.
    pub fn flying(&mut self, now: Nanos, in_flight: &dyn Fn(InstanceIx) -> u32) {
        let watched = self.speaks.keys().filter_map(|i| self.known.get(i));
        let moment: BTreeMap<_, _> = watched.map(|ix| (*ix, in_flight(*ix))).collect();
        if !moment.is_empty() {
            self.flights.push(now, moment);
        }
    }

    /// Takes a message. `Ok(Some)` says why its reading is not used.
    pub fn take(&mut self, peer: &str, m: Message, now: Nanos) -> Result<Option<String>, Refused> {
        let admitted = message::check(&m)
            .map_err(Refused::Malformed)
            .and_then(|()| self.admit(&m, now));
        if let Err(refused) = admitted {
            self.refuse(peer, &refused.to_string(), now);
            return Err(refused);
        }
        let name = m.agent.clone();
        if let Some(reading) = &m.reading {
            self.hear_out(&name, &reading.seen, now);
        }
        let Some(agent) = self.agents.get_mut(&name) else {
            return Ok(None);
        };
        agent.peer = peer.to_owned();
        let speaks = &self.speaks;
        let mine = |i: &Instance| speaks.get(i) == Some(&name);
        let used = agent.take(m, self.gateway, now, &self.known, &self.flights, &mine);
        Ok(used.err())
    }

    fn admit(&mut self, m: &Message, now: Nanos) -> Result<(), Refused> {
        self.agents.retain(|_, a| now.since(a.heard) < FORGOTTEN);
        let room = self.agents.len() < AGENTS;
        match self.agents.get_mut(&m.agent) {
            Some(a) if a.run == m.run => {}
            Some(a) if a.is_silent(now) => a.restart(m.run),
            Some(a) => return Err(Refused::Twin(a.peer.clone())),
            None if room => {
                self.agents.insert(m.agent.clone(), Agent::new(m.run));
            }
            None => return Err(Refused::Full),
        }
        Ok(())
    }

    /// Somebody was not let in: told for a while.
    pub fn refuse(&mut self, peer: &str, why: &str, now: Nanos) {
        self.refusals.retain(|r| r.1 != peer);
        if self.refusals.len() == REFUSALS {
            self.refusals.pop_front();
        }
        self.refusals.push_back((now, peer.into(), why.into()));
    }

    /// Who sees an instance first speaks for it, until it is silent or sees it no more.
    fn hear_out(&mut self, name: &str, seen: &[Instance], now: Nanos) {
        let agents = &self.agents;
        self.speaks.retain(|i, by| match by == name {
            true => seen.contains(i),
            false => agents.get(by).is_some_and(|a| !a.is_silent(now)),
        });
        for i in seen.iter().filter(|i| self.known.contains_key(i)) {
            self.speaks.entry(i.clone()).or_insert(name.to_owned());
        }
    }

    /// Everything for the window of `second`, which closes now.
    pub fn close(&mut self, second: u64) -> Second {
        let mut all = Second::default();
        let mut missing: Vec<Key> = Vec::new();
        for (name, agent) in &mut self.agents {
            for s in agent.signals(second) {
                let (resource, ix) = match &s.instance {
                    None => (named(&s.resource, name), Some(InstanceIx::NONE)),
                    Some(i) => (s.resource.clone(), self.known.get(i).copied()),
                };
                all.signals
                    .extend(ix.map(|ix| (resource, ix, s.signal, s.value)));
            }
            let (parts, without) = agent.close(second);
            for ((resource, instance), part) in parts {
                match instance {
                    None => {
                        let resource = named(&resource, name);
                        all.cells.push((resource, InstanceIx::NONE, part));
                    }
                    Some(i) => {
                        let ix = self.known.get(&i).copied();
                        all.cells.extend(ix.map(|ix| (resource, ix, part)));
                    }
                }
            }
            missing.extend(without);
        }
        // Another agent may have taken over an instance meanwhile.
        let there = |resource: &str, ix: Option<InstanceIx>| {
            all.cells.iter().any(|c| c.0 == resource && Some(c.1) == ix)
        };
        let withheld = missing.into_iter().filter_map(|(resource, instance)| {
            let ix = self.known.get(&instance?).copied();
            (ix.is_some() && !there(&resource, ix)).then_some(resource)
        });
        all.withheld = withheld.collect();
        all.cells.retain(|c| !all.withheld.contains(&c.0));
        all.signals.retain(|c| !all.withheld.contains(&c.0));
        all
    }

    /// Addresses whose instances an agent sees.
    pub fn seen(&self) -> BTreeSet<&str> {
        self.speaks.keys().map(|i| i.address.as_str()).collect()
    }

    /// What there is to be said now.
    pub fn notes(&self, now: Nanos) -> Vec<Note> {
        let mut all = Vec::new();
        let mut say = |about: &str, text: String, blind: bool| {
            all.push(Note {
                probe: "agent".into(),
                about: about.into(),
                text,
                blind,
            });
        };
        for (name, a) in &self.agents {
            if a.is_silent(now) {
                say(name, silent(a, now), true);
                continue;
            }
            if a.off_by > GOOD {
                let ms = a.off_by.as_secs_f64() * 1e3;
                say(
                    name,
                    format!(
                        "its clock is known to {ms:.0} ms only (5 ms is good): what it tells may lie in the second beside"
                    ),
                    false,
                );
            }
            if let Some((_, text)) = a.trouble.as_ref().filter(|t| now.since(t.0) < TELL) {
                say(name, text.clone(), false);
            }
            for i in &a.seen {
                if let Some(other) = self.speaks.get(i).filter(|by| *by != name) {
                    let text = format!(
                        "{} is seen by `{other}` too: only that one counts",
                        i.address
                    );
                    say(name, text, false);
                }
            }
        }
        for (_, peer, why) in self.refusals.iter().filter(|r| now.since(r.0) < TELL) {
            say(peer, format!("an agent there was not let in: {why}"), false);
        }
        for (name, a) in self.agents.iter().filter(|a| !a.1.is_silent(now)) {
            // Every host but its own is elsewhere, and the gateway knows which instances nobody sees.
            let own = a.notes.iter().filter(|n| n.probe != "listeners");
            all.extend(own.map(|n| Note {
                about: format!("{name} {}", n.about).trim_end().to_owned(),
                ..n.clone()
            }));
        }
        all
    }

    /// Each agent, for `plimsoll status`.
    pub fn status(&self, now: Nanos) -> Value {
        let one = |(name, a): (&String, &Agent)| {
            let instances: Vec<&str> = a.seen.iter().map(|i| i.address.as_str()).collect();
            let mut resources: Vec<String> = a.tracks.keys().map(|k| resource(k, name)).collect();
            resources.dedup();
            json!({
                "name": name, "address": a.peer, "silent": a.is_silent(now),
                "age_s": now.since(a.heard).as_secs_f64(), "off_by_ms": a.off_by.as_secs_f64() * 1e3,
                "instances": instances, "resources": resources, "used": a.used, "unused": a.unused,
            })
        };
        self.agents.iter().map(one).collect()
    }
}

fn resource((resource, instance): &Key, agent: &str) -> String {
    match instance {
        None => named(resource, agent),
        Some(_) => resource.clone(),
    }
}

fn silent(a: &Agent, now: Nanos) -> String {
    let age = now.since(a.heard);
    let addresses: Vec<&str> = a.seen.iter().map(|i| i.address.as_str()).collect();
    let what = match addresses.is_empty() {
        true => "its host is".into(),
        false => format!("what serves at {} is", addresses.join(", ")),
    };
    let services: BTreeSet<&str> = a.seen.iter().map(|i| i.service.as_str()).collect();
    let of = Vec::from_iter(services).join(", ");
    let then = match age < MISSED && !of.is_empty() {
        true => {
            format!(", and the processor and memory of {of} are not told from the others alone")
        }
        false => String::new(),
    };
    format!(
        "no word for {} s: {what} not seen{then}; is `plimsoll agent` running on {}, and does it reach `agents.listen`?",
        age.as_secs(),
        a.peer
    )
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Malformed(what) => f.write_str(what),
            Refused::Twin(peer) => write!(
                f,
                "an agent of this name is connected from {peer}: give each host its own `--name`; after a restart it is \
                 let in within 5 s"
            ),
            Refused::Full => write!(f, "{AGENTS} agents are known already"),
        }
    }
}

#[cfg(test)]
mod tests;
