//! Leaves out the seconds in which an instance warms up: after a deploy or a restart caches are empty, code is not compiled,
//! connections are not made, and a request costs what it will not cost again. What was learned before stays.

use base::{Cell, History, InstanceIx, Window};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How long an instance warms up, seconds. On made-up services whose demands were double at first and came down within a minute,
/// two minutes took the error of a load line from 16 % to what it is without a deploy.
pub const WARM_UP_S: u64 = 120;
/// Seconds without an answer though its service was asked (so often each) that are a restart, where so many answers were to be
/// expected in them: less is chance.
const GAP: f64 = 3.0;
const ASKED: u32 = 2;
const EXPECTED: f64 = 12.0;
/// Seconds that must be left: learning from a warm-up is better than not learning.
const LEFT: usize = 60;

/// An instance that began to answer, anew or for the first time.
#[derive(Clone, Debug, PartialEq)]
pub struct Cold {
    pub service: String,
    pub window: u64,
}

/// The history without warm-ups, and what is to be said of them.
pub fn without(history: &History, from: u64) -> (Cow<'_, History>, Option<String>) {
    let cold = cold(history, from);
    let Some(last) = cold.iter().max_by_key(|c| c.window) else {
        return (Cow::Borrowed(history), None);
    };
    let warming = |w: &Window| {
        let inside = |c: &Cold| (c.window..c.window + WARM_UP_S).contains(&w.index);
        w.index >= from && cold.iter().any(inside)
    };
    let end = history.windows.last().map_or(0, |w| w.index + 1);
    let ago = end.saturating_sub(last.window);
    let used = history.windows.iter().filter(|w| w.index >= from);
    let left = used.filter(|w| !warming(w)).count();
    if left < LEFT {
        let note = format!(
            "{} began to answer {ago} s ago: seconds in which it warms up are mixed in",
            last.service
        );
        return (Cow::Borrowed(history), Some(note));
    }
    let mut kept = history.clone_shell();
    kept.windows = history
        .windows
        .iter()
        .filter(|w| !warming(w))
        .cloned()
        .collect();
    let note = format!(
        "{} began to answer {ago} s ago: the {WARM_UP_S} s in which it warms up are left out",
        last.service
    );
    (Cow::Owned(kept), Some(note))
}

/// Instances that came or came back within the span.
pub fn cold(history: &History, from: u64) -> Vec<Cold> {
    let service = |c: &Cell| {
        let route = c.key.route.get().and_then(|r| history.routes.get(r))?;
        Some(route.service.as_str()).filter(|s| !s.is_empty())
    };
    let mut instances: BTreeMap<(&str, InstanceIx), Alive> = BTreeMap::new();
    // Seconds in which a service was asked, so far.
    let mut asked: BTreeMap<&str, f64> = BTreeMap::new();
    let mut all = Vec::new();
    for w in history.windows.iter().filter(|w| w.index >= from) {
        let mut came: BTreeMap<&str, u32> = BTreeMap::new();
        for c in &w.requests {
            if let Some(s) = service(c) {
                *came.entry(s).or_default() += c.arrivals;
            }
        }
        for (s, _) in came.into_iter().filter(|(_, n)| *n >= ASKED) {
            *asked.entry(s).or_default() += 1.0;
        }
        let mut answered: BTreeMap<(&str, InstanceIx), f64> = BTreeMap::new();
        for c in w.attempts.iter().filter(|c| c.key.instance.get().is_some()) {
            let good = f64::from(c.ends.saturating_sub(c.errors));
            if let Some(s) = service(c).filter(|_| good > 0.0) {
                *answered.entry((s, c.key.instance)).or_default() += good;
            }
        }
        for ((s, instance), n) in answered {
            let now = asked.get(s).copied().unwrap_or(0.0);
            let i = instances.entry((s, instance)).or_insert(Alive {
                began: w.index,
                before: now - 1.0,
                since: now,
                last: now,
                answered: 0.0,
            });
            let missed = now - i.last - 1.0;
            if i.expected(missed) {
                all.push(Cold {
                    service: s.to_owned(),
                    window: w.index,
                });
            }
            i.last = now;
            i.answered += n;
        }
    }
    // Whether one that was not there at first was awaited is known once it has answered for a while.
    let new = instances.into_iter().filter(|(_, i)| i.expected(i.before));
    all.extend(new.map(|((s, _), i)| Cold {
        service: s.to_owned(),
        window: i.began,
    }));
    all.sort_by_key(|c| c.window);
    all
}

