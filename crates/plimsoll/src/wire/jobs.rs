//! The queue of jobs: opened where a route takes any, lent to the gateway, and what console and metrics ask of it.

mod dead;

use crate::exit::Failure;
use crate::wire::cron;
use arc_swap::ArcSwap;
use base::Finding;
use config::Config;
use config::sections::{Async, of_lane};
use console::{Deed, JobList};
use control::ports::{SystemWall, Wall};
use gateway::Gateway;
use gateway::jobs::still::{self, Still};
use gateway::jobs::{Lane, resource};
use gateway::topics::health::{self, PAUSED};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use store::{Cancel, Embedded, Error, Job, JobId, Kv, Marked, Precondition, Put, Queue, State};
use telemetry::prometheus::Page;

/// Its name in `data_dir`.
pub const FILE: &str = "queue.db";

/// The queue, as long as the gateway has it.
#[derive(Clone)]
pub struct Jobs {
    gateway: Arc<Mutex<Option<Gateway>>>,
    makes: Makes,
    current: Arc<ArcSwap<Config>>,
}

/// Where jobs are made that no request asked for: in the engine of all nodes, or in this node's file as long as the gateway has it.
#[derive(Clone)]
pub struct Makes {
    pub shared: Option<Arc<dyn Marked>>,
    pub file: Weak<Embedded>,
}

impl Makes {
    /// `None`: another process has the file.
    pub fn queue(&self) -> Option<Arc<dyn Marked>> {
        let file = || self.file.upgrade().map(|file| file as Arc<dyn Marked>);
        self.shared.clone().or_else(file)
    }
}

/// Opens the queue where a route takes jobs, or topics are this node's own, and lends it to the gateway. `None`: neither is so.
pub fn open(
    dir: &Path,
    config: &Config,
    gateway: &Gateway,
    shared: Option<Arc<dyn Marked>>,
) -> Result<Option<Weak<Embedded>>, Failure> {
    let has_topics = !config.topics.is_empty() && !config.shares_topics();
    if !has_topics && config.routes.iter().all(|r| r.asynchronous.is_none()) {
        return Ok(None);
    }
    let file = dir.join(FILE);
    let store = Embedded::open(&file).map_err(|e| {
        Failure::new(format!("the queue of jobs {}: {e}", file.display()))
            .help("is another Plimsoll using this data_dir?")
    })?;
    let store = Arc::new(store);
    for paused in store
        .scan(PAUSED, None, 1000, SystemWall.now_ms())
        .map_err(|e| Failure::new(e.to_string()))?
    {
        let lane = &paused.key[PAUSED.len()..];
        if of_lane(lane).is_some() {
            gateway.pause_subscription(lane, true);
        } else if shared.is_none() {
            // Also of a route that is not there now. Where all nodes know, this one is told.
            still::recall(
                &gateway.jobs(),
                &*store,
                &Arc::from(lane),
                SystemWall.now_ms(),
            )
            .map_err(|e| Failure::new(e.to_string()))?;
        }
    }
    health::recall(&gateway.jobs(), &*store, SystemWall.now_ms())
        .map_err(|e| Failure::new(e.to_string()))?;
    if shared.is_some() {
        nothing_waits(&store)?;
    }
    let weak = Arc::downgrade(&store);
    gateway.jobs().lend(shared);
    gateway.jobs().set_queue(Some(store));
    Ok(Some(weak))
}

/// Whoever takes their jobs to an engine has none left behind in a file that nobody delivers from.
fn nothing_waits(store: &Embedded) -> Result<(), Failure> {
    let Some(lane) = left_behind(store, false)? else {
        return Ok(());
    };
    let what = format!(
        "{} jobs of `{}` wait in the file of this node, and `engines.jobs: durable` has none delivered from there",
        lane.waiting, lane.name
    );
    Err(Failure::new(what)
        .help("start once with `engines.jobs: embedded` until `plimsoll jobs status` shows none"))
}

