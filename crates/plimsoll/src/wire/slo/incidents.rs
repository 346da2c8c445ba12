//! Alerts become incidents: a thread of its own, so that a disk that hangs keeps no notifier. What is still to be written is in the
//! alerts, as with notifiers: nothing is lost by a restart. It reads the catalog for alerts, too, for the same reason.

use super::shown::Shown;
use crate::wire::thread::Thread;
use ::slo::notify::{Manner, due, went};
use ::slo::{Alert, Severity, State};
use arc_swap::ArcSwap;
use base::Finding;
use catalog::incident::{
    Alarm, Happened, Incident, Stage, alerted, calmed, change, changed, closed, create, is_over,
    joined, open_of, opened, read, read_all, second, slug,
};
use config::Config;
use config::sections::OpenFrom;
use control::Control;
use control::ports::{SystemWall, Wall};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// By which alerts remember what was written.
const NAME: &str = "incidents";
const SECOND: Duration = Duration::from_secs(1);
/// How often those that are open are looked after, and the catalog is read.
const TEND: Duration = Duration::from_secs(30);
/// Entries of the ledger that an incident is filled from.
const LEDGER: usize = 1000;

pub struct Incidents {
    _thread: Thread,
}

struct Work {
    shown: Arc<Shown>,
    config: Arc<ArcSwap<Config>>,
    /// The config's file: the catalog is found from there.
    file: PathBuf,
    control: Weak<Control>,
    /// Ids of those that alerts opened or are in, by service; `None`: not looked for yet.
    open: Option<BTreeMap<String, String>>,
    tended: Instant,
    /// When the catalog was read; `None`: not yet.
    read: Option<Instant>,
}

impl Incidents {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        shown: Arc<Shown>,
        config: Arc<ArcSwap<Config>>,
        file: PathBuf,
        control: Weak<Control>,
    ) -> io::Result<Incidents> {
        let work = Work {
            shown,
            config,
            file,
            control,
            open: None,
            tended: Instant::now(),
            read: None,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let _thread = Thread::start(NAME, stop, work, || SECOND, Work::turn, |_| {})?;
        Ok(Incidents { _thread })
    }
}

impl Work {
    fn turn(&mut self) {
        let config = self.config.load_full();
        self.read(config.catalog.as_deref());
        let from = config.incidents.opens(config.catalog.is_some());
        if from == OpenFrom::None {
            return;
        }
        let folder = catalog::folder(&self.file, config.catalog.as_deref());
        if self.open.is_none() {
            self.open = Some(left_open(&folder));
        }
        for (alert, state) in self.due() {
            let result = self.write(&folder, &alert, state, from);
            self.wrote(&alert, state, result);
        }
        if self.tended.elapsed() >= TEND {
            self.tended = Instant::now();
            self.tend(&folder, config.incidents.resolve_after);
        }
    }

    /// For alerts: whose they are, and what to do. Whether or not they open incidents.
    fn read(&mut self, written: Option<&Path>) {
        if self.read.is_none_or(|at| at.elapsed() >= TEND) {
            self.read = Some(Instant::now());
            self.shown.declare(catalog::files_of(&self.file, written));
        }
    }

    fn due(&self) -> Vec<(Alert, State)> {
        let (now_ms, watch) = (SystemWall.now_ms(), self.shown.watch());
        let all = watch.alerts();
        let pick = |a: &Alert| Some((a.clone(), due(a, all, NAME, Manner::Each, now_ms)?));
        all.iter().filter_map(pick).collect()
    }

    /// Writes down in the alert how it went.
    fn wrote(&self, alert: &Alert, state: State, result: Result<(), Finding>) {
        let result = result.map_err(|f| f.to_string());
        if let Err(why) = &result {
            tracing::error!("the incident of alert {} was not written: {why}", alert.id);
        }
        let mut watch = self.shown.watch();
        let mut all = watch.alerts_mut().iter_mut();
        if let Some(a) = all.find(|a| a.id == alert.id)
            && went(a, NAME, state, result, SystemWall.now_ms())
        {
            self.shown.tell(&alert.id);
        }
    }