/// One instance, as far as it was read; in seconds in which its service was asked.
struct Alive {
    /// The window of its first answer, and the seconds before it.
    began: u64,
    before: f64,
    since: f64,
    last: f64,
    answered: f64,
}

impl Alive {
    /// At its rate, it would have answered in so many seconds.
    fn expected(&self, seconds: f64) -> bool {
        let rate = self.answered / (self.last - self.since + 1.0).max(1.0);
        seconds >= GAP && seconds * rate >= EXPECTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::made::Made;

    /// Ten requests a second; `answers(second, instance)` of them are answered there.
    fn service(requests: impl Fn(usize) -> u32, answers: impl Fn(usize, u16) -> u32) -> History {
        let mut m = Made::new(&[("item", "app")], 300);
        for t in 0..300 {
            if requests(t) > 0 {
                m.requests(t, 0, requests(t), 0.01);
            }
            for i in 0..2 {
                if answers(t, i) > 0 {
                    m.attempts(t, 0, i, answers(t, i), 0.01);
                }
            }
        }
        m.history
    }

    fn starts(h: &History) -> Vec<u64> {
        cold(h, 0).iter().map(|c| c.window).collect()
    }

    #[test]
    fn a_restart_and_a_new_instance_are_seen_and_a_lull_is_not() {
        let restart = service(
            |_| 10,
            |t, i| {
                if i == 0 && !(100..105).contains(&t) {
                    10
                } else {
                    0
                }
            },
        );
        assert_eq!(starts(&restart), [105]);
        let rolling = service(
            |_| 10,
            |t, i| u32::from(i == 0 || !(100..108).contains(&t)) * 5,
        );
        assert_eq!(starts(&rolling), [108], "the other one answered meanwhile");
        let new = service(|_| 10, |t, i| if i == 0 || t >= 150 { 5 } else { 0 });
        assert_eq!(starts(&new), [150]);
        let lull = service(
            |t| if (100..140).contains(&t) { 0 } else { 10 },
            |t, i| {
                if i == 0 && !(100..140).contains(&t) {
                    10
                } else {
                    0
                }
            },
        );
        assert_eq!(starts(&lull), [0u64; 0], "nobody asked");
        let rare = service(
            |t| u32::from(t % 7 == 0),
            |t, i| u32::from(t % 7 == 0 && i == 0),
        );
        assert_eq!(starts(&rare), [0u64; 0]);
    }

    #[test]
    fn what_warms_up_is_left_out_where_enough_is_left() {
        let h = service(
            |_| 10,
            |t, i| {
                if i == 0 && !(100..105).contains(&t) {
                    10
                } else {
                    0
                }
            },
        );
        let (kept, note) = without(&h, 0);
        assert_eq!(kept.windows.len(), 300 - WARM_UP_S as usize);
        assert!(note.unwrap().contains("are left out"));
        assert!(kept.windows.iter().all(|w| !(105..225).contains(&w.index)));
        // Of the last two minutes nothing would be left.
        let (kept, note) = without(&h, 180);
        assert_eq!(
            (kept.windows.len(), note),
            (300, None),
            "it was before these"
        );
        let (kept, note) = without(&h, 90);
        assert_eq!(kept.windows.len(), 300 - WARM_UP_S as usize);
        assert!(note.is_some());
        let late = service(
            |_| 10,
            |t, i| {
                if i == 0 && !(40..45).contains(&t) {
                    10
                } else {
                    0
                }
            },
        );
        let mut short = late.clone();
        short.windows.truncate(120);
        let (kept, note) = without(&short, 0);
        assert_eq!(kept.windows.len(), 120);
        assert!(note.unwrap().contains("mixed in"));
    }
}
