//! Asks both services beside the path, and compares.

use super::budget::Seat;
use super::core::{Answer, BODY, Differs, Hashed};
use super::shared::Mirrored;
use crate::gate::Kept;
use crate::runtime::Shared;
use crate::upstream::Service;
use crate::upstream::ask::{Question, Way};
use crate::upstream::health::Members;
use base::Nanos;
use config::sections::Mirror;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// Copies that wait to be sent, of all routes.
const WAITING: usize = 256;

/// One of the two services.
#[derive(Clone, Debug)]
pub struct Side {
    service: Arc<Service>,
    health: Members,
    turn: Arc<AtomicUsize>,
}

impl Side {
    pub fn new(kept: &Kept, service: &Arc<Service>) -> Side {
        Side {
            service: service.clone(),
            health: Members::of(kept, service),
            turn: Arc::default(),
        }
    }

    /// Asks the next instance that may be used; `None`: there was no answer in time.
    async fn ask(&self, question: &Question, rules: &Mirror, now: Nanos) -> Option<Answer> {
        let (instances, turn) = (&self.service.instances, self.turn.fetch_add(1, Relaxed));
        let order = (0..instances.len()).map(|i| (turn + i) % instances.len());
        let at = order.clone().find(|i| self.health.usable(*i, now))?;
        let way = Way::to(&self.service, instances[at].address.clone());
        ask(&way, question, &rules.headers, rules.timeout).await
    }
}

/// Asks one instance, and keeps what is compared; `None`: there was no answer in time.
pub async fn ask(
    way: &Way,
    question: &Question,
    headers: &[String],
    longest: Duration,
) -> Option<Answer> {
    let told = way.ask(question, BODY, true);
    let told = tokio::time::timeout(longest, told).await.ok()?.ok()?;
    let mut body = Hashed::default();
    body.add(&told.body);
    let first = |name: &String| {
        let found = told
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone().into_bytes())
    };
    Some(Answer {
        status: told.status,
        headers: headers.iter().map(first).collect(),
        body: body.done(),
    })
}

/// A request that was answered, and what it was answered with.
#[derive(Debug)]
pub struct Job {
    pub seat: Seat,
    pub question: Question,
    pub answer: Answer,
    pub rules: Arc<Mirror>,
    pub own: Side,
    pub other: Side,
    pub mirrored: Arc<Mirrored>,
}

impl Job {
    pub async fn run(self, now: Nanos) {
        let (other, again) = tokio::join!(
            self.other.ask(&self.question, &self.rules, now),
            self.own.ask(&self.question, &self.rules, now),
        );
        match (other, again) {
            (Some(other), Some(again)) => {
                let of = |answer| Differs::between(&self.answer, answer);
                self.mirrored.count(of(&other), of(&again));
            }
            (None, _) => self.mirrored.count_unanswered(0),
            (_, None) => self.mirrored.count_unanswered(1),
        }
        drop(self.seat);
    }
}

/// What is sent and compared beside the path, given the time at which it begins.
type Work = Box<dyn FnOnce(Nanos) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// From the traffic threads to whoever sends the copies.
pub struct Line {
    sender: mpsc::Sender<Work>,
    receiver: Mutex<Option<mpsc::Receiver<Work>>>,
}

impl Default for Line {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Line {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

impl Line {
    /// False: as many wait as may.
    pub fn hand<F>(&self, work: impl FnOnce(Nanos) -> F + Send + 'static) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let work: Work = Box::new(move |now| Box::pin(work(now)));
        self.sender.try_send(work).is_ok()
    }
}

/// Sends copies until the gateway ends, and all who hand any over with it.
pub(crate) fn start(control: &tokio::runtime::Handle, shared: &Shared) {
    let clock = shared.clock;
    let mut taken = shared
        .copies
        .receiver
        .lock()
        .unwrap_or_else(|e| e.into_inner());
    if let Some(mut receiver) = taken.take() {
        control.spawn(async move {
            // Each holds a seat, so there are only so many at once.
            while let Some(work) = receiver.recv().await {
                tokio::spawn(work(clock.now()));
            }
        });
    }
}