/// A lane of this file in which something waits: of a topic's subscription, or of a route.
pub fn left_behind(store: &Embedded, of_topic: bool) -> Result<Option<store::Lane>, Failure> {
    let lanes = store.lanes().map_err(|e| Failure::new(e.to_string()))?;
    let left = |l: &store::Lane| l.waiting > 0 && of_lane(&l.name).is_some() == of_topic;
    Ok(lanes.into_iter().find(left))
}

impl Jobs {
    pub fn new(
        gateway: Arc<Mutex<Option<Gateway>>>,
        makes: Makes,
        current: Arc<ArcSwap<Config>>,
    ) -> Jobs {
        Jobs {
            gateway,
            makes,
            current,
        }
    }

    /// Where the jobs of routes are.
    fn queue(&self) -> Result<Arc<dyn Queue>, Vec<Finding>> {
        self.lent().ok_or_else(|| vec![none()])
    }

    fn lent(&self) -> Option<Arc<dyn Queue>> {
        self.with_gateway(|g| g.jobs().queue())
    }

    pub(super) fn with_gateway<T: Default>(&self, ask: impl FnOnce(&Gateway) -> T) -> T {
        let gateway = self.gateway.lock().unwrap_or_else(|e| e.into_inner());
        gateway.as_ref().map(ask).unwrap_or_default()
    }

    /// On the calendar that the jobs have.
    pub(super) fn now_ms(&self) -> u64 {
        self.with_gateway(|g| Some(g.jobs_now_ms()))
            .unwrap_or_else(|| SystemWall.now_ms())
    }

    pub(super) fn paces(&self) -> Vec<Lane> {
        self.with_gateway(Gateway::job_lanes)
    }

    /// Of every lane, for Prometheus; nothing without a queue.
    pub fn metrics(&self) -> String {
        let mut page = Page::default();
        let Some(Ok(mut lanes)) = self.lent().map(|s| s.lanes()) else {
            return String::new();
        };
        // Those of subscriptions have their own numbers.
        lanes.retain(|l| of_lane(&l.name).is_none());
        let now = self.now_ms();
        let age = |l: &store::Lane| {
            l.oldest_ms
                .map_or(0.0, |at| now.saturating_sub(at) as f64 / 1e3)
        };
        type Of<'a> = &'a dyn Fn(&store::Lane) -> f64;
        let families: [(&'static str, &str, Of<'_>); 4] = [
            ("plimsoll_jobs_waiting", "Jobs that have not ended.", &|l| {
                l.waiting as f64
            }),
            ("plimsoll_jobs_waiting_bytes", "Bytes of them.", &|l| {
                l.bytes as f64
            }),
            (
                "plimsoll_jobs_oldest_seconds",
                "Age of the oldest of them.",
                &age,
            ),
            (
                "plimsoll_jobs_dead",
                "Jobs that were given up and are kept.",
                &|l| l.dead as f64,
            ),
        ];
        for (name, help, of) in families {
            page.family(name, "gauge", help);
            for lane in &lanes {
                page.row("", &[("route", lane.name.as_str())], of(lane));
            }
        }
        let mut paces = self.paces();
        paces.retain(|p| of_lane(&p.name).is_none());
        page.family("plimsoll_jobs_rate", "gauge", "Deliveries per second.");
        for lane in &paces {
            page.row("", &[("route", lane.name.as_str())], lane.rate);
        }
        page.family(
            "plimsoll_jobs_paced_by",
            "gauge",
            "Why deliveries are not faster.",
        );
        for lane in &paces {
            page.row(
                "",
                &[("route", lane.name.as_str()), ("reason", lane.reason)],
                1.0,
            );
        }
        page.finish()
    }
}

/// What a redriven job has left, milliseconds: as long as a new one of its lane.
pub(super) fn left_ms(config: &Config, lane: &str) -> u64 {
    let of_route = |name: &str| {
        let route = config.routes.iter().find(|r| r.name == name)?;
        Some(route.asynchronous.as_ref()?.ttl)
    };
    let of_subscription = |topic: &str, name: &str| {
        let topic = config.topics.iter().find(|t| t.name == topic)?;
        let one = topic.subscriptions.iter().find(|s| s.name == name)?;
        Some(one.ttl)
    };
    let ttl = match of_lane(lane) {
        Some((topic, name)) => of_subscription(topic, name),
        None => of_route(lane),
    };
    ttl.unwrap_or(Async::default().ttl).as_millis() as u64
}