    fn write(
        &mut self,
        folder: &Path,
        a: &Alert,
        state: State,
        from: OpenFrom,
    ) -> Result<(), Finding> {
        let more = moments(a, state);
        let open = self.open_of(folder, &a.service);
        match (open, state) {
            (Some(i), State::Firing) => {
                change(folder, &i.id, |text| joined(text, &i, more))?;
                self.look_after(&a.service, i.id);
            }
            (Some(i), State::Resolved) => {
                let at = time(a.ended_ms).unwrap_or_else(Timestamp::now);
                let last = !self.fires(&a.service);
                change(folder, &i.id, |text| calmed(text, &i, at, last, more))?;
            }
            (None, State::Firing) if opens(from, a.severity) => {
                let alarm = alarm(a);
                let day = second(alarm.fired).strftime("%Y-%m-%d");
                let name = format!("{day}-{}", slug(&alarm.title));
                let id = create(folder, &name, &opened(&alarm, more))?;
                tracing::warn!("incident {id} was opened: {}", alarm.title);
                self.look_after(&a.service, id);
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// The open incident of a service: the one that is known, else the newest of the folder.
    fn open_of(&mut self, folder: &Path, service: &str) -> Option<Incident> {
        let known = self.open.as_ref().and_then(|o| o.get(service));
        let known = known.and_then(|id| read(folder, id).ok());
        let known = known.filter(|i| i.stage() != Stage::Resolved);
        known.or_else(|| open_of(&read_all(folder), service).cloned())
    }

    fn look_after(&mut self, service: &str, id: String) {
        let open = self.open.get_or_insert_default();
        open.insert(service.to_owned(), id);
    }

    /// Whether an alert of the service fires that somebody is woken by.
    fn fires(&self, service: &str) -> bool {
        let watch = self.shown.watch();
        let mut all = watch.alerts().iter();
        all.any(|a| {
            a.service == service && a.state == State::Firing && a.severity == Severity::Page
        })
    }

    /// What was changed meanwhile goes into the timelines; what is over without anybody is resolved.
    fn tend(&mut self, folder: &Path, after: Option<Duration>) {
        let mut open = self.open.take().unwrap_or_default();
        open.retain(|service, id| {
            let Ok(i) = read(folder, id) else {
                return false;
            };
            if i.stage() == Stage::Resolved {
                return false;
            }
            let now = Timestamp::now();
            let after = after.and_then(|d| SignedDuration::try_from(d).ok());
            let over = after.is_some_and(|d| is_over(&i, now, d)) && !self.fires(service);
            let more = i.around(self.ledger(), now);
            let done = change(folder, id, |text| {
                let text = catalog::incident::add(text, &more);
                if over { closed(&text, now) } else { text }
            });
            if let Err(f) = &done {
                tracing::error!("incident {id}: {f}");
            }
            done.is_err() || !over
        });
        self.open = Some(open);
    }

    fn ledger(&self) -> Vec<Happened> {
        let control = self.control.upgrade();
        let lines = control
            .and_then(|c| c.history(LEDGER).ok())
            .unwrap_or_default();
        let of = |l: &control::api::HistoryLine| {
            let at = i64::try_from(l.entry.at_ms).ok()?;
            changed(at, &l.text, &l.entry.who)
        };
        lines.iter().filter_map(of).collect()
    }
}

/// Those that an alert opened before this process, by service.
fn left_open(folder: &Path) -> BTreeMap<String, String> {
    let mine = |i: &Incident| i.alert.is_some() && i.stage() != Stage::Resolved;
    let all = read_all(folder).into_iter().filter(mine);
    all.filter_map(|i| Some((i.service?.name, i.id))).collect()
}

fn opens(from: OpenFrom, severity: Severity) -> bool {
    match from {
        OpenFrom::None => false,
        OpenFrom::Page => severity == Severity::Page,
        OpenFrom::Ticket => true,
    }
}

fn time(ms: Option<u64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(ms?).ok()?).ok()
}

fn alarm(a: &Alert) -> Alarm {
    Alarm {
        id: a.id.clone(),
        service: a.service.clone(),
        severity: a.severity.word().into(),
        title: a.title(),
        began: time(a.began_ms),
        fired: time(Some(a.started_ms)).unwrap_or_else(Timestamp::now),
    }
}

/// What a timeline says of an alert: that it fires, or that it is over.
fn moments(a: &Alert, state: State) -> Vec<Happened> {
    let all = a.moments();
    let told = match state {
        State::Firing => all.first(),
        State::Resolved => all.get(1),
    };
    told.and_then(|(at, text)| alerted(*at, text))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests;
