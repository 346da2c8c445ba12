//! How many log lines came, by service and severity: also of those that are not kept.

use crate::trace::Severity;
use std::collections::BTreeMap;

/// Services that are told apart; lines of more are counted as `other`.
pub const SERVICES: usize = 64;
const OTHER: &str = "other";

#[derive(Debug, Default)]
pub struct Lines {
    by: BTreeMap<Box<str>, [u64; Severity::ALL.len()]>,
}

impl Lines {
    pub fn count(&mut self, service: &str, severity: Severity) {
        let known = self.by.contains_key(service) || self.by.len() < SERVICES;
        let name = if known { service } else { OTHER };
        if let Some(of) = self.by.get_mut(name) {
            of[severity as usize] += 1;
        } else {
            let mut of = [0; Severity::ALL.len()];
            of[severity as usize] = 1;
            self.by.insert(name.into(), of);
        }
    }

    /// Service, severity and how many: all that came at all.
    pub fn all(&self) -> impl Iterator<Item = (&str, Severity, u64)> {
        self.by.iter().flat_map(|(service, of)| {
            let each = Severity::ALL.into_iter().zip(of);
            each.filter(|(_, n)| **n > 0)
                .map(|(severity, n)| (&**service, severity, *n))
        })
    }
}