fn none() -> Finding {
    Finding::error("jobs-none", "there is no queue: no route has `async`")
        .help("add `async: {}` to a route, and restart")
}

fn failed(e: Error) -> Vec<Finding> {
    vec![Finding::error("jobs-store", e.to_string())]
}

fn unknown(what: String) -> Vec<Finding> {
    vec![Finding::error("jobs-unknown", what)]
}

pub(super) fn shown(job: &Job) -> Value {
    json!({
        "id": job.id.to_string(), "route": job.lane, "state": job.state, "request": job.title, "key": job.key,
        "attempts": job.attempts, "enqueued_ms": job.enqueued_ms, "due_ms": job.due_ms, "expires_ms": job.expires_ms,
        "ended_ms": job.ended_ms, "reason": job.reason, "bytes": job.bytes,
    })
}

impl console::Jobs for Jobs {
    fn lanes(&self) -> Result<Value, Vec<Finding>> {
        let Some(store) = self.lent() else {
            return Ok(json!([]));
        };
        let mut lanes = store.lanes().map_err(failed)?;
        lanes.retain(|l| of_lane(&l.name).is_none());
        let (now, paces) = (self.now_ms(), self.paces());
        let all = lanes.iter().map(|l| {
            let pace = paces.iter().find(|p| p.name == l.name);
            let last = l.waiting.saturating_sub(1);
            let eta = pace.and_then(|p| p.speed.eta(last, 0.0));
            let mut shown = json!({
                "route": l.name, "waiting": l.waiting, "bytes": l.bytes, "dead": l.dead,
                "oldest_s": l.oldest_ms.map(|at| now.saturating_sub(at) / 1000),
                "in_flight": pace.map(|p| p.in_flight), "rate": pace.map(|p| p.rate), "drained_in_s": eta.map(|e| e.likely),
                "reason": pace.map_or("no_route", |p| p.reason), "detail": pace.map(|p| p.detail.clone()),
            });
            resource::told_eta(&mut shown, eta);
            shown
        });
        Ok(all.collect())
    }

    fn crons(&self) -> Result<Value, Vec<Finding>> {
        Ok(cron::shown(&self.makes, &self.current.load()))
    }

    fn list(&self, ask: &JobList) -> Result<Value, Vec<Finding>> {
        let by_name = |s: &State| s.name() == ask.state.as_deref().unwrap_or("waiting");
        let Some(state) = State::ALL.into_iter().find(by_name) else {
            let names = State::ALL.map(State::name).join(", ");
            let what = format!(
                "`{}` is no state of a job",
                ask.state.as_deref().unwrap_or("")
            );
            return Err(vec![
                Finding::error("jobs-state", what).help(format!("there are {names}")),
            ]);
        };
        let limit = ask.limit.unwrap_or(50).min(1000) as usize;
        let after = ask.after.unwrap_or(0);
        let jobs = self.queue()?.jobs(&ask.route, state, after, limit);
        Ok(jobs.map_err(failed)?.iter().map(shown).collect())
    }

    fn show(&self, id: &str) -> Result<Value, Vec<Finding>> {
        let (store, id) = (self.queue()?, known(id)?);
        let Some(job) = store.job(id).map_err(failed)? else {
            return Err(unknown(format!(
                "there is no job {id}, or it has been forgotten"
            )));
        };
        let mut shown = shown(&job);
        if !job.state.has_ended() {
            let paces = self.paces();
            let speed = paces.iter().find(|p| p.name == job.lane).map(|p| p.speed);
            let depth = self.with_gateway(|g| g.jobs().depth(&job.lane));
            let eta = resource::eta(&*store, &job, speed, depth, self.now_ms()).map_err(failed)?;
            resource::told_eta(&mut shown, eta);
        }
        if let Some(result) = store.result(id).map_err(failed)? {
            let text = String::from_utf8_lossy(&result);
            shown["answer"] = text.chars().take(4096).collect::<String>().into();
        }
        Ok(shown)
    }

