//! Generations: the file with its overlays, composed, written to the ledger, then published.

mod overlay;

pub use overlay::{clash, dotted, expired};

use crate::ledger::{Entry, Event, Ledger, LedgerError, Note, State};
use crate::ports::{Compose, Publish};
use base::Finding;
use config::{Config, Generation, Op, Overlay};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The overlay that holds the instances that a driver runs. Not in the ledger: it follows what runs.
const DRIVER: &str = "driver";

/// Who asks for a change, and why.
#[derive(Clone, Debug)]
pub struct By {
    pub who: String,
    pub why: String,
    pub now_ms: u64,
}

impl By {
    pub fn new(who: impl Into<String>, why: impl Into<String>, now_ms: u64) -> By {
        By {
            who: who.into(),
            why: why.into(),
            now_ms,
        }
    }
}

pub struct Generations {
    ledger: Arc<Ledger>,
    compose: Arc<dyn Compose>,
    publish: Arc<dyn Publish>,
    inner: Mutex<Inner>,
}

struct Inner {
    document: String,
    current: Generation,
    /// Extra instances that run, by service.
    instances: BTreeMap<String, Vec<SocketAddr>>,
    /// What is wrong with the newest file, when it could not be taken.
    file_findings: Vec<Finding>,
}

enum Fail {
    Ledger(LedgerError),
    Findings(Vec<Finding>),
}

impl From<LedgerError> for Fail {
    fn from(e: LedgerError) -> Fail {
        Fail::Ledger(e)
    }
}

impl From<Fail> for Vec<Finding> {
    fn from(f: Fail) -> Vec<Finding> {
        match f {
            Fail::Ledger(e) => vec![e.into()],
            Fail::Findings(f) => f,
        }
    }
}

