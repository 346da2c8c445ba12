//! What must be ended properly whatever happens to an exchange: the gates that were entered, the count of open
//! requests, and the samples.

use crate::access::{self, End};
use crate::exchange::{Exchange, Facts, Failed, Head, Outgoing, Reply, ResponseHead};
use crate::gate::{Settle, Step, Transformed};
use crate::jobs::errand::Told;
use crate::open::Place;
use crate::retry::Failure;
use crate::ring::Passage;
use crate::snapshot::{Route, Snapshot};
use crate::worker::Worker;
use base::{Arm, InstanceIx, Nanos, Outcome, RouteIx, Sample, SampleKind};
use config::sections::Criticality;
use http1::{Edit, RequestHead};
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Of W3C's trace flags: somebody records the trace.
const RECORDED: u8 = 1;

pub(super) struct Live {
    worker: Rc<Worker>,
    pub snapshot: Arc<Snapshot>,
    /// `None`: none matched.
    pub route: Option<Arc<Route>>,
    pub facts: Facts,
    request: Passage,
    attempt: Passage,
    pub sample: Sample,
    /// Of the attempt under way.
    pub trial: Option<Sample>,
    /// The exchange delivers a job.
    is_job: bool,
    /// Between `begin` and `end`.
    open: bool,
    /// Where it is noted as open; streams are not.
    noted: Option<Place>,
}

impl Live {
    pub fn new(worker: Rc<Worker>) -> Live {
        let none = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Live {
            snapshot: worker.snapshot(),
            worker,
            route: None,
            facts: Facts::new(RouteIx::NONE, none, Nanos::ZERO, 0),
            request: Passage::default(),
            attempt: Passage::default(),
            sample: Sample::new(SampleKind::Request, RouteIx::NONE, Nanos::ZERO),
            trial: None,
            is_job: false,
            open: false,
            noted: None,
        }
    }

    /// Whether the connection closes after this: the gateway drains. What a service asks while it answers somebody who still
    /// waits needs the connections that there are, as no new ones are taken.
    pub fn is_last(&self) -> bool {
        self.worker.draining() && self.facts.parent.is_none()
    }

    pub fn begin(&mut self, route: Option<Arc<Route>>, arm: Arm, client: IpAddr, now: Nanos) {
        self.end(Outcome::ClientGone, now);
        let ix = route.as_ref().map_or(RouteIx::NONE, |r| r.ix);
        self.facts.reset(ix, client, now, self.worker.seed());
        self.facts.arm = arm;
        self.sample = Sample::new(SampleKind::Request, ix, now);
        self.sample.arm = arm;
        let kept = self.snapshot.keeping.is_some() && self.worker.tells();
        match (
            self.snapshot.access.is_some() || kept,
            &mut self.facts.notes,
        ) {
            (false, notes) => *notes = None,
            (true, notes) => notes
                .get_or_insert_with(|| self.worker.access.spare())
                .clear(),
        }
        self.route = route;
        self.is_job = false;
        self.open = true;
        self.noted = Some(self.worker.open.begin(ix, now));
        self.worker.opened(ix, 1);
    }

    /// The exchange delivers a job: whose turn it is was decided elsewhere.
    pub fn set_job(&mut self, told: Arc<Told>) {
        self.facts.job = Some(told);
        self.facts.criticality = Some(Criticality::Sheddable);
        self.is_job = true;
    }

