//! Jobs by the calendar: when one is due it is written to the queue together with that it was, so that each time is one job, also
//! after `kill -9`.

mod core;

use self::core::due;
use crate::wire::jobs::Makes;
use arc_swap::ArcSwap;
use base::clock::Clock;
use config::Config;
use config::sections::{Async, Cron};
use control::ports::{SystemWall, Wall};
use gateway::jobs::{Jobs, carry};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{Bounds, Error, Etag, Marked, NewJob, Precondition, Put};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What keys of crons begin with, in the store of the queue.
const PREFIX: &str = "cron/";
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What goes on; it ends when dropped.
pub struct Work(JoinHandle<()>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone)]
struct Desk {
    makes: Makes,
    jobs: Arc<Jobs>,
    clock: Clock,
}

/// Makes jobs of the crons of whatever config is in service.
pub fn start(
    makes: Makes,
    current: Arc<ArcSwap<Config>>,
    jobs: Arc<Jobs>,
    clock: Clock,
    runtime: &Handle,
) -> Work {
    let desk = Desk { makes, jobs, clock };
    Work(runtime.spawn(async move {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let config = current.load_full();
            for cron in &config.crons {
                let rules = config.route(&cron.route);
                let Some(rules) = rules.and_then(|r| r.asynchronous.as_ref()) else {
                    continue;
                };
                if let Err(e) = desk.look(cron, rules).await {
                    tracing::error!("cron {}: {e}", cron.name);
                }
            }
        }
    }))
}

/// Up to when a cron is settled, as it is kept; `None` within: what is there is not ours.
fn settled(store: &dyn Marked, name: &str) -> Result<Option<(Option<u64>, Etag)>, Error> {
    let entry = store.mark(&format!("{PREFIX}{name}"), SystemWall.now_ms())?;
    let read = |e: store::Entry| {
        let text = std::str::from_utf8(&e.value).unwrap_or_default();
        (text.parse().ok(), e.etag)
    };
    Ok(entry.map(read))
}

impl Desk {
    async fn look(&self, cron: &Cron, rules: &Async) -> Result<(), String> {
        let Some(store) = self.makes.queue() else {
            return Ok(());
        };
        let (reader, name) = (store.clone(), cron.name.clone());
        let kept = tokio::task::spawn_blocking(move || settled(&*reader, &name)).await;
        let kept = match kept.map_err(|e| e.to_string())? {
            Ok(kept) => kept,
            // The engine says so itself.
            Err(Error::Away { .. }) => return Ok(()),
            Err(e) => return Err(e.to_string()),
        };
        let now = SystemWall.now_ms();
        // A new one begins now: nobody has missed what was before it.
        let precondition = match kept {
            Some((_, etag)) => Precondition::Is(etag),
            None => Precondition::Absent,
        };
        let kept = kept.and_then(|k| k.0);
        let last = kept.unwrap_or(now);
        let due = match (due(cron, last, now)?, kept) {
            (Some(due), _) => due,
            (None, Some(_)) => return Ok(()),
            (None, None) => core::Due {
                fires: Vec::new(),
                last_ms: now,
            },
        };
        let mark = Put {
            precondition,
            ..Put::new(
                format!("{PREFIX}{}", cron.name),
                due.last_ms.to_string().into_bytes(),
            )
        };
        let jobs = due.fires.iter().map(|t| self.job(cron, rules, *t));
        let jobs = jobs.collect::<Option<Vec<_>>>().ok_or("no randomness")?;
        let bounds = Bounds {
            jobs: rules.jobs,
            bytes: rules.bytes,
        };
        match store.enqueue_marked(jobs, bounds, mark, now).await {
            Ok(_) => self.jobs.news.notify_one(),
            // Somebody else was first, or it is not known what became of it; what is there is looked at the next time.
            Err(Error::Away { .. }) => {}
            Err(e) if e.is_conflict() => {}
            Err(e) => return Err(e.to_string()),
        }
        Ok(())
    }

    /// Its time is its id, for whoever gets it twice.
    fn job(&self, cron: &Cron, rules: &Async, fire_ms: u64) -> Option<NewJob> {
        let at = jiff::Timestamp::from_millisecond(fire_ms as i64).ok()?;
        let has_host = cron
            .headers
            .iter()
            .any(|h| h.0.eq_ignore_ascii_case("host"));
        let host = (!has_host).then(|| ("Host".to_owned(), "plimsoll".to_owned()));
        let own = [
            (
                "Idempotency-Key".to_owned(),
                format!("\"cron-{}-{}\"", cron.name, fire_ms / 1000),
            ),
            ("Plimsoll-Cron".to_owned(), cron.name.clone()),
            ("Plimsoll-Cron-Time".to_owned(), at.to_string()),
        ];
        let lines = host.iter().chain(&cron.headers).chain(&own);
        let now_ms = self.jobs.now_ms(self.clock.now());
        Some(NewJob {
            secret: gateway::jobs::secret()?,
            lane: cron.route.clone(),
            tenant: String::new(),
            weight: 1,
            key: None,
            blocks: false,
            enqueued_ms: now_ms,
            due_ms: now_ms,
            expires_ms: now_ms + rules.ttl.as_millis() as u64,
            title: format!("{} {} (cron {} {at})", cron.method, cron.path, cron.name),
            head: carry::made(&cron.method, &cron.path, lines),
            payload: cron.body.clone().into_bytes(),
        })
    }
}

/// Each cron: when it was settled last, and when it is due next. A list.
pub fn shown(makes: &Makes, config: &Config) -> Value {
    let store = makes.queue();
    let one = |cron: &Cron| {
        let last = store
            .as_ref()
            .and_then(|s| settled(&**s, &cron.name).ok().flatten());
        let last = last.and_then(|l| l.0);
        json!({
            "cron": cron.name, "schedule": cron.schedule, "timezone": cron.timezone, "route": cron.route,
            "settled_ms": last, "next_ms": cron.after(last.unwrap_or_else(|| SystemWall.now_ms())).ok(),
        })
    };
    config.crons.iter().map(one).collect()
}
