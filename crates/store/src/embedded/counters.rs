//! Counters of one node: in memory, since all that a restart forgets is one burst.

use crate::counter::{self, Sum, Taken};
use crate::{Error, Quota, Take};
use std::collections::HashMap;
use std::sync::Mutex;

/// Keys that are in debt at once; beyond, nothing is given to new ones.
const KEYS: usize = 1 << 16;
/// Groups.
const GROUPS: usize = 4096;

#[derive(Debug, Default)]
pub struct Counters(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    tats: HashMap<String, u64>,
    groups: HashMap<String, Sum>,
}

impl Counters {
    pub fn take(&self, take: &Take, now_us: u64) -> Result<Taken, Error> {
        counter::acceptable(take)?;
        let mut tables = self.0.lock().unwrap_or_else(|e| e.into_inner());
        tables.make_room(take, now_us)?;
        let tat = tables.tats.get(&take.key).copied().unwrap_or(0);
        let (tat, mut taken) = counter::take(tat, now_us, take);
        tables.tats.insert(take.key.clone(), tat);
        let group = tables.groups.entry(take.group.clone()).or_default();
        taken.group = group.add(taken.granted, now_us);
        Ok(taken)
    }

    pub fn give(&self, key: &str, quota: &Quota, milli: u64) {
        let mut tables = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(tat) = tables.tats.get_mut(key) {
            *tat = counter::give(*tat, quota, milli);
        }
    }
}

impl Tables {
    fn make_room(&mut self, take: &Take, now_us: u64) -> Result<(), Error> {
        if self.tats.len() >= KEYS && !self.tats.contains_key(&take.key) {
            self.tats.retain(|_, tat| *tat > now_us);
        }
        if self.groups.len() >= GROUPS && !self.groups.contains_key(&take.group) {
            self.groups.retain(|_, sum| sum.now(now_us) > 1.0);
        }
        if self.tats.len() >= KEYS || self.groups.len() >= GROUPS {
            return Err(Error::Full {
                what: "the table of counters".into(),
                holds: format!("{} keys in debt", self.tats.len()),
                limit: KEYS.to_string(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_keys_is_bounded_and_ends_with_their_debts() {
        let counters = Counters::default();
        let take = |key: usize, now_us| {
            let (key, group) = (key.to_string(), "g".into());
            let quota = Quota::new(1.0, 1);
            let (want, least) = (1000, 1000);
            counters.take(
                &Take {
                    key,
                    group,
                    quota,
                    want,
                    least,
                },
                now_us,
            )
        };
        for key in 0..KEYS {
            take(key, 1).unwrap();
        }
        assert!(matches!(take(KEYS, 1), Err(Error::Full { .. })));
        assert_eq!(take(KEYS, 2_000_000).unwrap().granted, 1000);
    }
}
