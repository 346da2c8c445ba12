//! Streams of events: the store opened where the config asks for any, what relays and pushes beside it, and what console and
//! metrics ask of them.

mod enqueue;
mod push;
mod shown;

pub use enqueue::Queue;
pub use shown::Shown;

use crate::exit::Failure;
use crate::wire::engines::durable::OpenEvents;
use arc_swap::ArcSwap;
use config::Config;
use gateway::request::projection::Positions;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use store::{Embedded, Log};
use streams::outbox::{self, Connect};
use streams::projection::{self, Parts};
use streams::{Leads, Place, Store, retain};
use telemetry::probes::postgres;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Its name in `data_dir`.
pub const FILE: &str = "events.db";

/// Longest that a connection to the database of an outbox takes.
const DATABASE: Duration = Duration::from_secs(2);

type Standings<T> = Vec<Arc<Mutex<T>>>;

/// What goes on beside the store; it ends when dropped.
pub struct Work {
    place: Arc<Place>,
    tasks: Vec<JoinHandle<()>>,
    outboxes: Standings<outbox::Standing>,
    projections: Standings<projection::Standing>,
    /// How it stands with the copy of what all nodes have; `None`: they are this node's own.
    following: Option<Following>,
    pub store: Weak<Embedded>,
}

pub type Following = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// What they have to do with other nodes.
pub struct Nodes<'a> {
    /// Opens those of all nodes; `None`: they are this node's own.
    pub events: Option<&'a OpenEvents>,
    pub leads: Leads,
    /// Of outboxes whose rows become jobs.
    pub leads_jobs: Leads,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        // Another process may want it now.
        let _ = self.place.lend(None);
    }
}

/// Where streams are, if the config asks for any.
pub fn place(config: &Config) -> Option<Arc<Place>> {
    config.has_streams().then(Arc::default)
}

/// Opens the store, lends it, and starts what works on it.
pub fn start(
    dir: &Path,
    place: &Arc<Place>,
    current: &Arc<ArcSwap<Config>>,
    positions: Arc<Positions>,
    queue: Queue,
    nodes: Nodes<'_>,
    runtime: &Handle,
) -> Result<Work, Failure> {
    let config = current.load_full();
    let file = dir.join(FILE);
    let wrong = |e: store::Error| {
        Failure::new(format!("the store of streams {}: {e}", file.display()))
            .help("is another Plimsoll using this data_dir?")
    };
    let size = config.streams.clone().unwrap_or_default().size;
    let store = Arc::new(Embedded::open_within(&file, size).map_err(wrong)?);
    fitting(&store, nodes.events.is_some())?;
    let weak = Arc::downgrade(&store);
    let (store, following): (Arc<dyn Store>, _) = match nodes.events {
        Some(open) => {
            place.set_lags();
            let hears = Arc::downgrade(place);
            let news = move |last| {
                if let Some(place) = hears.upgrade() {
                    place.heard(last);
                }
            };
            let events = open(store, Box::new(news)).map_err(wrong)?;
            (events.store, Some(events.following))
        }
        None => (store, None),
    };
    place.lend(Some(store)).map_err(wrong)?;
    let mut work = Work {
        place: place.clone(),
        tasks: Vec::new(),
        outboxes: Vec::new(),
        projections: Vec::new(),
        following,
        store: weak,
    };
    let connect: Connect = Arc::new(|o| {
        let (url, ca) = (o.postgres.clone(), o.ca.clone());
        Box::pin(async move { postgres::open(&url, ca.as_deref(), DATABASE).await })
    });
    let parts = outbox::Parts {
        place: place.clone(),
        connect,
        take: enqueue::take(queue, current.clone()),
        leads: nodes.leads.clone(),
        leads_jobs: nodes.leads_jobs,
    };
    for o in &config.outboxes {
        let standing = Arc::new(Mutex::new(outbox::Standing::of(o)));
        work.outboxes.push(standing.clone());
        let relay = outbox::relay(o.clone(), parts.clone(), standing);
        work.tasks.push(runtime.spawn(relay));
    }
    let parts = Parts {
        place: place.clone(),
        push: push::push(),
        tell: Arc::new(move |name, position| positions.tell(name, position)),
        leads: nodes.leads.clone(),
    };
    for p in &config.projections {
        let standing = projection::Standing {
            name: p.name.clone(),
            to: p.to.clone(),
            ..projection::Standing::default()
        };
        let standing = Arc::new(Mutex::new(standing));
        work.projections.push(standing.clone());
        let project = projection::project(p.clone(), parts.clone(), standing);
        work.tasks.push(runtime.spawn(project));
    }
    let current = current.clone();
    let keep = move || current.load().streams.as_ref().and_then(|s| s.retention);
    work.tasks
        .push(runtime.spawn(retain(place.clone(), nodes.leads, keep)));
    Ok(work)
}

/// A file is this node's own or a copy of what all nodes have, and never becomes the other.
fn fitting(store: &Embedded, shared: bool) -> Result<(), Failure> {
    let wrong = |e: store::Error| Failure::new(format!("the store of streams: {e}"));
    let (copy, last) = (
        store.copy_of().map_err(wrong)?,
        store.ends().map_err(wrong)?.last,
    );
    let file = store.path().display();
    match (copy, shared) {
        (None, true) if last > 0 => Err(Failure::new(format!(
            "{file} holds {last} events of this node alone, and `engines.durable` has those of all nodes"
        ))
        .help("keep them here with `streams: { shared: false }`, or move the file away (and its -wal and -shm) to go on with those of all nodes")),
        (Some(_), false) => Err(Failure::new(format!(
            "{file} is a copy of the events of all nodes, and no event is appended to it here alone"
        ))
        .help("name the NATS that they are on (`engines.durable`, and no `shared: false`), or move the file away (and its -wal and -shm) to begin anew")),
        _ => Ok(()),
    }
}

impl Work {
    pub fn shown(&self, runtime: &Handle) -> Shown {
        Shown {
            place: Some(self.place.clone()),
            runtime: runtime.clone(),
            outboxes: self.outboxes.clone(),
            projections: self.projections.clone(),
            following: self.following.clone(),
        }
    }
}
