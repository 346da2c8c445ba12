//! Topics of all nodes: this node's copy of them is opened and lent to the gateway, and what other nodes did is told to whoever waits for it.

use crate::exit::Failure;
use crate::wire::engines::durable::OpenTopics;
use crate::wire::jobs;
use arc_swap::ArcSwap;
use config::Config;
use control::ports::{SystemWall, Wall};
use gateway::jobs::Jobs;
use gateway::topics::health;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::{Broker, Embedded};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Its name in `data_dir`.
pub const FILE: &str = "topics.db";

/// At most so often it is looked what others paused.
const EACH: Duration = Duration::from_millis(50);

/// What goes on beside them; it ends when dropped.
pub struct All {
    pub copy: Weak<Embedded>,
    pub following: super::Following,
    hears: JoinHandle<()>,
}

impl Drop for All {
    fn drop(&mut self) {
        self.hears.abort();
    }
}

/// Opens them, and lends them to the gateway.
pub fn open(
    dir: &Path,
    current: &Arc<ArcSwap<Config>>,
    jobs: Arc<Jobs>,
    engine: &OpenTopics,
    runtime: &Handle,
) -> Result<All, Failure> {
    nothing_waits(dir)?;
    let file = dir.join(FILE);
    let wrong = |e: store::Error| {
        Failure::new(format!("the copy of topics {}: {e}", file.display()))
            .help("is another Plimsoll using this data_dir?")
    };
    let copy = Arc::new(Embedded::open(&file).map_err(wrong)?);
    let weak = Arc::downgrade(&copy);
    let heard = Arc::new(Notify::new());
    let (tells, waiting) = (heard.clone(), Arc::downgrade(&jobs));
    let news = move || {
        if let Some(jobs) = waiting.upgrade() {
            jobs.published.send_modify(|n| *n += 1);
            jobs.news.notify_one();
        }
        tells.notify_one();
    };
    let topics = engine(copy, Box::new(news)).map_err(wrong)?;
    // As it was when this node ended: what was paused begins paused.
    let lanes = pushed(&current.load());
    health::learn_all(&jobs, &*topics.store, &lanes, SystemWall.now_ms()).map_err(wrong)?;
    let hears = hear(
        Arc::downgrade(&jobs),
        Arc::downgrade(&topics.store),
        current.clone(),
        heard,
    );
    jobs.lend_topics(topics.store);
    Ok(All {
        copy: weak,
        following: topics.following,
        hears: runtime.spawn(hears),
    })
}

/// Whoever takes their topics to an engine has no event left behind in a file that nobody delivers from.
fn nothing_waits(dir: &Path) -> Result<(), Failure> {
    let file = dir.join(jobs::FILE);
    if !file.exists() {
        return Ok(());
    }
    let own = Embedded::open_read_only(&file).map_err(|e| Failure::new(e.to_string()))?;
    let Some(lane) = jobs::left_behind(&own, true)? else {
        return Ok(());
    };
    let what = format!(
        "{} events wait for `{}` in the file of this node, and `engines.topics: durable` has none delivered from there",
        lane.waiting, lane.name
    );
    Err(Failure::new(what).help(
        "start once with `engines.topics: embedded` until `plimsoll topics status` shows none waiting",
    ))
}

fn pushed(config: &Config) -> Vec<Arc<str>> {
    let each = config.topics.iter().flat_map(|t| {
        let pushed = t.subscriptions.iter().filter(|s| s.is_pushed());
        pushed.map(|s| s.lane(&t.name).into())
    });
    each.collect()
}

/// Until they are given up.
async fn hear(
    jobs: Weak<Jobs>,
    topics: Weak<dyn Broker>,
    current: Arc<ArcSwap<Config>>,
    heard: Arc<Notify>,
) {
    loop {
        heard.notified().await;
        let (Some(jobs), Some(topics)) = (jobs.upgrade(), topics.upgrade()) else {
            return;
        };
        let lanes = pushed(&current.load());
        let look = move || health::learn_all(&jobs, &*topics, &lanes, SystemWall.now_ms());
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::error!("what others paused is not known: {e}"),
            Err(_) => return,
        }
        tokio::time::sleep(EACH).await;
    }
}
