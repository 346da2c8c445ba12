//! All keys of one quota: its period now, how many keys it has, and the one of those that came too late.

use super::book::Entry;
use arc_swap::ArcSwapOption;
use config::sections::{Per, Period};
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub struct Scope {
    /// What clients know it by: of the route, or given.
    pub name: String,
    pub per: Per,
    /// Units of one key, as the generation in service has it.
    pub limit: AtomicU64,
    /// What its keys begin with in the store.
    prefix: String,
    zone: TimeZone,
    period: ArcSwapOption<Period>,
    /// Keys of the period, about: counted anew now and then, moved in between.
    pub keys: AtomicU64,
    /// Keys beyond the most that may be.
    pub others: Arc<Entry>,
}

impl Scope {
    pub fn new(name: &str, kind: &str, per: Per, zone: TimeZone) -> Scope {
        Scope {
            name: name.to_owned(),
            per,
            limit: AtomicU64::new(0),
            prefix: format!("{}{kind}.{name}/", super::book::PREFIX),
            zone,
            period: ArcSwapOption::empty(),
            keys: AtomicU64::new(0),
            others: Arc::new(Entry::new("others".into(), false)),
        }
    }

    /// `None`: the calendar has ended.
    pub fn period(&self, unix_ms: u64) -> Option<Arc<Period>> {
        if let Some(period) = self.period.load_full().filter(|p| p.has(unix_ms)) {
            return Some(period);
        }
        let period = Arc::new(self.per.period(&self.zone, unix_ms).ok()?);
        if let Some(before) = self.period.swap(Some(period.clone()))
            && before.label != period.label
        {
            self.keys.store(0, Relaxed);
        }
        Some(period)
    }

    /// What all keys of a period begin with in the store.
    pub fn keys_of(&self, period: &Period) -> String {
        format!("{}{}/", self.prefix, period.label)
    }
}
