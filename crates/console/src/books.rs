//! The catalog, read when somebody asks for it: its files, what is found in them, and incidents with what the ledger knows.

use crate::{Format, State};
use base::{Finding, Severity};
use catalog::incident::{Incident, alerted, changed};
use catalog::lint::Limits;
use catalog::observed::SPAN;
use catalog::runbook::Runbook;
use catalog::{Loaded, Observed, Who};
use jiff::{SignedDuration, Timestamp};
use past::metric::{BEHIND, CALLS, REQUESTS};

/// Entries of the ledger that an incident is filled from.
const LEDGER: usize = 1000;
/// How long what was read is the same to those who watch, seconds.
const FRESH_S: i64 = 10;

pub struct Books {
    pub loaded: Loaded,
    pub found: Vec<Finding>,
    /// What it was compared with.
    pub seen: Observed,
    pub now: Timestamp,
}

impl Books {
    pub fn read(s: &State) -> Result<Books, Vec<Finding>> {
        let loaded = catalog::load(&s.file, None).map_err(|f| vec![f])?;
        let now = Timestamp::now();
        let seen = observed(s, now);
        Ok(Books {
            found: loaded.check(Some(&seen), now, Limits::default()),
            loaded,
            seen,
            now,
        })
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.found.iter().filter(|f| f.severity == severity).count()
    }

    /// Every service, and whom to call for it.
    pub fn services(&self) -> Vec<Who<'_>> {
        let names = self.loaded.catalog.services.keys();
        names
            .filter_map(|name| self.loaded.who(name, self.now))
            .collect()
    }

    pub fn runbook(&self, name: &str) -> Result<&Runbook, Vec<Finding>> {
        let runbook = self.loaded.catalog.runbooks.get(name);
        runbook.ok_or_else(|| unknown("runbook", name))
    }

    /// An incident, with what the ledger and the alerts know of its time.
    pub fn incident(&self, s: &State, id: &str) -> Result<Incident, Vec<Finding>> {
        let written = self.loaded.catalog.incidents.get(id);
        let mut i = written.cloned().ok_or_else(|| unknown("incident", id))?;
        let ledger = s.control.history(LEDGER)?;
        let known = ledger.iter().filter_map(|l| {
            let at = i64::try_from(l.entry.at_ms).ok()?;
            changed(at, &l.text, &l.entry.who)
        });
        let service = i.service.as_ref().map(|s| s.name.as_str());
        let alerts = slo::alert::moments(&s.slos.alerts(), service);
        let told = alerts.iter().filter_map(|(at, text)| alerted(*at, text));
        let more = i.around(known.chain(told).collect(), i.resolved.unwrap_or(self.now));
        i.learn(more);
        Ok(i)
    }

    /// The draft of its postmortem.
    pub fn draft(&self, i: &Incident) -> String {
        catalog::incident::draft(i, &self.loaded.catalog.roles(i, None))
    }
}

/// What was seen in the last weeks: what is kept, and what this process has counted.
pub fn observed(s: &State, now: Timestamp) -> Observed {
    let process = Observed::from_metrics(&(s.metrics)(Format::Text));
    kept(s, now).with(process, now)
}

fn kept(s: &State, now: Timestamp) -> Observed {
    let ms = |t: Timestamp| u64::try_from(t.as_millisecond()).unwrap_or(0);
    let time = |ms: u64| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok();
    let from = now.checked_sub(SPAN).unwrap_or(Timestamp::MIN);
    let (from_ms, to_ms) = (ms(from), ms(now));
    let past = s.past.read();
    let Some(oldest_ms) = past.summary().oldest_ms else {
        return Observed::default();
    };
    let looked = past.looked_ms(from_ms, to_ms);
    let mut seen = Observed {
        since: time(oldest_ms.max(from_ms)),
        looked: Some(SignedDuration::from_millis(looked as i64)),
        ..Observed::default()
    };
    let known = |name: &String| name != "none";
    let requests = past.seen(&REQUESTS, from_ms, to_ms);
    // A service that works on jobs only is not idle.
    let behind = past.seen(&BEHIND, from_ms, to_ms);
    for sum in requests.into_iter().chain(behind) {
        let Some(route) = sum.labels.first().filter(|r| known(r)) else {
            continue;
        };
        *seen.routes.entry(route.clone()).or_default() += sum.count as f64;
        let last = time(sum.last_ms.min(to_ms)).unwrap_or(now);
        let mine = seen.last.entry(route.clone()).or_insert(last);
        *mine = last.max(*mine);
    }
    for sum in past.seen(&CALLS, from_ms, to_ms) {
        if let [parent, route] = sum.labels
            && known(parent)
            && known(route)
        {
            let call = (parent.clone(), route.clone());
            *seen.calls.entry(call).or_default() += sum.count as f64;
        }
    }
    seen
}

fn unknown(kind: &str, name: &str) -> Vec<Finding> {
    let what = format!("there is no {kind} `{name}`");
    let help = format!("`plimsoll {kind} list` shows them all");
    vec![Finding::error(&format!("{kind}-unknown"), what).help(help)]
}

/// For pages that show files: they are read again after some seconds.
pub fn version(s: &State) -> String {
    let generation = s.control.status().generation;
    format!("{generation}-{}", Timestamp::now().as_second() / FRESH_S)
}
