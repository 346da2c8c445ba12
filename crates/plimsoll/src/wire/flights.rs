//! When requests were in a service: taken down for some seconds when somebody asks, for a profile to be split by. Otherwise
//! nothing is done but one look at a flag for some samples together.

use base::clock::Clock;
use base::{Finding, InstanceIx, Names, Nanos, Outcome, Sample, SampleKind};
use console::AskFlights;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use telemetry::InstanceTarget;

/// Of one taking; more are counted.
const FLIGHTS: usize = 200_000;
/// Longest taking: two minutes of samples, and what lies around them.
pub const LONGEST_S: u64 = 122;
/// A request is known when it has ended: those that are in flight at the end of the taking are waited for so long.
const TAIL: Duration = Duration::from_secs(2);
/// Then it is kept for whoever asked, before another one takes its place.
const KEPT: Duration = Duration::from_secs(3);

/// One attempt: numbers of its route and of its instance among those of the service, and nanoseconds of `CLOCK_MONOTONIC` at its start
/// and end.
type Flight = (u16, usize, u64, u64);

#[derive(Clone)]
struct Taking {
    id: u64,
    service: String,
    instances: Vec<InstanceIx>,
    /// What our own clock is behind `CLOCK_MONOTONIC`, nanoseconds.
    zero: u64,
    from: Nanos,
    to: Nanos,
    flights: Vec<Flight>,
    /// There was no room from then on.
    full: Option<Nanos>,
}

#[derive(Default)]
struct Shared {
    on: AtomicBool,
    taking: Mutex<Option<Taking>>,
}

/// Handed to telemetry's thread and to the console.
#[derive(Clone, Default)]
pub struct Flights(Arc<Shared>);

/// What the console asks.
pub struct Asked {
    pub flights: Flights,
    pub names: Names,
    pub clock: Clock,
    pub instances: Box<dyn Fn() -> Vec<InstanceTarget> + Send + Sync>,
}

impl Flights {
    fn taking(&self) -> MutexGuard<'_, Option<Taking>> {
        self.0.taking.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// On telemetry's thread.
    pub fn hear(&self, samples: &[Sample], now: impl FnOnce() -> Nanos) {
        if !self.0.on.load(Ordering::Acquire) {
            return;
        }
        let now = now();
        let mut taking = self.taking();
        let Some(t) = &mut *taking else { return };
        samples.iter().for_each(|s| t.hear(s));
        if now >= t.to + TAIL {
            self.0.on.store(false, Ordering::Release);
        }
    }
}

impl Taking {
    fn hear(&mut self, s: &Sample) {
        let Some(instance) = self.instances.iter().position(|i| *i == s.instance) else {
            return;
        };
        let counts = s.kind == SampleKind::Attempt && s.outcome != Outcome::Stream;
        let start = s.start + Duration::from_micros(u64::from(s.wait_us));
        if !counts || s.end < self.from || start >= self.to || start >= s.end {
            return;
        }
        if self.flights.len() == FLIGHTS {
            self.full.get_or_insert(s.end);
            return;
        }
        let raw = |at: Nanos| at.0.saturating_add(self.zero);
        self.flights
            .push((s.route.0, instance, raw(start), raw(s.end)));
    }
}

impl Asked {
    /// Now, and what our own clock is behind `CLOCK_MONOTONIC`: the least of some readings, as a thread may be put aside between two clocks.
    fn zero(&self) -> (Nanos, u64) {
        let read = || {
            let now = self.clock.now();
            (now, profile::now().saturating_sub(now.0))
        };
        let all = [read(), read(), read(), read()];
        let zero = all.iter().map(|(_, z)| *z).min();
        (all[3].0, zero.unwrap_or_default())
    }
}

fn refused(code: &str, what: String, help: &str) -> Vec<Finding> {
    vec![Finding::error(code, what).help(help)]
}

