//! The gate: tells the service what the session is, and has its answer wait until a change is written.

use super::change::{At, Cookie, Done, Failed, Fresh, Table};
use super::cookie::{BYTES, Cookies, Id, Names};
use super::core::{DATA, NAME, STATE, WISHES, Wish};
use super::record::Session;
use super::seal::Seal;
use crate::exchange::{Exchange, Outgoing, Reply, ResponseHead};
use crate::gate::{Gate, Making, Needs, Settle, Slot, Step, Ticket};
use crate::state::State;
use crate::tally::Tally;
use base::Nanos;
use config::sections::{Secure, Session as Rules};
use http1::Kind;
use ring::rand::{SecureRandom, SystemRandom};
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use store::Error;

/// What all sessions begin with in the store.
pub const PREFIX: &str = "sess/";
/// A store that takes longer is as good as away.
const LONGEST: Duration = Duration::from_secs(2);

const NAMES: &[&str] = &[
    "created",
    "rotated",
    "ended",
    "conflict",
    "store_down",
    "not_written",
];

#[derive(Clone, Copy)]
enum Note {
    Created,
    Rotated,
    Ended,
    Conflict,
    StoreDown,
    NotWritten,
}

/// On routes with a `session`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let name = m.route.session.as_deref()?;
    let rules = m.sessions.iter().find(|s| s.name == name)?.clone();
    let secret = rules.secret.as_ref().and_then(|s| match s.fetch() {
        Ok(secret) => Some(secret),
        Err(finding) => {
            tracing::error!("sessions have no copies: {finding}");
            None
        }
    });
    Some(Arc::new(SessionGate {
        names: [false, true].map(|secure| Arc::new(Names::of(&rules, secure))),
        seal: secret.and_then(|s| Seal::new(&s)).map(Arc::new),
        prefix: format!("{PREFIX}{name}/"),
        state: m.kept.get("state", State::default),
        tally: Tally::of(m.kept, "session", &m.route.name, NAMES),
        rules: Arc::new(rules),
    }))
}

struct SessionGate {
    rules: Arc<Rules>,
    /// Of plain clients, and of those with TLS.
    names: [Arc<Names>; 2],
    /// `None`: there are no copies.
    seal: Option<Arc<Seal>>,
    prefix: String,
    state: Arc<State>,
    tally: Arc<Tally>,
}

/// What a wait has brought, when it is over.
type Later<T> = Rc<RefCell<Option<T>>>;

/// One request.
struct Here {
    names: Arc<Names>,
    /// Where the client's id leads, and the copy that it has.
    key: Option<String>,
    copy: Option<Vec<u8>>,
    at: Option<At>,
    /// The store does not answer.
    away: bool,
    /// `Set-Cookie` of the answer.
    lines: Vec<String>,
    waits: Waits,
}

enum Waits {
    Nothing,
    Opening(Later<Result<Option<(At, bool)>, Error>>),
    Changing(Wish, Later<Result<Done, Failed>>),
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| bytes)
}

/// A ticket, and where its answer will be.
fn later<T: 'static>(future: impl Future<Output = T> + 'static) -> (Ticket, Later<T>) {
    let said: Later<T> = Rc::new(RefCell::new(None));
    let cell = said.clone();
    let ticket = Box::pin(async move {
        let out = future.await;
        *cell.borrow_mut() = Some(out);
    });
    (ticket, said)
}

fn late() -> Error {
    Error::Stopped("it took too long".into())
}

impl SessionGate {
    fn table(&self, now: Nanos) -> Option<Table> {
        let lent = || self.state.lent();
        Some(Table {
            kv: match (self.rules.shared, self.rules.durable) {
                (true, _) => self.state.shared()?,
                (false, true) => lent()?.durable,
                (false, false) => lent()?.relaxed,
            },
            rules: self.rules.clone(),
            now_ms: self.state.now_ms(now),
        })
    }

