//! How much is written in a storm, and what goes first. Pure.

use crate::hold::Due;
use std::collections::HashMap;

/// So many seconds' worth may be written at once.
const BURST_S: f64 = 4.0;

/// Bytes that may be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    left: f64,
    /// Milliseconds since the Unix epoch; `None`: nothing was written yet.
    at: Option<u64>,
}

impl Pace {
    /// Call before what is written at `now_ms`. A clock that was set back gives nothing.
    pub fn fill(&mut self, per_second: u64, now_ms: u64) {
        let most = per_second as f64 * BURST_S;
        let more = match self.at {
            None => most,
            Some(at) => now_ms.saturating_sub(at) as f64 / 1e3 * per_second as f64,
        };
        self.left = (self.left + more).min(most);
        self.at = Some(now_ms);
    }

    /// Whether so many bytes may be written. The last may be more than is left, and the next ones pay for it.
    pub fn take(&mut self, bytes: u64) -> bool {
        let may = self.left > 0.0;
        if may {
            self.left -= bytes as f64;
        }
        may
    }
}

/// Why a trace was to be kept, as counts tell it.
pub const WHYS: [&str; 3] = ["error", "slow", "share"];

/// The place of a reason among `WHYS`.
pub fn why(label: &str) -> usize {
    let found = WHYS.iter().position(|w| *w == label);
    found.unwrap_or(WHYS.len() - 1)
}

/// What is there already and has grown goes first; then errors, what was slow, and the rest. Among equals each route has its
/// first, then its second: one that fails a thousand times leaves room for another that does once.
pub fn sort(due: &mut Vec<Due>, is_stored: impl Fn(u128) -> bool) {
    let mut turns: HashMap<(usize, Box<str>), usize> = HashMap::new();
    let mut keyed: Vec<((usize, usize), Due)> = Vec::with_capacity(due.len());
    for d in due.drain(..) {
        let class = match is_stored(d.trace.id) {
            true => 0,
            false => 1 + why(&d.trace.head.why),
        };
        let turn = turns
            .entry((class, d.trace.head.route.clone()))
            .or_default();
        *turn += 1;
        keyed.push(((class, *turn), d));
    }
    keyed.sort_by_key(|(key, _)| *key);
    due.extend(keyed.into_iter().map(|(_, d)| d));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Head, Trace};

    #[test]
    fn no_more_is_written_than_a_second_brings_and_a_burst_before() {
        let mut pace = Pace::default();
        let mut written = |now_ms| {
            pace.fill(1000, now_ms);
            (0..1000).filter(|_| pace.take(100)).count()
        };
        assert_eq!((written(50_000), written(50_000)), (40, 0));
        assert_eq!((written(51_000), written(51_500)), (10, 5));
        assert_eq!(written(900_000), 40);
        assert_eq!((written(10_000), written(11_000)), (0, 10), "set back");
        let mut large = Pace::default();
        large.fill(1000, 0);
        assert!(large.take(6000), "there is no trace that never fits");
        large.fill(1000, 2000);
        assert!(!large.take(1));
        large.fill(1000, 2001);
        assert!(large.take(1));
    }

    #[test]
    fn errors_go_first_and_every_route_has_its_turn() {
        let one = |id: u128, route: &str, why: &str| {
            let mut trace = Trace::new(id);
            let head = Head {
                route: route.into(),
                why: why.into(),
                ..Head::default()
            };
            trace.add_request(head, Vec::new());
            Due { trace, first: true }
        };
        let mut due = vec![
            one(1, "a", "share"),
            one(2, "a", "error"),
            one(3, "a", "error"),
            one(4, "a", "slow"),
            one(5, "b", "error"),
            one(6, "a", "error"),
            one(7, "b", "share"),
        ];
        sort(&mut due, |id| id == 7);
        let order: Vec<u128> = due.iter().map(|d| d.trace.id).collect();
        assert_eq!(order, [7, 2, 5, 3, 6, 4, 1]);
    }
}
