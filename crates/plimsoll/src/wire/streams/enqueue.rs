//! Rows of an outbox as jobs of a route: one write for all of them and for their names.

use crate::wire::jobs::Makes;
use arc_swap::ArcSwap;
use base::clock::Clock;
use config::Config;
use config::sections::{Async, OnDead, Outbox, Target};
use control::ports::{SystemWall, Wall};
use gateway::jobs::{Jobs, carry};
use std::sync::Arc;
use std::time::Duration;
use store::{Bounds, Named, NewJob};
use streams::outbox::{Request, Take};

/// How long the name of a job is known whose row may still be there.
const KNOWN: Duration = Duration::from_secs(30 * 24 * 3600);

/// What jobs go into.
#[derive(Clone)]
pub struct Queue {
    pub makes: Makes,
    pub jobs: Arc<Jobs>,
    pub clock: Clock,
}

pub fn take(queue: Queue, current: Arc<ArcSwap<Config>>) -> Take {
    Arc::new(move |outbox, requests, settled| {
        let named = named(&queue, &current.load(), outbox, requests, settled);
        Box::pin(taken(queue.clone(), named))
    })
}

async fn taken(queue: Queue, named: Result<(Named, Bounds), String>) -> Result<usize, String> {
    let (named, bounds) = named?;
    // Not held while it waits: another process may be about to take the queue over.
    let ack = match queue.makes.queue() {
        Some(store) => store.enqueue_named(named, bounds, SystemWall.now_ms()),
        None => return Err("the queue of jobs is not open".into()),
    };
    let taken = ack.await.map_err(|e| e.to_string())?;
    if taken > 0 {
        queue.jobs.news.notify_one();
    }
    Ok(taken)
}

/// The jobs, and how many may wait.
fn named(
    queue: &Queue,
    config: &Config,
    outbox: &Outbox,
    requests: Vec<Request>,
    settled: Vec<String>,
) -> Result<(Named, Bounds), String> {
    let Target::Job(route) = &outbox.to else {
        return Err("its rows become no jobs".into());
    };
    let rules = config.route(route).and_then(|r| r.asynchronous.as_ref());
    let rules = rules.ok_or_else(|| format!("the route `{route}` takes no jobs (`async`)"))?;
    let now_ms = queue.jobs.now_ms(queue.clock.now());
    let each = |r: Request| Some((r.name.clone(), job(outbox, route, rules, r, now_ms)?));
    let jobs = requests.into_iter().map(each).collect::<Option<Vec<_>>>();
    let named = Named {
        jobs: jobs.ok_or("the system gives no random numbers")?,
        known_ms: KNOWN.as_millis() as u64,
        settled,
    };
    let bounds = Bounds {
        jobs: rules.jobs,
        bytes: rules.bytes,
    };
    Ok((named, bounds))
}

/// `None`: there are no random numbers.
fn job(outbox: &Outbox, route: &str, rules: &Async, r: Request, now_ms: u64) -> Option<NewJob> {
    let order_by = rules.order_by.as_deref();
    let named = |name: &str| r.lines.iter().find(|l| l.0.eq_ignore_ascii_case(name));
    let key: Option<String> = order_by
        .and_then(named)
        .map(|(_, value)| value.chars().take(200).collect());
    let host = ("Host".to_owned(), "plimsoll".to_owned());
    let lines = std::iter::once(&host).chain(&r.lines);
    Some(NewJob {
        secret: gateway::jobs::secret()?,
        lane: route.to_owned(),
        tenant: String::new(),
        weight: 1,
        key: key.filter(|k| !k.is_empty()),
        blocks: rules.on_dead == OnDead::Block,
        enqueued_ms: now_ms,
        due_ms: now_ms,
        expires_ms: now_ms + rules.ttl.as_millis() as u64,
        head: carry::made("POST", &outbox.path, lines),
        title: r.title.chars().take(200).collect(),
        payload: r.body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_job_of_its_route_and_ordered_by_what_the_route_says() {
        let mut outbox = Outbox::named("mails");
        outbox.path = "/send".into();
        let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Request {
            name: "outbox/mails/7".into(),
            title: "POST /send (outbox mails 7)".into(),
            lines: vec![line("ce-id", "7"), line("ce-subject", "o/7")],
            body: b"{}".to_vec(),
        };
        let mut rules = Async {
            ttl: Duration::from_secs(1),
            ..Async::default()
        };
        let made = |rules: &Async| job(&outbox, "send", rules, request.clone(), 5).unwrap();
        let plain = made(&rules);
        assert_eq!((plain.lane.as_str(), plain.key), ("send", None));
        assert_eq!((plain.due_ms, plain.expires_ms), (5, 1005));
        assert_eq!(plain.payload, b"{}");
        let head = String::from_utf8(plain.head).unwrap();
        assert_eq!(
            head,
            "PPOST /send HTTP/1.1\r\nHost: plimsoll\r\nce-id: 7\r\nce-subject: o/7\r\n"
        );
        rules.order_by = Some("ce-subject".into());
        assert_eq!(made(&rules).key.as_deref(), Some("o/7"));
        rules.order_by = Some("x-none".into());
        assert_eq!(made(&rules).key, None);
    }
}
