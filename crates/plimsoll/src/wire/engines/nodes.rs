//! Which config each of several nodes runs: every node says so once a second, and sees who says something else. Nothing is
//! handed out: who changes files on hosts is somebody else's work, and whether that is done everywhere is seen here.
//!
//! A node lives as long as what it says changes, on the clock of whoever looks: clocks of hosts need not agree.

use crate::exit::Failure;
use crate::wire::thread::Thread;
use arc_swap::ArcSwap;
use config::Config;
use control::ports::{SystemWall, Wall};
use control::spread;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use store::{Entry, Error, Kv, Put};

/// What keys of nodes begin with.
const PREFIX: &str = "node/";
/// Between two times that a node says what it runs.
const SAY: Duration = Duration::from_secs(1);
/// Who has said nothing new for so long is gone.
const GONE: Duration = Duration::from_secs(6);
/// How long what a node said last stays in the engine, and how many of its turns pass between two sweeps.
const STAYS: Duration = Duration::from_secs(600);
const SWEEP: u64 = 60;
/// Nodes that are looked at, and old sayings that one sweep removes.
const MOST: usize = 256;
/// What a node says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Said {
    version: String,
    /// Hash of each part of its config.
    parts: BTreeMap<String, String>,
    /// Since when, milliseconds since the Unix epoch on its clock.
    since_ms: u64,
    /// Goes up each time.
    beat: u64,
}

/// Another node, as it was heard last.
#[derive(Debug)]
struct Heard {
    said: Said,
    at: Instant,
}

/// What is known of all of them.
#[derive(Debug, Default)]
pub struct Nodes {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    own: Said,
    others: BTreeMap<String, Heard>,
    wrong: Option<String>,
}

/// In what two differ; empty: in nothing.
fn differ(a: &Said, b: &Said) -> Vec<String> {
    if a.version != b.version {
        // What is written down of a config depends on the version.
        return vec![format!("version {}", b.version)];
    }
    spread::differ(&a.parts, &b.parts)
}

impl Known {
    /// What the engine has of all nodes.
    fn hear(&mut self, own: &str, entries: &[Entry], now: Instant) {
        for entry in entries {
            let name = entry.key.strip_prefix(PREFIX).unwrap_or(&entry.key);
            let Ok(said) = serde_json::from_slice::<Said>(&entry.value) else {
                continue;
            };
            let is_news = (self.others.get(name)).is_none_or(|h| h.said.beat != said.beat);
            if name != own && is_news {
                self.others.insert(name.to_owned(), Heard { said, at: now });
            }
        }
        self.others
            .retain(|_, heard| now.saturating_duration_since(heard.at) < GONE);
    }
}

impl Nodes {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The other nodes; those that run another config say in what it differs, and since when that is so.
    pub fn shown(&self) -> Value {
        let known = self.known();
        let one = |(name, heard): (&String, &Heard)| {
            let differs = differ(&known.own, &heard.said);
            let since = known.own.since_ms.max(heard.said.since_ms);
            json!({
                "node": name,
                "since_ms": (!differs.is_empty()).then_some(since),
                "differs": differs,
            })
        };
        known.others.iter().map(one).collect()
    }

    /// Other nodes that live: with the same config, and with another.
    pub fn counts(&self) -> [usize; 2] {
        let known = self.known();
        let same = |h: &&Heard| differ(&known.own, &h.said).is_empty();
        let n = known.others.values().filter(same).count();
        [n, known.others.len() - n]
    }

    /// Why the other nodes are not known, if so.
    pub fn wrong(&self) -> Option<String> {
        self.known().wrong.clone()
    }
}

struct Work {
    kv: Arc<dyn Kv>,
    owner: String,
    current: Arc<ArcSwap<Config>>,
    /// Of which `own` was made.
    config: Option<Arc<Config>>,
    nodes: Arc<Nodes>,
}

/// Says no more when dropped.
pub struct Saying {
    pub nodes: Arc<Nodes>,
    _thread: Thread,
}

impl Saying {
    pub fn start(
        kv: Arc<dyn Kv>,
        owner: String,
        current: Arc<ArcSwap<Config>>,
    ) -> Result<Saying, Failure> {
        let nodes = Arc::<Nodes>::default();
        let work = Work {
            kv,
            owner,
            current,
            config: None,
            nodes: nodes.clone(),
        };
        let stop = Arc::<AtomicBool>::default();
        let thread = Thread::start("nodes", stop, work, || SAY, turn, close)?;
        Ok(Saying {
            nodes,
            _thread: thread,
        })
    }
}

