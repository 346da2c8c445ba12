//! The side that runs beside the instances: reads, adds up, sends, and asks what time it is. One thread, no queue: what
//! cannot be sent is dropped, and the next reading has it in its sums.

pub mod clock;
pub mod meter;
pub mod probes;
pub mod retry;
pub mod send;
pub mod share;

use crate::message::{Message, Reply};
use base::Nanos;
use base::clock::Clock;
use clock::{Clocks, Estimate, Exchange, GOOD};
use probes::Probes;
use retry::Retry;
use send::{Failed, Sender};
use std::net::IpAddr;
use std::time::Duration;
use telemetry::probes::Proc;

/// How often waiters are looked at, and how often a new gateway is asked for the time.
const TICK: Duration = Duration::from_millis(100);
const SECOND: u64 = 1_000_000_000;
/// Quick questions to a gateway that is new to us.
const QUESTIONS: u32 = 8;

pub struct Options {
    pub sender: Sender,
    pub name: String,
    /// Addresses that lead to this host beside those of its interfaces.
    pub also: Vec<IpAddr>,
    /// Drawn by the caller.
    pub run: u64,
    /// Numbers from 0 to 1.
    pub luck: Box<dyn FnMut() -> f64>,
}

/// Goes on for ever.
pub fn run(options: Options) -> ! {
    let mut host = Host {
        probes: Probes::new(&Proc::host(), options.also),
        clocks: Clocks::default(),
        retry: Retry::default(),
        sender: options.sender,
        luck: options.luck,
        clock: Clock::start(),
        name: options.name,
        run: options.run,
        seq: 0,
        questions: QUESTIONS,
        said: String::new(),
    };
    let mut second = 0;
    loop {
        let now = host.clock.now();
        host.probes.look(now);
        let at_gateway = host.at_gateway(now).0;
        if at_gateway / SECOND != second {
            second = at_gateway / SECOND;
            host.read();
        } else if host.questions > 0 && host.retry.may(now) {
            host.questions -= 1;
            host.send(None);
        }
        std::thread::sleep(host.until_next_tick());
    }
}

struct Host {
    probes: Probes,
    clocks: Clocks,
    retry: Retry,
    sender: Sender,
    luck: Box<dyn FnMut() -> f64>,
    clock: Clock,
    name: String,
    run: u64,
    seq: u64,
    questions: u32,
    /// The last trouble that was told: once is enough.
    said: String,
}

impl Host {
    /// Until the gateway is known, by our own clock.
    fn at_gateway(&self, here: Nanos) -> Nanos {
        let known = self.clocks.estimate(here);
        known.map_or(here, |e| e.at_gateway(here))
    }

    /// Ticks are at whole tenths of the gateway's seconds.
    fn until_next_tick(&self) -> Duration {
        let at = self.at_gateway(self.clock.now()).0;
        let tick = TICK.as_nanos() as u64;
        Duration::from_nanos(tick - at % tick)
    }

    fn read(&mut self) {
        let now = self.clock.now();
        let estimate = self.clocks.estimate(now);
        let reading = self.probes.read(now, estimate);
        if self.retry.may(now) {
            self.send(estimate.is_some().then_some(reading));
        }
    }

    fn send(&mut self, reading: Option<crate::message::Reading>) {
        self.seq += 1;
        let asked = self.clock.now();
        let estimate: Option<Estimate> = self.clocks.estimate(asked);
        let message = Message {
            agent: self.name.clone(),
            run: self.run,
            seq: self.seq,
            gateway: self.clocks.gateway(),
            off_by: estimate.map_or(0, |e| e.off_by.as_nanos() as u64),
            reading,
        };
        match self.sender.send(&message, || self.clock.now()) {
            Ok((reply, asked, answered)) => self.answered(reply, asked, answered),
            Err(why) => self.failed(&why),
        }
    }

    fn answered(&mut self, reply: Reply, asked: Nanos, answered: Nanos) {
        self.retry.succeeded();
        if reply.gateway != self.clocks.gateway() {
            tracing::info!("connected to the gateway at {}", self.sender.url());
            self.questions = QUESTIONS;
        }
        let exchange = Exchange {
            asked,
            answered,
            received: reply.received,
            sent: reply.sent,
        };
        if self.clocks.take(reply.gateway, exchange) {
            tracing::warn!("a clock has jumped: the gateway's time is estimated anew");
            self.questions = QUESTIONS;
        }
        self.probes.told(&reply.instances, answered);
        let off_by = self.clocks.estimate(answered).map(|e| e.off_by);
        let trouble = match (reply.problem, off_by) {
            (Some(problem), _) => format!("the gateway did not use a reading: {problem}"),
            (None, Some(off)) if off > GOOD && self.questions == 0 => format!(
                "the way to the gateway is too long or unsteady: its time is known to {} ms only",
                off.as_millis()
            ),
            _ => String::new(),
        };
        self.say(trouble);
    }

    fn failed(&mut self, why: &Failed) {
        let wait = self.retry.failed(self.clock.now(), (self.luck)());
        self.say(format!("{why}"));
        tracing::debug!("next try in {} ms", wait.as_millis());
    }

    fn say(&mut self, trouble: String) {
        if trouble != self.said && !trouble.is_empty() {
            tracing::warn!("{trouble}");
        }
        self.said = trouble;
    }
}