    /// Whether it is an upgrade or an event stream: however long that is open, it is not a cost.
    pub fn set_stream(&mut self, stream: bool) {
        self.facts.stream = stream;
        if stream {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some(place) = self.noted.take() {
            self.worker.open.end(place);
        }
    }

    pub fn now(&self) -> Nanos {
        self.worker.now()
    }

    /// Microseconds since the head had been read.
    pub fn since_start(&self, now: Nanos) -> u32 {
        micros(now.0.saturating_sub(self.facts.start.0))
    }

    /// What a cache would key on, and how it was asked.
    pub fn note_key(&mut self, head: &RequestHead<'_>) {
        self.sample.method = head.meta.method as u8;
        self.sample.secure = self.facts.secure;
        if head.meta.method.is_safe() {
            let mut h = foldhash::fast::FixedState::with_seed(7).build_hasher();
            h.write(head.method_name());
            h.write(head.host().unwrap_or(b""));
            h.write_u8(0);
            h.write(head.path_and_query());
            self.sample.key_hash = h.finish().max(1);
        }
    }

    /// What the access log and traces tell of the head.
    pub fn note_head(&mut self, head: RequestHead<'_>) {
        if let Some(notes) = &mut self.facts.notes {
            match &self.snapshot.access {
                Some(rules) => notes.head(&Head::Wire(head), rules.config.query),
                None => notes.path(&Head::Wire(head)),
            }
        }
    }

    /// What they tell of an answer that no instance gave.
    pub fn note_reply(&mut self, reply: &Reply) {
        if let Some(notes) = &mut self.facts.notes {
            notes.reason(reply.reason);
            notes.lines(&reply.said);
            for (name, value) in &reply.headers {
                notes.header(name.as_bytes(), value);
            }
        }
    }

    pub fn run_request(&mut self, head: RequestHead<'_>, now: Nanos) -> Step {
        let Some(route) = &self.route else {
            return Step::Go;
        };
        let mut exchange = Exchange {
            head: Head::Wire(head),
            facts: &mut self.facts,
        };
        route
            .once(self.is_job)
            .run(&mut self.request, &mut exchange, now)
    }

    /// Begins an attempt, or goes on with it after a wait.
    pub fn run_attempt(&mut self, head: RequestHead<'_>, now: Nanos) -> Step {
        let Some(route) = &self.route else {
            return Step::Go;
        };
        let mut exchange = Exchange {
            head: Head::Wire(head),
            facts: &mut self.facts,
        };
        route.attempt.run(&mut self.attempt, &mut exchange, now)
    }

    /// The gates see the response head, innermost first.
    pub fn reply(&mut self, head: RequestHead<'_>, out: &mut Outgoing<'_>, now: Nanos) {
        let Some(route) = &self.route else {
            return;
        };
        let mut x = Exchange {
            head: Head::Wire(head),
            facts: &mut self.facts,
        };
        route.attempt.reply(&mut self.attempt, &mut x, out, now);
        route
            .once(self.is_job)
            .reply(&mut self.request, &mut x, out, now);
        if let Some(notes) = &mut self.facts.notes {
            for edit in out.edits.iter() {
                if let Edit::Append(name, value) | Edit::Set(name, value) = edit {
                    notes.header(name, value);
                }
            }
        }
    }

    /// Whether any gate wants to be told of the instance's answer as it came.
    pub fn sees_answers(&self) -> bool {
        let route = self.route.as_ref();
        route.is_some_and(|r| r.once(self.is_job).sees_answers(&self.request))
    }

    /// The instance has answered: whether a gate wants to see the payload as it comes.
    pub fn answered(&mut self, head: RequestHead<'_>, response: ResponseHead<'_>) -> bool {
        let Some(route) = &self.route else {
            return false;
        };
        let mut exchange = Exchange {
            head: Head::Wire(head),
            facts: &mut self.facts,
        };
        route
            .once(self.is_job)
            .answered(&mut self.request, &mut exchange, response)
    }

    pub fn payload(&mut self, data: &[u8]) {
        if let Some(route) = &self.route {
            route.once(self.is_job).payload(&mut self.request, data);
        }
    }

    /// Whether a gate may hold the response head back.
    pub fn settles(&self) -> bool {
        let route = self.route.as_ref();
        route.is_some_and(|r| r.once(self.is_job).settles(&self.request))
    }

    /// Whether the response head may go on.
    pub fn settle(
        &mut self,
        head: RequestHead<'_>,
        response: ResponseHead<'_>,
        now: Nanos,
    ) -> Settle {
        let Some(route) = &self.route else {
            return Settle::Go;
        };
        let mut exchange = Exchange {
            head: Head::Wire(head),
            facts: &mut self.facts,
        };
        (route.once(self.is_job)).settle(&mut self.request, &mut exchange, response, now)
    }

    /// What goes on in place of the instance's response.
    pub fn transform(
        &mut self,
        head: RequestHead<'_>,
        response: ResponseHead<'_>,
    ) -> Option<Transformed> {
        let route = self.route.as_ref()?;
        let mut exchange = Exchange {
            head: Head::Wire(head),
            facts: &mut self.facts,
        };
        route
            .once(self.is_job)
            .transform(&self.request, &mut exchange, response)
    }

    /// What a gate has to send instead of a 304 that answers its own conditions. The attempt has succeeded.
    pub fn not_modified(
        &mut self,
        head: RequestHead<'_>,
        out: &mut Outgoing<'_>,
        now: Nanos,
    ) -> Option<Reply> {
        let route = self.route.as_ref()?;
        let mut x = Exchange {
            head: Head::Wire(head),
            facts: &mut self.facts,
        };
        let response = out.head;
        let reply =
            route
                .once(self.is_job)
                .not_modified(&mut self.request, &mut x, response, now)?;
        route.attempt.reply(&mut self.attempt, &mut x, out, now);
        Some(reply)
    }

    /// What the gates have to send instead of a failure.
    pub fn failed(
        &mut self,
        head: RequestHead<'_>,
        failed: Failed<'_>,
        now: Nanos,
    ) -> Option<Reply> {
        let route = self.route.as_ref()?;
        let mut exchange = Exchange {
            head: Head::Wire(head),
            facts: &mut self.facts,
        };
        route
            .once(self.is_job)
            .failed(&mut self.request, &mut exchange, failed, now)
    }

    pub fn taps(&self) -> bool {
        self.route.as_ref().is_some_and(|r| {
            r.attempt.taps(&self.attempt) || r.once(self.is_job).taps(&self.request)
        })
    }

    pub fn tap(&mut self, data: &[u8]) {
        if let Some(route) = &self.route {
            route.attempt.tap(&mut self.attempt, data);
            route.once(self.is_job).tap(&mut self.request, data);
        }
    }

    /// The attempt has its instance: from here on it counts as one.
    pub fn begin_trial(&mut self, instance: InstanceIx, now: Nanos) {
        let mut trial = Sample::new(SampleKind::Attempt, self.facts.route, now);
        trial.arm = self.facts.arm;
        trial.instance = instance;
        trial.attempt = self.facts.attempt;
        self.trial = Some(trial);
    }

    /// Ends the attempt. `status` is what the gates learn: the instance's, 502 or 504 in its stead,
    /// 0 when it tells nothing about the instance.
    pub fn end_attempt(&mut self, status: u16, outcome: Outcome, now: Nanos) {
        self.facts.status = status;
        if let Some(mut trial) = self.trial.take() {
            trial.parent = self.facts.parent;
            trial.cache = self.facts.cache;
            trial.outcome = self.facts.outcome(outcome);
            if outcome == Outcome::UpstreamFailed {
                trial.status = status;
            }
            trial.end = now;
            trial.key_hash = self.sample.key_hash;
            trial.method = self.sample.method;
            (trial.trace, trial.span) = (self.facts.trace, self.facts.span);
            if let Some(mut notes) = self.facts.notes.take() {
                notes.attempt(&trial, &self.facts);
                self.facts.notes = Some(notes);
            }
            self.worker.push(trial);
        }
        if let Some(route) = &self.route {
            route.attempt.leave(&mut self.attempt, &mut self.facts, now);
        }
    }

    /// Ends an attempt that is cancelled because another has answered. A second call does nothing.
    pub fn lose_attempt(&mut self, now: Nanos) {
        self.facts.lost = true;
        self.facts.failure = None;
        self.end_attempt(0, Outcome::Lost, now);
        self.facts.lost = false;
    }

    /// Makes this the place of a second attempt beside the first, whose request ring had made `edits`.
    pub fn stand_beside(&mut self, first: &Live, edits: usize) {
        self.snapshot.clone_from(&first.snapshot);
        self.route.clone_from(&first.route);
        self.sample = first.sample;
        let seed = self.worker.seed();
        self.facts.second_to(&first.facts, edits, seed);
        self.facts.notes = None;
    }

    /// The attempt of `beside` goes on here, where the one before has ended.
    pub fn take_over(&mut self, beside: &mut Live) {
        self.attempt = std::mem::take(&mut beside.attempt);
        self.trial = beside.trial.take();
        self.facts.instance = beside.facts.instance.take();
        self.facts.fault = beside.facts.fault;
        self.facts.failure = None;
    }

    /// Ends the exchange: gates are left, the sample is sent. A second call does nothing.
    pub fn end(&mut self, outcome: Outcome, now: Nanos) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.end_attempt(0, outcome, now);
        if let Some(told) = &self.facts.job {
            let unsent = self.facts.failure == Some(Failure::Connect);
            told.tell(self.facts.attempt > 0 && !unsent);
        }
        if let Some(route) = &self.route {
            route
                .once(self.is_job)
                .leave(&mut self.request, &mut self.facts, now);
        }
        self.worker.opened(self.facts.route, -1);
        self.forget();
        let (s, f) = (&mut self.sample, &self.facts);
        (s.trace, s.span, s.caller) = (f.trace, f.span, f.caller);
        s.recorded = f.trace_flags & RECORDED != 0;
        s.parent = f.parent;
        s.attempt = f.attempt;
        s.cache = f.cache;
        s.outcome = f.outcome(outcome);
        s.end = now;
        s.wait_us = micros(f.waited_ns);
        s.behind = self.is_job || f.is_refresh;
        self.tell();
        self.worker.push(self.sample);
        self.log();
        self.route = None;
    }
}

