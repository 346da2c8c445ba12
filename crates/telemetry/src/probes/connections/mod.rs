//! What TCP knows of our own connections: to clients (`peers.clients`) and to instances (`peers.<service>`).
//!
//! Use is the seconds per second in which the other side's closed window held something up: a delay, without a capacity.
//! Beside it, as signals: the share of time in which there was something to send, what part of that the receiver's window or
//! our own buffer held up, and the segments that were sent again. The kernel is asked by `sock_diag`, at most about a thousand
//! connections a second and round all of them; nothing is asked on the data path. Blind without netlink, and before Linux
//! 4.10; sums that go backwards belong to another connection and count for nothing.

mod diag;
mod dump;

use super::reader::{PATIENCE, Reader};
use super::{Probe, Reading};
use base::{InstanceIx, Nanos, Signal};
use config::Address;
use diag::{Answers, Conn, Info};
pub use dump::{AT_ONCE, Kernel};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections remembered.
const TRACKED: usize = 8192;
/// A party is told of from the first second in which so much of what it is sent is held up, or sent again.
const HELD: f64 = 0.05;
const AGAIN: f64 = 0.005;
/// Less than this share of the time says nothing about what held it up, and fewer segments nothing of losses.
const ENOUGH_BUSY: f64 = 0.005;
const ENOUGH_SENT: f64 = 20.0;
pub const CLIENTS: &str = "clients";

/// Who is at the other end: clients, or an instance.
type Party = InstanceIx;

/// What one party's connections did since the last reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    connections: f64,
    /// For how long they were not looked at, all together: what they did since is what they did in this time.
    seconds: f64,
    grown: Info,
}

/// One connection as it was seen last.
struct Seen {
    round: u64,
    at: Nanos,
    info: Info,
}

/// Differences of every connection's sums. Pure.
#[derive(Default)]
struct Account {
    seen: BTreeMap<u64, Seen>,
    round: u64,
    /// When the last whole round began, and when this one did.
    rounds: (Option<Nanos>, Option<Nanos>),
}

impl Account {
    fn take(
        &mut self,
        now: Nanos,
        answers: &Answers,
        who: impl Fn(&Conn) -> Option<Party>,
    ) -> BTreeMap<Party, Sum> {
        let mut sums: BTreeMap<Party, Sum> = BTreeMap::new();
        self.rounds.1.get_or_insert(now);
        for c in &answers.connections {
            let Some(party) = who(c) else { continue };
            let sum = sums.entry(party).or_default();
            sum.connections += 1.0;
            // What is not remembered would look new in every round.
            if self.seen.len() >= TRACKED && !self.seen.contains_key(&c.cookie) {
                continue;
            }
            let new = Seen {
                round: self.round,
                at: now,
                info: c.info,
            };
            let (before, then) = match (self.seen.insert(c.cookie, new), self.rounds.0) {
                (Some(s), _) => (s.info, s.at),
                // Made since we looked last: all of it is new.
                (None, Some(then)) if c.info.busy <= now.since(then).as_secs_f64() => {
                    (Info::default(), then)
                }
                (None, _) => continue,
            };
            sum.seconds += now.since(then).as_secs_f64();
            add(&mut sum.grown, &before, &c.info);
        }
        if answers.done {
            let round = self.round;
            self.seen.retain(|_, s| s.round == round);
            self.round += 1;
            self.rounds = (self.rounds.1.take(), None);
        }
        sums
    }
}

fn add(sum: &mut Info, before: &Info, after: &Info) {
    let grown = [
        after.busy - before.busy,
        after.receiver - before.receiver,
        after.buffer - before.buffer,
        after.sent - before.sent,
        after.again - before.again,
    ];
    if grown.iter().any(|g| *g < 0.0) {
        return;
    }
    sum.busy += grown[0];
    sum.receiver += grown[1];
    sum.buffer += grown[2];
    sum.sent += grown[3];
    sum.again += grown[4];
}

/// What the kernel answers, and how long ago.
type Ask = Box<dyn FnMut() -> Result<(Answers, Duration), String> + Send>;

