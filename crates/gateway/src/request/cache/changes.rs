//! Tells a cache further out what unsafe requests have changed.

use super::purge::{Purge, What};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Takes a change and never waits.
pub type Tell = Box<dyn Fn(&Purge) + Send + Sync>;

#[derive(Default)]
pub struct Changes {
    tell: OnceLock<Tell>,
    on: AtomicBool,
}

impl Changes {
    /// Who is told, once for the life of the gateway.
    pub fn told_to(&self, tell: Tell) {
        let _ = self.tell.set(tell);
    }

    /// Whether the configuration wants it.
    pub fn set(&self, on: bool) {
        self.on.store(on, Relaxed);
    }

    /// `path` is without query.
    pub fn path(&self, host: &[u8], path: &[u8]) {
        self.say(host, || {
            What::Url(String::from_utf8_lossy(path).into_owned())
        });
    }

    pub fn group(&self, host: &[u8], group: &str) {
        self.say(host, || What::Group(group.to_owned()));
    }

    fn say(&self, host: &[u8], what: impl FnOnce() -> What) {
        if let (true, Some(tell)) = (self.on.load(Relaxed), self.tell.get()) {
            tell(&Purge {
                what: what(),
                host: Some(String::from_utf8_lossy(host).to_lowercase()),
                hard: false,
            });
        }
    }
}
