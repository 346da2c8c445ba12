//! Passes purges on to the cache further out: a queue of bounded length, and a thread that tries each a few times.

mod core;

use self::core::{Call, backoff, call, passes};
use arc_swap::ArcSwap;
use config::Config;
use config::sections::PurgeHook;
use gateway::Tally;
use gateway::request::cache::Purge;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Purges that wait for their turn; more are dropped, and counted.
const QUEUE: usize = 1000;
/// How long `plimsoll purge` waits to hear what became of it.
const PATIENCE: Duration = Duration::from_secs(15);

pub const NAMES: &[&str] = &["passed_on", "failed", "dropped"];
const PASSED_ON: usize = 0;
const FAILED: usize = 1;
const DROPPED: usize = 2;

struct Job {
    hook: PurgeHook,
    call: Call,
    /// Who waits to hear of it.
    told: Option<SyncSender<Told>>,
}

/// What became of a purge: after how many tries, with which status, or why not.
type Told = (u32, Result<u16, String>);

/// The thread ends when the last of these is dropped.
#[derive(Clone)]
pub struct Outward {
    queue: SyncSender<Job>,
    config: Arc<ArcSwap<Config>>,
    tally: Arc<Tally>,
}

impl Outward {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: Arc<ArcSwap<Config>>, tally: Arc<Tally>) -> io::Result<Outward> {
        let (queue, jobs) = sync_channel(QUEUE);
        let counted = tally.clone();
        std::thread::Builder::new()
            .name("purge-hook".into())
            .spawn(move || work(&jobs, &counted))?;
        Ok(Outward {
            queue,
            config,
            tally,
        })
    }

    /// A change that the gateway has seen: nobody waits for it.
    pub fn changed(&self, purge: &Purge) {
        if let Some(hook) = self.hook().filter(|h| h.on_change) {
            // What the hook has no call for is not for it.
            if let Ok(call) = call(&hook, purge) {
                self.add(hook, call, None);
            }
        }
    }

    /// What became of it, as `plimsoll purge` shows it; `None`: there is no hook.
    pub fn pass_on(&self, purge: &Purge) -> Option<Value> {
        let hook = self.hook()?;
        let call = match call(&hook, purge) {
            Ok(call) => call,
            Err(why) => return Some(json!({ "state": "failed", "why": why })),
        };
        let shown = format!("{} {}", call.method, call.url);
        let (told, heard) = sync_channel(1);
        if !self.add(hook, call, Some(told)) {
            let why = format!("{QUEUE} others wait already");
            return Some(json!({ "call": shown, "state": "failed", "why": why }));
        }
        Some(match heard.recv_timeout(PATIENCE) {
            Ok((tries, Ok(status))) => {
                json!({ "call": shown, "state": "done", "status": status, "tries": tries })
            }
            Ok((tries, Err(why))) => {
                json!({ "call": shown, "state": "failed", "why": why, "tries": tries })
            }
            Err(RecvTimeoutError::Timeout) => json!({ "call": shown, "state": "waiting" }),
            Err(RecvTimeoutError::Disconnected) => {
                json!({ "call": shown, "state": "failed", "why": "Plimsoll is stopping" })
            }
        })
    }

    fn hook(&self) -> Option<PurgeHook> {
        self.config.load().purge_hook.clone()
    }

    fn add(&self, hook: PurgeHook, call: Call, told: Option<SyncSender<Told>>) -> bool {
        let added = self.queue.try_send(Job { hook, call, told }).is_ok();
        if !added {
            self.tally.add(DROPPED);
        }
        added
    }
}

fn work(jobs: &Receiver<Job>, tally: &Tally) {
    while let Ok(job) = jobs.recv() {
        let told = deliver(&job.hook, &job.call);
        match &told.1 {
            Ok(_) => tally.add(PASSED_ON),
            Err(why) => {
                tally.add(FAILED);
                let (method, url) = (&job.call.method, &job.call.url);
                tracing::warn!("a purge was not passed on: {method} {url}: {why}");
            }
        }
        if let Some(waits) = job.told {
            // It may have given up.
            let _ = waits.try_send(told);
        }
    }
}

fn deliver(hook: &PurgeHook, call: &Call) -> Told {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(hook.timeout))
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .build()
        .new_agent();
    let token = match token(hook) {
        Ok(token) => token,
        Err(why) => return (0, Err(why)),
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let said = send(&agent, call, token.as_ref());
        let again = said.as_ref().map_or(true, |status| passes(*status));
        if !again || tries >= hook.attempts {
            let said = said.and_then(|status| match status {
                200..=299 => Ok(status),
                status => Err(format!("it answered {status}")),
            });
            return (tries, said);
        }
        std::thread::sleep(backoff(tries));
    }
}

/// Name and value of the field that lets the call in.
fn token(hook: &PurgeHook) -> Result<Option<(String, String)>, String> {
    let Some(secret) = &hook.token else {
        return Ok(None);
    };
    let value = secret.fetch().map_err(|finding| finding.what)?;
    let value = match hook.token_header.as_str() {
        "authorization" => format!("Bearer {value}"),
        _ => value,
    };
    Ok(Some((hook.token_header.clone(), value)))
}

fn send(agent: &ureq::Agent, call: &Call, token: Option<&(String, String)>) -> Result<u16, String> {
    let mut request = ureq::http::Request::builder()
        .method(call.method.as_str())
        .uri(&call.url);
    for (name, value) in call.headers.iter().chain(token) {
        request = request.header(name, value);
    }
    let answer = match &call.body {
        Some(body) => agent.run(request.body(body.as_str()).map_err(said)?),
        None => agent.run(request.body(()).map_err(said)?),
    };
    answer.map(|a| a.status().as_u16()).map_err(said)
}

fn said(e: impl std::fmt::Display) -> String {
    e.to_string()
}

#[cfg(test)]
mod tests;
