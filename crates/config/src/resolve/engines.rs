//! Engines: what is to be kept in one names it.

use super::Whole;
use crate::sections::{Config, KeptIn};
use base::Finding;

impl Whole<'_> {
    pub(super) fn engines(&mut self, c: &Config) {
        if c.engines.durable.is_some() {
            return;
        }
        for (key, code, kept) in [
            ("jobs", "config-jobs", c.engines.jobs),
            ("topics", "config-topics", c.engines.topics),
        ] {
            if kept == KeptIn::Durable {
                let what = format!("`engines.{key}: durable`, and `engines.durable` names no NATS");
                let help = format!(
                    "name one, such as `durable: {{ env: PLIMSOLL_NATS_URL }}`, or leave `{key}` out"
                );
                self.add(&["engines", key], Finding::error(code, what).help(help));
            }
        }
    }
}