impl Generations {
    /// Rebuilds the present from the file and the ledger, and publishes it. `first` are events to write before
    /// (trials that a restart interrupted). A broken file, or a ledger that cannot be read, is an error.
    pub fn start(
        ledger: Arc<Ledger>,
        compose: Arc<dyn Compose>,
        publish: Arc<dyn Publish>,
        document: String,
        first: Vec<Note>,
        now_ms: u64,
    ) -> Result<Generations, Vec<Finding>> {
        // Names the file's own mistakes, before overlays come into it.
        let current = compose.compose(&document, &[], 0, now_ms / 1000)?;
        let generations = Generations {
            ledger,
            compose,
            publish,
            inner: Mutex::new(Inner {
                document,
                current,
                instances: BTreeMap::new(),
                file_findings: Vec::new(),
            }),
        };
        let by = By::new("plimsoll", "start", now_ms);
        generations.change(&by, |_, _| Ok(first.clone()))?;
        Ok(generations)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn current(&self) -> Generation {
        self.lock().current.clone()
    }

    pub fn document(&self) -> String {
        self.lock().document.clone()
    }

    /// The file in service, without any overlay.
    pub fn file(&self) -> Result<Arc<Config>, Vec<Finding>> {
        let composed = self.compose.compose(&self.document(), &[], 0, 0)?;
        Ok(composed.base)
    }

    /// What is wrong with the newest file, when an older one is still in service.
    pub fn file_findings(&self) -> Vec<Finding> {
        self.lock().file_findings.clone()
    }

    /// Takes a new version of the file. A broken one changes nothing and is remembered as findings.
    pub fn reload(&self, document: String, by: &By) -> Result<(), Vec<Finding>> {
        if let Err(findings) = self.compose.compose(&document, &[], 0, by.now_ms / 1000) {
            self.lock().file_findings = findings.clone();
            return Err(findings);
        }
        let mut inner = self.lock();
        self.change_locked(&mut inner, Some(document), by, |_, _| Ok(Vec::new()))
    }

    /// Adds an overlay; its operations get their base values from the file. `more` is written with it, or not at all.
    pub fn add(&self, mut overlay: Overlay, more: Vec<Event>, by: &By) -> Result<(), Vec<Finding>> {
        overlay.created_at = by.now_ms / 1000;
        self.change(by, |state, document| {
            let mut new = overlay.clone();
            new.ops = overlay::with_base(new.ops, document, &*self.compose);
            overlay::admit(&new, &state.overlays)?;
            let add = std::iter::once(Event::OverlayAdded { overlay: new });
            Ok(add
                .chain(more.iter().cloned())
                .map(|e| Note::new(&by.who, &by.why, e))
                .collect())
        })
    }

    /// Adds an overlay of another node as it is there: what it replaces must be in this file, too.
    pub fn take(&self, overlay: Overlay, by: &By) -> Result<(), Vec<Finding>> {
        self.change(by, |state, document| {
            overlay::admit(&overlay, &state.overlays)?;
            if let Some(finding) = overlay::outdated(&overlay, document, &*self.compose) {
                return Err(vec![finding]);
            }
            let overlay = overlay.clone();
            let event = Event::OverlayAdded { overlay };
            Ok(vec![Note::new(&by.who, &by.why, event)])
        })
    }

    /// Removes an overlay; the others stay. When the ledger cannot be written, the overlay is taken out of service
    /// all the same and the error is returned: harm must not last because a disk is full.
    pub fn rollback(&self, id: &str, by: &By) -> Result<(), Vec<Finding>> {
        let result = self.change(by, |state, _| {
            known(state, id)?;
            let overlay = id.to_owned();
            Ok(vec![
                Note::new(&by.who, &by.why, Event::Rollback { overlay }),
                Note::new(&by.who, &by.why, Event::OverlayRemoved { id: id.into() }),
            ])
        });
        if let Err(findings) = &result
            && findings.iter().any(|f| f.code == "ledger-unusable")
        {
            self.withdraw(id, by);
        }
        result
    }

    /// Publishes without an overlay that the ledger still holds.
    fn withdraw(&self, id: &str, by: &By) {
        let mut inner = self.lock();
        let state = self.ledger.state();
        let mut overlays = state.overlays.clone();
        overlays.retain(|o| o.id != id);
        let now_s = by.now_ms / 1000;
        let all = self.with_driver(&overlays, &inner.document, &inner.instances, now_s);
        let number = inner.current.number + 1;
        if let Ok(generation) = self.compose.compose(&inner.document, &all, number, now_s) {
            inner.current = generation.clone();
            self.publish.publish(generation);
        }
    }

    /// A canary becomes a change for everyone.
    pub fn promote(&self, id: &str, by: &By) -> Result<(), Vec<Finding>> {
        self.change(by, |state, _| {
            known(state, id)?;
            let event = Event::OverlayPromoted { id: id.into() };
            Ok(vec![Note::new(&by.who, &by.why, event)])
        })
    }

    /// Writes down what has expired. The gateway has left it behind on its own clock already.
    pub fn expire(&self, now_ms: u64) -> Result<(), Vec<Finding>> {
        let now_s = now_ms / 1000;
        let due = self
            .ledger
            .state()
            .overlays
            .iter()
            .any(|o| overlay::expired(o, now_s));
        if !due {
            return Ok(());
        }
        self.change(&By::new("plimsoll", "its time has come", now_ms), |_, _| {
            Ok(Vec::new())
        })
    }

    /// The extra instances that run now.
    pub fn set_instances(
        &self,
        instances: BTreeMap<String, Vec<SocketAddr>>,
        by: &By,
    ) -> Result<(), Vec<Finding>> {
        let mut inner = self.lock();
        if inner.instances == instances {
            return Ok(());
        }
        let before = std::mem::replace(&mut inner.instances, instances);
        let result = self.change_locked(&mut inner, None, by, |_, _| Ok(Vec::new()));
        if result.is_err() {
            inner.instances = before;
        }
        result
    }

    fn change(
        &self,
        by: &By,
        decide: impl FnMut(&State, &str) -> Result<Vec<Note>, Vec<Finding>>,
    ) -> Result<(), Vec<Finding>> {
        self.change_locked(&mut self.lock(), None, by, decide)
    }

    /// Decides, checks that the result composes, writes it down, and only then publishes.
    fn change_locked(
        &self,
        inner: &mut Inner,
        new_document: Option<String>,
        by: &By,
        mut decide: impl FnMut(&State, &str) -> Result<Vec<Note>, Vec<Finding>>,
    ) -> Result<(), Vec<Finding>> {
        let document = new_document.unwrap_or_else(|| inner.document.clone());
        let mut composed = None;
        self.ledger
            .transact(by.now_ms, |state| -> Result<Vec<Note>, Fail> {
                let mut notes = decide(state, &document).map_err(Fail::Findings)?;
                let (more, generation) = self
                    .settle(state, &notes, &document, &inner.instances, by)
                    .map_err(Fail::Findings)?;
                notes.extend(more);
                composed = Some(generation);
                Ok(notes)
            })
            .map_err(Vec::<Finding>::from)?;
        inner.document = document;
        inner.file_findings.clear();
        if let Some(generation) = composed {
            inner.current = generation.clone();
            self.publish.publish(generation);
        }
        Ok(())
    }

    /// What follows from `notes`: the file's hash, overlays that go, and the generation.
    fn settle(
        &self,
        state: &State,
        notes: &[Note],
        document: &str,
        instances: &BTreeMap<String, Vec<SocketAddr>>,
        by: &By,
    ) -> Result<(Vec<Note>, Generation), Vec<Finding>> {
        let now_s = by.now_ms / 1000;
        let mut next = state.clone();
        for n in notes {
            next.apply(&entry(n, by.now_ms));
        }
        let mut more = Vec::new();
        let mut go = |event: Event, why: &str, next: &mut State| {
            let note = Note::new(&by.who, why, event);
            next.apply(&entry(&note, by.now_ms));
            more.push(note);
        };
        let to = hex(document);
        if to != next.file_hash {
            let from = next.file_hash.clone();
            go(Event::FileChanged { from, to }, &by.why, &mut next);
        }
        for o in next.overlays.clone() {
            if overlay::expired(&o, now_s) {
                let event = Event::OverlayExpired { id: o.id };
                go(event, "its time has come", &mut next);
            } else if let Some(finding) = overlay::outdated(&o, document, &*self.compose) {
                let event = Event::OverlayDropped { id: o.id, finding };
                go(event, "the file wins", &mut next);
            }
        }
        let number = next.generation + 1;
        let compose = |overlays: &[Overlay]| {
            let all = self.with_driver(overlays, document, instances, now_s);
            self.compose.compose(document, &all, number, now_s)
        };
        // A new overlay that does not compose is refused; an old one that no longer does gives way to the file.
        let mut generation = compose(&next.overlays);
        while let Err(findings) = &generation {
            let old = next
                .overlays
                .iter()
                .rev()
                .find(|o| state.overlay(&o.id).is_some());
            let added = next.overlays.iter().any(|o| state.overlay(&o.id).is_none());
            let Some(id) = old.map(|o| o.id.clone()).filter(|_| !added) else {
                return Err(findings.clone());
            };
            let why = findings.first().map_or(String::new(), |f| f.what.clone());
            let finding = Finding::warning(
                "overlay-no-longer-fits",
                format!("overlay `{id}` no longer fits the file: {why}"),
            );
            go(
                Event::OverlayDropped { id, finding },
                "the file wins",
                &mut next,
            );
            generation = compose(&next.overlays);
        }
        let mut generation = generation?;
        if generation.hash == next.hash && next.generation > 0 {
            generation.number = next.generation;
        } else {
            let event = Event::GenerationPublished {
                number,
                hash: generation.hash.clone(),
                overlays: next.overlays.iter().map(|o| o.id.clone()).collect(),
            };
            go(event, &by.why, &mut next);
        }
        Ok((more, generation))
    }

    /// The overlays with one more for the instances that a driver runs, where nothing else changes them.
    fn with_driver(
        &self,
        overlays: &[Overlay],
        document: &str,
        instances: &BTreeMap<String, Vec<SocketAddr>>,
        now_s: u64,
    ) -> Vec<Overlay> {
        let mut all = overlays.to_vec();
        let mut ops = Vec::new();
        for (service, extra) in instances.iter().filter(|(_, extra)| !extra.is_empty()) {
            let path = ["services", service, "instances"]
                .map(String::from)
                .to_vec();
            let base = self.compose.value_at(document, &path);
            let mut list = match &base {
                Some(serde_json::Value::Array(list)) => list.clone(),
                Some(one) => vec![one.clone()],
                None => Vec::new(),
            };
            list.extend(extra.iter().map(|a| a.to_string().into()));
            ops.push(Op {
                path,
                value: Some(list.into()),
                base,
            });
        }
        let driver = Overlay {
            id: DRIVER.into(),
            owner: "plimsoll".into(),
            reason: "instances that a driver runs".into(),
            evidence: String::new(),
            ops,
            created_at: now_s,
            expires_at: None,
            share: None,
        };
        if !driver.ops.is_empty() && overlay::admit(&driver, overlays).is_ok() {
            // Before the canary, so that both arms see the instances.
            all.insert(0, driver);
        }
        all
    }
}

fn known(state: &State, id: &str) -> Result<(), Vec<Finding>> {
    if state.overlay(id).is_some() {
        return Ok(());
    }
    let ids: Vec<_> = state.overlays.iter().map(|o| o.id.as_str()).collect();
    let help = match ids.is_empty() {
        true => "no overlay is active".to_owned(),
        false => format!("active overlays: {}", ids.join(", ")),
    };
    Err(vec![
        Finding::error("overlay-unknown", format!("no overlay is called `{id}`")).help(help),
    ])
}

fn entry(n: &Note, at_ms: u64) -> Entry {
    Entry {
        version: 0,
        at_ms,
        who: n.who.clone(),
        why: n.why.clone(),
        event: n.event.clone(),
    }
}

fn hex(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}