    /// Tells the service.
    fn tell(&self, x: &mut Exchange<'_>, state: &str, session: Option<&Session>) {
        x.edits.set(STATE, state.as_bytes());
        match session {
            Some(session) => {
                x.edits.set(NAME, session.shown().as_bytes());
                x.edits.set(DATA, &session.data);
            }
            // What a client says of itself is not heard.
            None => {
                x.edits.drop(NAME);
                x.edits.drop(DATA);
            }
        }
    }

    /// Nobody is logged out because a store is away: the client's copy stands in, or the service is told that nobody knows.
    fn degrade(&self, x: &mut Exchange<'_>, here: &mut Here, now: Nanos) {
        here.away = true;
        self.tally.note(x, Note::StoreDown as usize);
        let opened = match (&self.seal, &here.copy, &here.key) {
            (Some(seal), Some(copy), Some(key)) => seal.open(copy, key),
            _ => None,
        };
        let now_ms = self.state.now_ms(now);
        let alive = opened.filter(|s| super::core::is_alive(&self.rules, s, now_ms));
        match alive {
            Some(session) => self.tell(x, "read-only", Some(&session)),
            None => self.tell(x, "unknown", None),
        }
    }

    /// The client's copy follows the session.
    fn copy(&self, here: &mut Here, at: &At) {
        let Some(seal) = &self.seal else { return };
        let sealed = random().and_then(|nonce| seal.close(&at.session, &at.key, nonce));
        match sealed {
            Some(sealed) => here.lines.push(here.names.set_copy(&sealed)),
            // An old one must not stand in for what has become too large.
            None if here.copy.is_some() => here.lines.push(here.names.clear_copy()),
            None => {}
        }
    }

    fn opened(
        &self,
        x: &mut Exchange<'_>,
        here: &mut Here,
        said: Option<Result<Option<(At, bool)>, Error>>,
        now: Nanos,
    ) {
        match said {
            Some(Ok(Some((at, touched)))) => {
                self.tell(x, "live", Some(&at.session));
                if touched || here.copy.is_none() {
                    self.copy(here, &at);
                }
                here.at = Some(at);
            }
            Some(Ok(None)) => self.tell(x, "none", None),
            Some(Err(_)) | None => self.degrade(x, here, now),
        }
    }

    fn fresh(&self) -> Option<Fresh> {
        let id = Id::new(random::<BYTES>()?);
        Some(Fresh {
            key: id.key(&self.prefix),
            name: random()?,
            id,
        })
    }

    /// Begins to write what the service wants; `None`: that cannot be.
    fn change(&self, here: &mut Here, wish: Wish, now: Nanos) -> Option<Ticket> {
        if here.away {
            return None;
        }
        let (table, fresh) = (self.table(now)?, self.fresh()?);
        let (at, asked) = (here.at.clone(), wish.clone());
        // Goes on without its client: half a change would be worse than none.
        let task = tokio::spawn(table.change(at, asked, fresh));
        let (ticket, said) = later(async move {
            match tokio::time::timeout(LONGEST, task).await {
                Ok(Ok(done)) => done,
                _ => Err(Failed::Store(late())),
            }
        });
        here.waits = Waits::Changing(wish, said);
        Some(ticket)
    }

    fn changed(&self, x: &mut Exchange<'_>, here: &mut Here, wish: &Wish, done: Done) {
        let note = match &done.cookie {
            Cookie::Cleared => Some(Note::Ended),
            Cookie::New(_) if wish.rotate && here.at.is_some() => Some(Note::Rotated),
            Cookie::New(_) => Some(Note::Created),
            Cookie::Same => None,
        };
        if let Some(note) = note {
            self.tally.note(x, note as usize);
        }
        // One copy goes out: that of the session as it is now.
        here.lines.clear();
        match done.cookie {
            Cookie::Same => {}
            Cookie::New(id) => here.lines.push(here.names.set(&id)),
            Cookie::Cleared => {
                here.lines.push(here.names.clear());
                if here.copy.is_some() {
                    here.lines.push(here.names.clear_copy());
                }
            }
        }
        if let Some(at) = &done.at {
            self.copy(here, at);
        }
    }