fn turn(work: &mut Work) {
    let said = own(work);
    let told = tell(work, &said);
    let mut known = work.nodes.known();
    match told {
        Ok(entries) => {
            known.hear(&work.owner, &entries, Instant::now());
            known.wrong = None;
        }
        // Nobody is called gone because the engine is.
        Err(e) => known.wrong = Some(e.to_string()),
    }
}

/// What this node says now.
fn own(work: &mut Work) -> Said {
    let config = work.current.load_full();
    let mut known = work.nodes.known();
    if !work
        .config
        .as_ref()
        .is_some_and(|c| Arc::ptr_eq(c, &config))
    {
        let parts = spread::parts(&config);
        if parts != known.own.parts {
            known.own.since_ms = SystemWall.now_ms();
        }
        known.own.parts = parts;
        known.own.version = env!("CARGO_PKG_VERSION").into();
        work.config = Some(config);
    }
    known.own.beat += 1;
    known.own.clone()
}

fn tell(work: &Work, said: &Said) -> Result<Vec<Entry>, Error> {
    let now = SystemWall.now_ms();
    let put = Put {
        expires_ms: Some(now + STAYS.as_millis() as u64),
        ..Put::new(
            format!("{PREFIX}{}", work.owner),
            serde_json::to_vec(said).unwrap_or_default(),
        )
    };
    work.kv.put(put, now).wait()?;
    if said.beat.is_multiple_of(SWEEP) {
        work.kv.sweep(MOST, now).wait()?;
    }
    // By this clock some may have expired that live: they say it again within a second.
    work.kv.scan(PREFIX, None, MOST, now)
}

fn close(work: &mut Work) {
    let key = format!("{PREFIX}{}", work.owner);
    // Away: it is forgotten.
    let _ = (work.kv)
        .delete(&key, store::Precondition::Any, SystemWall.now_ms())
        .wait();
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Embedded;

    fn config(text: &str) -> Arc<ArcSwap<Config>> {
        let checked = config::check_text("p.yaml", text);
        Arc::new(ArcSwap::from_pointee(checked.config.unwrap()))
    }

    fn text(port: u16, more: &str) -> String {
        format!(
            "listen: 127.0.0.1:{port}\nstate: {{ listen: 127.0.0.1:{}, token: {{ env: X }}, stores: {{ a: {{}} }} }}\n\
             services: {{ a: {{ instances: [127.0.0.1:1]{more} }} }}\n",
            port + 1
        )
    }

    #[test]
    fn a_node_that_runs_another_config_is_named_with_what_differs_and_is_gone_when_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let kv: Arc<dyn Kv> = Arc::new(Embedded::open(dir.path().join("n.db")).unwrap());
        let node = |owner: &str, current: &Arc<ArcSwap<Config>>| Work {
            kv: kv.clone(),
            owner: owner.into(),
            current: current.clone(),
            config: None,
            nodes: Arc::default(),
        };
        let (here, there) = (config(&text(7001, "")), config(&text(7003, "")));
        let (mut a, mut b) = (node("a", &here), node("b", &there));
        turn(&mut a);
        turn(&mut b);
        turn(&mut a);
        let shown = a.nodes.shown();
        assert_eq!(shown[0]["node"], "b");
        assert_eq!(
            shown[0]["differs"],
            json!([]),
            "where it listens is its own"
        );
        assert_eq!(a.nodes.counts(), [1, 0]);
        here.store(config(&text(7001, ", limit: 5")).load_full());
        turn(&mut a);
        let shown = a.nodes.shown();
        assert_eq!(shown[0]["differs"], json!(["services"]));
        assert!(shown[0]["since_ms"].as_u64().unwrap() >= a.nodes.known().own.since_ms);
        assert_eq!((a.nodes.counts(), b.nodes.counts()), ([0, 1], [1, 0]));
        turn(&mut b);
        assert_eq!(b.nodes.shown()[0]["differs"], json!(["services"]));
        close(&mut a);
        turn(&mut b);
        assert_eq!(b.nodes.counts(), [0, 1], "it may come again");
        let later = Instant::now() + GONE;
        b.nodes.known().hear("b", &[], later);
        assert_eq!(b.nodes.counts(), [0, 0]);
    }

    #[test]
    fn versions_and_junk() {
        let said = |version: &str| Said {
            version: version.into(),
            ..Said::default()
        };
        assert_eq!(differ(&said("1"), &said("2")), ["version 2"]);
        let mut known = Known::default();
        let junk = Entry {
            key: "node/x".into(),
            value: b"{".to_vec(),
            etag: store::Etag(1),
            expires_ms: None,
        };
        known.hear("me", &[junk], Instant::now());
        assert!(known.others.is_empty());
    }
}