    fn request(&self, id: &str) -> Result<Value, Vec<Finding>> {
        self.carried(&*self.queue()?, id)
    }

    fn act(&self, deed: &Deed) -> Result<Value, Vec<Finding>> {
        let store = self.queue()?;
        match deed {
            Deed::Pause { route } | Deed::Resume { route } => {
                let paused = matches!(deed, Deed::Pause { .. });
                let of = |g: &Gateway| Some((g.jobs(), g.takes_jobs(route)?));
                let Some((jobs, lane)) = self.with_gateway(of) else {
                    return Err(unknown(format!("no route `{route}` takes jobs")));
                };
                let still = paused.then_some(Still::Paused);
                still::set(&jobs, &lane, still, self.now_ms()).map_err(failed)?;
                Ok(json!({ "route": route, "paused": paused }))
            }
            Deed::Cancel { job } => {
                let id = known(job)?;
                let said = store.cancel(id, self.now_ms()).wait().map_err(failed)?;
                self.with_gateway(|g| g.jobs().ended(id));
                match said {
                    Cancel::Cancelled => Ok(json!({ "job": job, "state": "cancelled" })),
                    Cancel::AfterAttempt => Ok(json!({ "job": job, "state": "leased",
                        "note": "an attempt is under way: it is cancelled unless that succeeds" })),
                    Cancel::Ended(state) => {
                        let what = format!("the job is {} already", state.name());
                        Err(vec![Finding::error("jobs-ended", what)])
                    }
                    Cancel::Unknown => Err(unknown(format!("there is no job {job}"))),
                }
            }
            Deed::Redrive { which, rate } => {
                let driven = self.redrive(&*store, which, *rate)?;
                Ok(json!({ "redriven": driven }))
            }
            Deed::Edit { job, body } => {
                let edited = self.edit(&*store, job, body.clone())?;
                Ok(json!({ "redriven": 1, "job": edited.to_string() }))
            }
            Deed::Discard(which) => {
                let discarded = self.discard(&*store, which)?;
                Ok(json!({ "discarded": discarded }))
            }
        }
    }
}

/// A pause of a subscription outlasts a restart.
pub(super) fn keep(store: &dyn Kv, lane: &str, paused: bool) -> Result<(), Error> {
    let key = format!("{PAUSED}{lane}");
    match paused {
        true => (store
            .put(Put::new(key, Vec::new()), SystemWall.now_ms())
            .wait())
        .map(drop),
        false => (store
            .delete(&key, Precondition::Any, SystemWall.now_ms())
            .wait())
        .map(drop),
    }
}

pub(super) fn known(id: &str) -> Result<JobId, Vec<Finding>> {
    id.parse().map_err(|e: Error| unknown(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redriven_job_has_as_long_as_a_new_one() {
        let text = "listen: 127.0.0.1:1\n\
                    state: { listen: 127.0.0.1:2, token: { env: NOT_READ } }\n\
                    services: { app: { instances: [127.0.0.1:3] } }\n\
                    routes: { orders: { match: POST /orders, to: app, async: { ttl: 2h } } }\n\
                    topics: { bought: { subscriptions: { partner: { to: app, path: /bought, ttl: 3h } } } }\n";
        let checked = config::check_text("jobs.yaml", text);
        let findings = checked.findings;
        let config = checked.config.unwrap_or_else(|| panic!("{findings:?}"));
        const H: u64 = 3600 * 1000;
        assert_eq!(left_ms(&config, "orders"), 2 * H);
        let lane = config::sections::lane("bought", "partner");
        assert_eq!(left_ms(&config, &lane), 3 * H);
        assert_eq!(left_ms(&config, "gone"), 24 * H);
    }
}
