//! Overlays of all nodes: each says what it has under a key of its own, rings a bell that all look at, and follows the others
//! (`control::spread` decides). An engine that is away, or that has lost everything, takes no overlay back.

use crate::exit::Failure;
use crate::wire::thread::Thread;
use control::Control;
use control::ports::{SystemWall, Wall};
use control::spread::{Heard, Refused, Said, Word};
use serde::Serialize;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use store::{Entry, Error, Kv, Put};

/// What keys of words begin with.
const PREFIX: &str = "overlays/";
/// Holds who spoke last. A hint: who misses it looks after `LOOK`.
const BELL: &str = "bell/overlays";
/// Between two looks at the bell, and at the own ledger.
const TURN: Duration = Duration::from_millis(250);
/// Between two looks at what all say, when nobody has rung.
const LOOK: Duration = Duration::from_secs(5);
/// Between two times that a node says the same again, and how long it stays when it does not: hosts' clocks may differ.
const AGAIN: Duration = Duration::from_secs(60);
const STAYS: Duration = Duration::from_secs(600);
/// Longest wait for the engine before traffic begins.
const FIRST: Duration = Duration::from_secs(2);
/// Words that are looked at.
const MOST: usize = 256;

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Standing {
    /// Why this node does not hear the others, or they not it.
    pub wrong: Option<String>,
    /// What is in service at one node only.
    pub refused: Vec<Refused>,
}

/// Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Spread {
    standing: Mutex<Standing>,
}

impl Spread {
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn standing(&self) -> Standing {
        self.lock().clone()
    }
}

struct Work {
    kv: Arc<dyn Kv>,
    owner: String,
    control: Arc<Control>,
    shown: Arc<Spread>,
    /// What this node has; `None`: not made yet.
    said: Option<Said>,
    /// What others can read of it, and since when; `None`: say it.
    told: Option<(Vec<u8>, Instant)>,
    /// Rings so far.
    rings: u64,
    bell: Option<Vec<u8>>,
    /// `None`: look.
    looked: Option<Instant>,
}

/// Says what it has once more when dropped.
pub struct Spreading {
    pub shown: Arc<Spread>,
    _thread: Thread,
}

impl Spreading {
    /// Follows what the others say before it returns, where the engine answers in time.
    pub fn start(
        kv: Arc<dyn Kv>,
        owner: String,
        control: Arc<Control>,
    ) -> Result<Spreading, Failure> {
        let mut work = Work::new(kv, owner, control);
        let until = Instant::now() + FIRST;
        turn(&mut work);
        while work.looked.is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
            turn(&mut work);
        }
        if let Some(why) = work.shown.standing().wrong {
            tracing::warn!("what other nodes have on top of the file is not known yet: {why}");
        }
        let shown = work.shown.clone();
        let stop = Arc::<AtomicBool>::default();
        let thread = Thread::start("overlays", stop, work, || TURN, turn, close)?;
        Ok(Spreading {
            shown,
            _thread: thread,
        })
    }
}

impl Work {
    fn new(kv: Arc<dyn Kv>, owner: String, control: Arc<Control>) -> Work {
        Work {
            kv,
            owner,
            control,
            shown: Arc::default(),
            said: None,
            told: None,
            rings: 0,
            bell: None,
            looked: None,
        }
    }

    /// What this node has now.
    fn own(&mut self) -> Result<Said, String> {
        let version = self.control.version();
        if let Some(said) = self.said.as_ref().filter(|s| s.version == version) {
            return Ok(said.clone());
        }
        let said = self.control.said();
        let said = said.map_err(|f| f.iter().map(|f| f.what.as_str()).collect::<String>())?;
        self.said = Some(said.clone());
        Ok(said)
    }

    /// Writes down what others do not have of it yet.
    fn tell(&mut self, word: &Word, now: Instant) -> Result<(), Error> {
        let value = serde_json::to_vec(word).unwrap_or_default();
        let known = self.told.as_ref().filter(|(told, _)| *told == value);
        if known.is_some_and(|(_, at)| now.saturating_duration_since(*at) < AGAIN) {
            return Ok(());
        }
        let is_news = known.is_none();
        let wall = SystemWall.now_ms();
        let put = |key: &str, value| Put {
            expires_ms: Some(wall + STAYS.as_millis() as u64),
            ..Put::new(key, value)
        };
        let key = format!("{PREFIX}{}", self.owner);
        self.kv.put(put(&key, value.clone()), wall).wait()?;
        if is_news {
            self.rings += 1;
            let ring = format!("{} {wall} {}", self.owner, self.rings);
            self.kv.put(put(BELL, ring.into_bytes()), wall).wait()?;
        }
        self.told = Some((value, now));
        Ok(())
    }

    /// What the others say, if it may be news.
    fn listen(&mut self, now: Instant) -> Result<Option<Vec<Heard>>, Error> {
        let wall = SystemWall.now_ms();
        let bell = self.kv.get(BELL, wall)?.map(|e| e.value);
        let due = (self.looked).is_none_or(|at| now.saturating_duration_since(at) >= LOOK);
        if bell == self.bell && !due {
            return Ok(None);
        }
        let all = self.kv.scan(PREFIX, None, MOST, wall)?;
        let (own, others): (Vec<Entry>, Vec<Entry>) =
            all.into_iter().partition(|e| name(e) == self.owner);
        let own = own.first().map(|e| &e.value);
        // The engine has lost it. Where there are too many, it may be one that was not read.
        if others.len() < MOST && self.told.as_ref().map(|(told, _)| told) != own {
            self.told = None;
        }
        let heard = others
            .iter()
            .map(|e| (name(e).to_owned(), Word::read(&e.value)));
        let heard = heard.collect();
        (self.bell, self.looked) = (bell, Some(now));
        Ok(Some(heard))
    }
}

/// Whose word it is.
fn name(entry: &Entry) -> &str {
    entry.key.strip_prefix(PREFIX).unwrap_or(&entry.key)
}

fn turn(work: &mut Work) {
    let wrong = step(work).err();
    if wrong.is_some() {
        work.looked = None;
    }
    work.shown.lock().wrong = wrong;
}

/// Listens before it speaks: what was taken back is not said again by a node that was away.
fn step(work: &mut Work) -> Result<(), String> {
    let now = Instant::now();
    let said = work.own()?;
    let heard = work.listen(now).map_err(|e| e.to_string())?;
    if let Some(heard) = heard {
        let mut refused = (work.control).hear(&said.word, &heard, SystemWall.now_ms());
        refused.extend(said.kept);
        let mut standing = work.shown.lock();
        if standing.refused != refused {
            for r in &refused {
                let overlays = r.overlays.join(", ");
                tracing::warn!(node = r.node, overlays, "in service at one node: {}", r.why);
            }
            standing.refused = refused;
        }
    }
    let said = work.own()?;
    work.tell(&said.word, now).map_err(|e| e.to_string())
}

/// A node that has ended has nothing in service; what was taken back stays so.
fn close(work: &mut Work) {
    let Ok(said) = work.own() else { return };
    let word = Word {
        overlays: Vec::new(),
        ..said.word
    };
    // Away: the others know, or hear it when it comes back.
    let _ = work.tell(&word, Instant::now());
}
