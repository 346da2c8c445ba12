//! What goes between an agent and the gateway: one request a second with a reading, and the answer to it. JSON, so
//! that it can be read in a trace at night; the version is in the path.

use base::{Nanos, Signal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const PATH: &str = "/agent/v1/reading";
/// Largest message, either way, bytes.
pub const MESSAGE: usize = 256 << 10;
/// Most of each in one reading.
pub const COUNTERS: usize = 256;
pub const NOTES: usize = 64;
pub const SIGNALS: usize = 256;
pub const LOOKS: usize = 256;
pub const WAITERS: usize = 64;
/// Instances that an agent is told of.
pub const TARGETS: usize = 1024;
/// Longest name of an agent or a resource, and longest note, bytes.
pub const NAME: usize = 64;
pub const RESOURCE: usize = 128;
pub const NOTE: usize = 512;

/// An instance, as the gateway's config has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instance {
    pub service: String,
    pub address: String,
}

/// From an agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub agent: String,
    /// Drawn when the agent started: tells a restart, and two of one name.
    pub run: u64,
    /// Rises with every message of a run.
    pub seq: u64,
    /// Whose clock `at` is on, as the gateway said; 0: not known yet.
    pub gateway: u64,
    /// How far the estimate of that clock may be off, ns.
    pub off_by: u64,
    /// `None`: it only asks what time it is.
    pub reading: Option<Reading>,
}

/// What the probes said at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// On the gateway's clock.
    pub at: Nanos,
    /// Instances that are seen here.
    pub seen: Vec<Instance>,
    pub counters: Vec<Counter>,
    /// Of the second before.
    #[serde(default)]
    pub signals: Vec<Told>,
    pub looks: Vec<Look>,
    pub notes: Vec<Note>,
}

/// One resource: sums since the agent began to see it, and two levels as they are now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    pub resource: String,
    /// `None`: it is the whole host's.
    pub instance: Option<Instance>,
    /// Sums of different epochs have nothing to do with each other: the resource was out of sight between them.
    pub epoch: u32,
    pub busy: f64,
    pub waiting: Option<f64>,
    pub background: Option<f64>,
    pub capacity: Option<f64>,
    pub level: Option<f64>,
}

/// What the kernel told of a resource beside its use, over the second before: a share, or a number per second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub resource: String,
    /// `None`: it is the whole host's.
    pub instance: Option<Instance>,
    pub signal: Signal,
    pub value: f64,
}

/// Which threads of an instance waited at which futex, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    pub at: Nanos,
    pub instance: Instance,
    pub waiters: BTreeMap<u64, f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub probe: String,
    pub about: String,
    pub text: String,
    pub blind: bool,
}

/// From the gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Drawn when the gateway started: its clock begins anew.
    pub gateway: u64,
    /// When the message came and the reply went, on the gateway's clock.
    pub received: Nanos,
    pub sent: Nanos,
    /// Every instance of the config.
    pub instances: Vec<Instance>,
    /// Why the reading was not used.
    pub problem: Option<String>,
}

/// An error names what is wrong with a message that cannot be from a good agent.
pub fn check(m: &Message) -> Result<(), String> {
    if !is_name(&m.agent) {
        return Err(format!(
            "an agent's name has 1 to {NAME} letters, digits, `-`, `_` and `.`"
        ));
    }
    let Some(r) = &m.reading else { return Ok(()) };
    let too_many = [
        ("instances", r.seen.len(), COUNTERS),
        ("resources", r.counters.len(), COUNTERS),
        ("signals", r.signals.len(), SIGNALS),
        ("looks at waiters", r.looks.len(), LOOKS),
        ("notes", r.notes.len(), NOTES),
    ];
    if let Some((what, n, most)) = too_many.into_iter().find(|t| t.1 > t.2) {
        return Err(format!("{n} {what} in one reading: at most {most}"));
    }
    for c in &r.counters {
        if c.resource.len() > RESOURCE {
            return Err("the name of a resource is too long".into());
        }
        let optional = [c.waiting, c.background, c.capacity, c.level];
        let mut numbers = optional.into_iter().flatten().chain([c.busy]);
        if let Some(bad) = numbers.find(|v| !(v.is_finite() && *v >= 0.0)) {
            return Err(format!("{} is at {bad}: no such number", c.resource));
        }
    }
    for s in &r.signals {
        if s.resource.len() > RESOURCE {
            return Err("the name of a resource is too long".into());
        }
        if !(s.value.is_finite() && s.value >= 0.0) {
            let (what, v) = (s.signal.label(), s.value);
            return Err(format!("{what} of {} is {v}: no such number", s.resource));
        }
    }
    for look in &r.looks {
        if look.waiters.len() > WAITERS {
            return Err(format!("waiters at more than {WAITERS} addresses"));
        }
        if look.waiters.values().any(|n| !(0.0..1e6).contains(n)) {
            return Err("a number of waiters is no such number".into());
        }
    }
    let long = |n: &Note| [&n.probe, &n.about, &n.text].iter().any(|t| t.len() > NOTE);
    match r.notes.iter().any(long) {
        true => Err("a note is too long".into()),
        false => Ok(()),
    }
}

/// Whether agents may be called so.
pub fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=NAME).contains(&name.len()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(reading: Reading) -> Message {
        Message {
            agent: "web-2".into(),
            reading: Some(reading),
            ..Message::default()
        }
    }

    fn counter(busy: f64) -> Counter {
        Counter {
            resource: "cpu.shop".into(),
            busy,
            ..Counter::default()
        }
    }

    #[test]
    fn a_message_survives_the_way() {
        let m = message(Reading {
            at: Nanos(u64::MAX),
            counters: vec![counter(0.1)],
            looks: vec![Look {
                waiters: BTreeMap::from([(u64::MAX, 2.0)]),
                ..Look::default()
            }],
            ..Reading::default()
        });
        let text = serde_json::to_vec(&m).unwrap();
        assert_eq!(serde_json::from_slice::<Message>(&text).unwrap(), m);
        assert_eq!(check(&m), Ok(()));
    }

    #[test]
    fn what_no_good_agent_sends_is_named() {
        let says = |reading: Reading| check(&message(reading)).unwrap_err();
        let many = Reading {
            counters: vec![counter(0.0); COUNTERS + 1],
            ..Reading::default()
        };
        assert!(says(many).contains("257 resources"));
        for bad in [f64::NAN, -1.0, f64::INFINITY] {
            let reading = Reading {
                counters: vec![counter(bad)],
                ..Reading::default()
            };
            assert!(says(reading).contains("cpu.shop is at"));
        }
        for name in ["", "a b", "a/b", &"x".repeat(NAME + 1)] {
            let m = Message {
                agent: name.into(),
                ..Message::default()
            };
            assert!(check(&m).is_err(), "{name}");
        }
    }
}