impl console::Flights for Asked {
    fn start(&self, ask: &AskFlights) -> Result<Value, Vec<Finding>> {
        if !(1..=LONGEST_S).contains(&ask.seconds) {
            return Err(refused(
                "flights-seconds",
                format!("{} seconds cannot be taken", ask.seconds),
                &format!("ask for 1 to {LONGEST_S}"),
            ));
        }
        let all = (self.instances)();
        let mine: Vec<&InstanceTarget> = all.iter().filter(|t| t.service == ask.service).collect();
        if mine.is_empty() {
            let known: BTreeSet<&str> = all.iter().map(|t| t.service.as_str()).collect();
            return Err(refused(
                "flights-service",
                format!("there is no service `{}`", ask.service),
                &format!(
                    "name one of {}",
                    known.into_iter().collect::<Vec<_>>().join(", ")
                ),
            ));
        }
        let mut taking = self.flights.taking();
        let (now, zero) = self.zero();
        if let Some(t) = taking.as_ref().filter(|t| now < t.to + TAIL + KEPT) {
            return Err(refused(
                "flights-busy",
                format!(
                    "the requests of {} are being taken down for another profile",
                    t.service
                ),
                "try again some seconds after it has ended: one is taken at a time",
            ));
        }
        // In milliseconds: JSON has whole numbers up to 2⁵³.
        let id = now.0 / 1_000_000;
        *taking = Some(Taking {
            id,
            service: ask.service.clone(),
            instances: mine.iter().map(|t| t.instance).collect(),
            zero,
            from: now,
            to: now + Duration::from_secs(ask.seconds),
            flights: Vec::new(),
            full: None,
        });
        self.flights.0.on.store(true, Ordering::Release);
        let addresses: Vec<String> = mine.iter().map(|t| t.address.to_string()).collect();
        Ok(json!({ "id": id, "service": ask.service, "instances": addresses }))
    }

    fn stop(&self, id: u64) -> Result<Value, Vec<Finding>> {
        let mut taking = self.flights.taking();
        let now = self.clock.now();
        match taking.as_mut().filter(|t| t.id == id) {
            // Whoever asked has had it.
            Some(t) if now >= t.to + TAIL => {
                self.flights.0.on.store(false, Ordering::Release);
                *taking = None;
            }
            Some(t) => t.to = t.to.min(now),
            None => {
                let help = "see `GET /api/v1/flights` for the one that is";
                return Err(refused(
                    "flights-unknown",
                    format!("{id} is not being taken"),
                    help,
                ));
            }
        }
        Ok(json!({ "stopped": id }))
    }