impl Live {
    /// Hands what was noted to telemetry, if the request is kept as a trace: before its sample.
    fn tell(&self) {
        let (Some(keeping), Some(notes)) = (&self.snapshot.keeping, &self.facts.notes) else {
            return;
        };
        let slow = self.route.as_ref().map_or(Duration::MAX, |r| r.slow);
        if keeping.keeps(&self.sample, slow) {
            let (s, client) = (&self.sample, self.facts.client);
            self.worker.tell(|| keeping.details(notes, s, client));
        }
    }

    /// Hands what was noted to the access log, if the request is one to write.
    fn log(&mut self) {
        let (Some(rules), true) = (&self.snapshot.access, self.facts.notes.is_some()) else {
            return;
        };
        let (trace, random) = (self.facts.trace, self.facts.random());
        let draw = access::core::draw(trace, self.facts.trace_flags, random);
        if self.facts.is_refresh || !access::core::keep(&rules.config, &self.sample, draw) {
            return;
        }
        if let Some(notes) = self.facts.notes.take() {
            let end = End {
                sample: self.sample,
                route: self.route.clone(),
                client: self.facts.client,
                trace,
                rules: rules.clone(),
            };
            (self.worker.access).push(notes, end, &self.worker.shared.access.dropped);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end(Outcome::ClientGone, self.worker.now());
    }
}

/// Nanoseconds to microseconds, as samples hold them.
pub(super) fn micros(ns: u64) -> u32 {
    u32::try_from(ns / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use base::sample::METHODS;
    use http1::Method;

    #[test]
    fn a_sample_has_the_number_of_its_methods_name() {
        for (i, name) in METHODS.iter().enumerate() {
            assert_eq!(Method::from_bytes(name.as_bytes()) as usize, i, "{name}");
        }
    }
}
