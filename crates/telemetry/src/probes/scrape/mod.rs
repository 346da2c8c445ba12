//! Resources whose exporters tell what they do, in Prometheus' text format: any database, queue or machine that has one.

mod exposition;
mod fetch;

use super::counter::Counters;
use super::reader::{PATIENCE, Reader};
use super::{Probe, Reading};
use base::{InstanceIx, Nanos};
use config::sections::Scrape as Rules;
use std::collections::BTreeMap;
use std::time::Instant;

/// So many exporters are read.
const MOST: usize = 64;

/// One resource and its exporter.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeTarget {
    pub resource: String,
    pub rules: Rules,
    /// As declared, when the exporter does not tell.
    pub capacity: Option<f64>,
}

#[derive(Default)]
pub struct Scrape {
    readers: BTreeMap<String, Reader<String>>,
    counters: Counters<String>,
}

impl Probe for Scrape {
    fn name(&self) -> &'static str {
        "scrape"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        let wanted = || targets.scrapes.iter().take(MOST);
        self.readers
            .retain(|url, reader| !reader.has_ended() && wanted().any(|t| t.rules.url == *url));
        for t in wanted() {
            if let Err(why) = self.start(&t.rules.url) {
                r.blind("scrape", &t.resource, why);
            }
        }
        self.readers.values_mut().for_each(Reader::ask);
        let until = Instant::now() + PATIENCE;
        let page = |(url, reader): (&String, &mut Reader<_>)| (url.clone(), reader.get(until));
        let pages: BTreeMap<_, _> = self.readers.iter_mut().map(page).collect();
        for t in wanted() {
            let told = match pages.get(&t.rules.url) {
                Some(Ok((text, ago))) => self.tell(t, text, r.now - *ago),
                Some(Err(why)) => Err(why.clone()),
                None => continue,
            };
            match told {
                Ok(Some(cell)) => cell.put(t, r),
                // Counters tell something from their second reading on.
                Ok(None) => {}
                // A password may be in its URL.
                Err(why) => {
                    let url = config::mask(&t.rules.url);
                    r.blind("scrape", &t.resource, format!("{url}: {why}"));
                }
            }
        }
    }
}

/// What one page says of a resource.
struct Told {
    busy: f64,
    level: Option<f64>,
    waiting: Option<f64>,
    capacity: Option<f64>,
}

impl Told {
    fn put(self, t: &ScrapeTarget, r: &mut Reading<'_>) {
        if let Some(c) = r.cell(&t.resource, InstanceIx::NONE, self.busy, self.capacity) {
            (c.level, c.waiting) = (self.level, self.waiting);
        }
    }
}

impl Scrape {
    fn start(&mut self, url: &str) -> Result<(), String> {
        if !self.readers.contains_key(url) {
            let reader = Reader::start("scrape", fetch::fetch(url));
            let reader = reader.map_err(|e| format!("no thread: {e}"))?;
            self.readers.insert(url.to_owned(), reader);
        }
        Ok(())
    }

    /// `None`: not known before the next second. `now`: when the page was told.
    fn tell(&mut self, t: &ScrapeTarget, text: &str, now: Nanos) -> Result<Option<Told>, String> {
        let value = |s: &Option<config::selector::Selector>| match s {
            Some(s) => exposition::sum(text, s)
                .map(Some)
                .ok_or(format!("it has no series {s}")),
            None => Ok(None),
        };
        let level = value(&t.rules.level)?;
        let busy = match value(&t.rules.busy)? {
            Some(count) => {
                let scaled = count * t.rules.scale.unwrap_or(1.0);
                match self.counters.rate(t.resource.clone(), now, scaled) {
                    Some(rate) => rate,
                    None => return Ok(None),
                }
            }
            // Slots in use now are what is busy; of memory only the level counts.
            None => level.unwrap_or(0.0),
        };
        Ok(Some(Told {
            busy,
            level,
            waiting: value(&t.rules.waiting)?,
            capacity: value(&t.rules.capacity)?.or(t.capacity),
        }))
    }
}

#[cfg(test)]
mod tests;