    fn taken(&self) -> Option<Value> {
        let taking = self.flights.taking();
        let t = taking.as_ref()?;
        if self.clock.now() < t.to + TAIL {
            return Some(json!({ "id": t.id, "service": t.service, "done": false }));
        }
        // Telemetry's thread is not kept waiting while it becomes text.
        let t = t.clone();
        drop(taking);
        let routes: Vec<String> = self
            .names
            .routes
            .all()
            .iter()
            .map(ToString::to_string)
            .collect();
        let raw = |at: Nanos| at.0.saturating_add(t.zero);
        let to = t.full.map_or(t.to, |full| full.min(t.to));
        Some(json!({
            "id": t.id, "service": t.service, "done": true, "from": raw(t.from), "to": raw(to), "full": t.full.is_some(),
            "routes": routes, "flights": t.flights,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::RouteIx;
    use console::Flights as _;

    fn asked() -> Asked {
        let names = Names::default();
        names.routes.intern("home");
        let target = |service: &str, n| InstanceTarget {
            service: service.into(),
            instance: InstanceIx(n),
            address: config::Address::Ip(([127, 0, 0, 1], 80 + n).into()),
            pid: None,
        };
        Asked {
            flights: Flights::default(),
            names,
            clock: Clock::start(),
            instances: Box::new(move || vec![target("app", 0), target("pay", 1)]),
        }
    }

    fn ask(service: &str, seconds: u64) -> AskFlights {
        AskFlights {
            service: service.into(),
            seconds,
        }
    }

    #[test]
    fn attempts_of_the_service_are_taken_down_while_it_is_asked_for() {
        let a = asked();
        let sample = |kind, instance, start: Nanos, ms: u64| Sample {
            instance: InstanceIx(instance),
            wait_us: 1000,
            end: start + Duration::from_millis(ms),
            ..Sample::new(kind, RouteIx(0), start)
        };
        a.flights
            .hear(&[sample(SampleKind::Attempt, 0, a.clock.now(), 5)], || {
                a.clock.now()
            });
        assert!(a.taken().is_none());

        let told = a.start(&ask("app", 1)).unwrap();
        assert_eq!(told["instances"], json!(["127.0.0.1:80"]));
        let now = a.clock.now();
        let heard = [
            sample(SampleKind::Attempt, 0, now, 5),
            sample(SampleKind::Request, 0, now, 5),
            sample(SampleKind::Attempt, 1, now, 5),
            sample(SampleKind::Attempt, 0, now + Duration::from_secs(2), 5),
        ];
        a.flights.hear(&heard, || now);
        assert_eq!(a.taken().unwrap()["done"], json!(false));
        let busy = a.start(&ask("pay", 1)).unwrap_err();
        assert_eq!(busy[0].code, "flights-busy");
        {
            let mut taking = a.flights.taking();
            let t = taking.as_mut().unwrap();
            assert_eq!(t.flights.len(), 1);
            let (route, instance, start, end) = t.flights[0];
            assert_eq!((route, instance, end - start), (0, 0, 4_000_000));
            let off = start.abs_diff(profile::now() - a.clock.now().0 + now.0 + 1_000_000);
            assert!(off < 50_000_000, "on the machine's clock: {off}");
            // As if its time were over.
            (t.from, t.to) = (Nanos::ZERO, Nanos::ZERO);
        }
        a.flights.hear(&[], || Nanos::ZERO + TAIL);
        assert!(!a.flights.0.on.load(Ordering::Acquire));
        let id = told["id"].as_u64().unwrap();
        assert_eq!(a.stop(id + 1).unwrap_err()[0].code, "flights-unknown");
        assert_eq!(
            a.start(&ask("pay", 1)).unwrap_err()[0].code,
            "flights-busy",
            "it is kept"
        );
        // As if that were long ago.
        let later = Asked {
            clock: Clock::started(TAIL + KEPT + Duration::from_secs(1)),
            ..a
        };
        let whole = later.taken().unwrap();
        assert_eq!(
            (&whole["done"], whole["flights"].as_array().unwrap().len()),
            (&json!(true), 1)
        );
        later.stop(id).unwrap();
        assert!(later.taken().is_none(), "whoever asked has had it");
        let next = later.start(&ask("pay", 100)).unwrap();
        later.stop(next["id"].as_u64().unwrap()).unwrap();
        assert!(
            later.flights.taking().as_ref().unwrap().to
                < later.clock.now() + Duration::from_secs(99)
        );
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_a_way_out() {
        let a = asked();
        let no = a.start(&ask("shop", 5)).unwrap_err();
        assert!(no[0].to_string().contains("app, pay"), "{}", no[0]);
        for seconds in [0, LONGEST_S + 1] {
            assert_eq!(
                a.start(&ask("app", seconds)).unwrap_err()[0].code,
                "flights-seconds"
            );
        }
    }

    #[test]
    fn there_is_a_bound() {
        let a = asked();
        a.start(&ask("app", 100)).unwrap();
        let now = a.clock.now();
        let mut s = Sample::new(SampleKind::Attempt, RouteIx(0), now);
        (s.instance, s.end) = (InstanceIx(0), now + Duration::from_millis(1));
        for _ in 0..FLIGHTS / 1000 + 1 {
            a.flights.hear(&[s; 1000], || now);
        }
        let taking = a.flights.taking();
        let t = taking.as_ref().unwrap();
        assert_eq!((t.flights.len(), t.full), (FLIGHTS, Some(s.end)));
    }
}