    fn not_written(&self, x: &mut Exchange<'_>, why: &str) {
        self.tally.note(x, Note::NotWritten as usize);
        tracing::warn!(session = %self.rules.name, "a change was not written: {why}");
    }

    fn settled(
        &self,
        x: &mut Exchange<'_>,
        here: &mut Here,
        wish: &Wish,
        said: Option<Result<Done, Failed>>,
    ) -> Settle {
        match said {
            Some(Ok(done)) => self.changed(x, here, wish, done),
            Some(Err(Failed::Conflict)) => {
                self.tally.note(x, Note::Conflict as usize);
                let detail = "another request of this session has changed it meanwhile, so this one's change was not kept; try \
                              again";
                return Settle::Instead(Reply::problem(409, "session-conflict", detail));
            }
            Some(Err(Failed::Store(e))) => self.not_written(x, &e.to_string()),
            None => self.not_written(x, "nobody says why"),
        }
        Settle::Go
    }
}

impl Gate for SessionGate {
    fn name(&self) -> &'static str {
        "session"
    }

    fn needs(&self) -> Needs {
        Needs {
            settles: true,
            ..Needs::default()
        }
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let secure = x.secure || self.rules.secure == Secure::Always;
        let names = self.names[usize::from(secure)].clone();
        let mut cookies = Cookies::default();
        x.head.each(|name, value| {
            if http1::classify(name) == Kind::Cookie {
                cookies.add(value, &names);
            }
        });
        match (cookies.changed, cookies.rest.is_empty()) {
            (false, _) => {}
            (true, true) => x.edits.drop("cookie"),
            (true, false) => x.edits.set("cookie", &cookies.rest),
        }
        let id = cookies.id.as_deref().and_then(Id::parse);
        let mut here = Here {
            names,
            key: id.map(|id| id.key(&self.prefix)),
            copy: cookies.copy,
            at: None,
            away: false,
            lines: Vec::new(),
            waits: Waits::Nothing,
        };
        let step = match (here.key.clone(), self.table(now)) {
            (None, _) => {
                self.tell(x, "none", None);
                Step::Go
            }
            (Some(_), None) => {
                self.degrade(x, &mut here, now);
                Step::Go
            }
            (Some(key), Some(table)) => {
                let (ticket, said) = later(async move {
                    let open = tokio::time::timeout(LONGEST, table.open(key));
                    open.await.unwrap_or_else(|_| Err(late()))
                });
                here.waits = Waits::Opening(said);
                Step::Wait(ticket)
            }
        };
        *slot = Slot::boxed(here);
        step
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let Some(here) = slot.get::<Here>() else {
            return Step::Go;
        };
        if let Waits::Opening(said) = std::mem::replace(&mut here.waits, Waits::Nothing) {
            let said = said.borrow_mut().take();
            self.opened(x, here, said, now);
        }
        Step::Go
    }

    fn settle(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        head: ResponseHead<'_>,
        now: Nanos,
    ) -> Settle {
        let Some(here) = slot.get::<Here>() else {
            return Settle::Go;
        };
        if let Waits::Changing(wish, said) = std::mem::replace(&mut here.waits, Waits::Nothing) {
            let said = said.borrow_mut().take();
            return self.settled(x, here, &wish, said);
        }
        match Wish::of(&head, self.rules.size) {
            Ok(None) => Settle::Go,
            Ok(Some(wish)) => match self.change(here, wish, now) {
                Some(ticket) => Settle::Wait(ticket),
                None => {
                    self.not_written(x, "the store is away");
                    Settle::Go
                }
            },
            Err(what) => {
                self.not_written(x, &what);
                Settle::Instead(Reply::problem(502, "session-data", &what))
            }
        }
    }

    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        for name in WISHES {
            if out.head.get(name).is_some() {
                out.edits.drop(name);
            }
        }
        if let Some(here) = slot.get::<Here>() {
            for line in here.lines.drain(..) {
                out.edits.append("Set-Cookie", line.as_bytes());
            }
        }
    }
}
