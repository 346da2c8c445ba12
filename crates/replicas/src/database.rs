//! One database: connected to, asked again and again, and connected to again when it does not answer.

use crate::sql::Questions;
use base::Nanos;
use base::clock::Clock;
use config::sections::Database;
use gateway::replicas::{Group, Known, Position, Tracker};
use std::future::Future;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use telemetry::probes::postgres::{open, said};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::Client;

/// One that takes longer is left, and connected to again.
const DEADLINE: Duration = Duration::from_secs(1);
/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(200);
/// Timelines of replicas are asked for this often: they change with promotions only, and are told too old until then.
const TIMELINE: Duration = Duration::from_millis(250);

/// A connection with what is asked over it.
pub struct Link {
    pub client: Client,
    pub questions: Questions,
}

/// What the tasks of one group share.
pub struct Shared {
    pub clock: Clock,
    /// By database; `None`: not connected.
    pub links: Vec<Mutex<Option<Arc<Link>>>>,
    /// How old each replica may be.
    pub trackers: Vec<Mutex<Tracker>>,
}

pub async fn within<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match timeout(DEADLINE, work).await {
        Ok(done) => done,
        Err(_) => Err("it does not answer: overloaded, stalled or unreachable".into()),
    }
}

/// Ends with its group.
pub async fn run(group: Weak<Group>, shared: Arc<Shared>, place: usize) {
    loop {
        let Some(g) = group.upgrade() else { return };
        let (rules, poll) = (g.rules.databases[place].clone(), g.rules.poll);
        let heartbeat = g.rules.heartbeat;
        drop(g);
        let why = match within(connect(&rules)).await {
            Ok(link) => {
                let link = Arc::new(link);
                *lock(&shared.links[place]) = Some(link.clone());
                let why = ask(&group, &shared, place, &link, poll, heartbeat).await;
                *lock(&shared.links[place]) = None;
                why
            }
            Err(why) => why,
        };
        let Some(g) = group.upgrade() else { return };
        let before = g.known(place);
        if before.asked.is_some() {
            tracing::warn!(replication = g.rules.name, database = rules.name, "{why}");
        }
        // How far it was stays true, and helps nobody.
        g.tell(
            place,
            Known {
                asked: None,
                wrong: Some(why),
                ..(*before).clone()
            },
        );
        drop(g);
        sleep(RETRY).await;
    }
}

async fn connect(rules: &Database) -> Result<Link, String> {
    let Some(url) = &rules.postgres else {
        return Err("it has no URL".into());
    };
    let client = open(url, rules.ca.as_deref(), DEADLINE).await?;
    let questions = Questions::prepare(&client).await.map_err(said)?;
    Ok(Link { client, questions })
}

/// Until it does not answer: why.
async fn ask(
    group: &Weak<Group>,
    shared: &Shared,
    place: usize,
    link: &Link,
    poll: Duration,
    heartbeat: Option<Duration>,
) -> String {
    let (client, questions) = (&link.client, &link.questions);
    let mut ticks = interval(poll);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut timeline, mut asked_timeline): (u32, Option<Instant>) = (0, None);
    let (mut last, mut beat) = (0, Instant::now());
    let mut wrong = None;
    loop {
        ticks.tick().await;
        let asked = shared.clock.now();
        let found = match within(async { questions.place(client).await.map_err(said) }).await {
            Ok(Some(found)) => found,
            Ok(None) => return "it says a place that makes no sense".into(),
            Err(why) => return why,
        };
        match found.timeline {
            Some(told) => timeline = told,
            None => {
                // It was made anew from another one.
                if found.lsn < last {
                    (timeline, asked_timeline) = (0, None);
                }
                if asked_timeline.is_none_or(|at| at.elapsed() >= TIMELINE) {
                    match within(async { questions.timeline(client).await.map_err(said) }).await {
                        Ok(told) => timeline = timeline.max(told),
                        Err(why) => return why,
                    }
                    asked_timeline = Some(Instant::now());
                }
            }
        }
        last = found.lsn;
        let at = Position {
            timeline,
            lsn: found.lsn,
        };
        let Some(group) = group.upgrade() else {
            return String::new();
        };
        let fresh_at = learned(&group, shared, place, at, !found.in_recovery, asked);
        group.tell(
            place,
            Known {
                at,
                is_primary: !found.in_recovery,
                fresh_at,
                asked: Some(asked),
                wrong: wrong.clone(),
            },
        );
        drop(group);
        if let Some(every) = heartbeat.filter(|_| !found.in_recovery)
            && beat.elapsed() >= every
        {
            beat = Instant::now();
            let beaten = within(async { questions.heartbeat(client).await.map_err(said) }).await;
            wrong = beaten.err().map(|why| {
                format!(
                    "no heartbeat, so replicas may seem behind while a transaction is open: {why}"
                )
            });
        }
    }
}

/// Ages follow from where the primary was when.
fn learned(
    group: &Group,
    shared: &Shared,
    place: usize,
    at: Position,
    is_primary: bool,
    asked: Nanos,
) -> Option<Nanos> {
    if !is_primary {
        return lock(&shared.trackers[place]).replica(at);
    }
    // Who was deposed tells nothing of what is new.
    let now = shared.clock.now();
    if group.primary(now).is_none_or(|p| p == place) {
        for (i, tracker) in shared.trackers.iter().enumerate() {
            if i != place {
                lock(tracker).primary(at, asked);
            }
        }
    }
    None
}

pub fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}