pub struct ConnectionsProbe {
    ask: Ask,
    account: Account,
    last: Option<Nanos>,
    /// Parties of which something was to be told once.
    told: BTreeSet<Party>,
}

impl ConnectionsProbe {
    /// Asks on a thread of its own.
    pub fn new(mut kernel: Kernel) -> ConnectionsProbe {
        let mut reader = Reader::start("connections", move || kernel.look());
        ConnectionsProbe::of(Box::new(move || match &mut reader {
            Ok(r) => {
                r.ask();
                r.get(Instant::now() + PATIENCE)
            }
            Err(e) => Err(format!("no thread: {e}")),
        }))
    }

    fn of(ask: Ask) -> ConnectionsProbe {
        ConnectionsProbe {
            ask,
            account: Account::default(),
            last: None,
            told: BTreeSet::new(),
        }
    }
}

/// Signals of a party's second, where there is enough to tell them from.
fn signals(s: &Sum, elapsed: f64) -> Vec<(Signal, f64)> {
    let share = |a: f64, b: f64| (a / b.max(1e-12)).clamp(0.0, 1.0);
    let busy = share(s.grown.busy, s.seconds);
    let mut all = vec![(Signal::Sending, busy)];
    if s.grown.busy > ENOUGH_BUSY * elapsed {
        all.push((
            Signal::ReceiverLimited,
            share(s.grown.receiver, s.grown.busy),
        ));
        all.push((Signal::BufferLimited, share(s.grown.buffer, s.grown.busy)));
    }
    if s.grown.sent >= ENOUGH_SENT {
        all.push((Signal::Retransmits, share(s.grown.again, s.grown.sent)));
    }
    all
}

/// Whether there is something to be told.
fn matters(s: &Sum, elapsed: f64) -> bool {
    let busy = s.grown.busy > ENOUGH_BUSY * elapsed;
    let held = s.grown.receiver.max(s.grown.buffer) > HELD * s.grown.busy;
    busy && held || s.grown.sent >= ENOUGH_SENT && s.grown.again > AGAIN * s.grown.sent
}

impl Probe for ConnectionsProbe {
    fn name(&self) -> &'static str {
        "connections"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let (answers, now) = match (self.ask)() {
            Ok((answers, ago)) => (answers, r.now - ago),
            Err(why) => {
                let text = format!("{why}: what holds connections up is not seen");
                r.blind("connections", "", text);
                return;
            }
        };
        let targets = r.targets;
        let instances = targets.instances.iter().filter_map(|t| match &t.address {
            Address::Ip(at) => Some((canonical(*at), t.instance)),
            Address::Unix(_) => None,
        });
        let instances: BTreeMap<SocketAddr, Party> = instances.collect();
        let who = |c: &Conn| match instances.get(&c.peer) {
            Some(i) => Some(*i),
            None => targets
                .ports
                .contains(&c.local.port())
                .then_some(InstanceIx::NONE),
        };
        let sums = self.account.take(now, &answers, who);
        let Some(then) = self.last.replace(now) else {
            return;
        };
        let elapsed = now.since(then).as_secs_f64();
        if elapsed <= 0.0 {
            return;
        }
        for (party, s) in &sums {
            if matters(s, elapsed) {
                self.told.insert(*party);
            }
        }
        for party in &self.told {
            let service = targets.instances.iter().find(|t| t.instance == *party);
            let name = match service {
                Some(t) if t.service != CLIENTS => format!("peers.{}", t.service),
                None if party.is_none() => format!("peers.{CLIENTS}"),
                _ => continue,
            };
            let s = sums.get(party).copied().unwrap_or_default();
            if let Some(c) = r.cell(&name, *party, s.grown.receiver / elapsed, None) {
                // Requests are all that is sent.
                c.background = Some(0.0);
            }
            if s.connections > 0.0 {
                for (signal, v) in signals(&s, elapsed) {
                    r.signal(&name, *party, signal, v);
                }
            }
        }
    }
}

fn canonical(at: SocketAddr) -> SocketAddr {
    SocketAddr::new(at.ip().to_canonical(), at.port())
}

#[cfg(test)]
mod tests;
