//! What a node knows of the order of changes: how far it has heard, what it has told and not heard yet, and what that says of a
//! stored answer. Pure; times are arguments.

use super::super::Purge;
use super::change::{Change, everything};
use base::Nanos;
use std::collections::VecDeque;
use store::second::{Heard, PURGES, Position};

/// Own changes that wait to be told or heard; with more everything counts as changed.
const WAITING: usize = 4096;
/// Steps of the past that are known. What was asked for before them is not shared.
const STEPS: usize = 1024;

pub struct Order {
    node: u64,
    position: Option<Position>,
    /// When each number had been heard.
    steps: VecDeque<(Nanos, u64)>,
    purges: VecDeque<(u64, Purge)>,
    /// Purges up to this number are not remembered.
    forgotten: u64,
    own: VecDeque<Own>,
    ids: u64,
}

struct Own {
    id: u64,
    change: Change,
    is_told: bool,
}

/// What has to be done with what was heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Todo {
    /// Something was missed: whether answers must go, or count as stale.
    pub missed: Option<Purge>,
    /// By others.
    pub changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// It was purged softly.
    Stale,
    Gone,
}

impl Order {
    pub fn new(node: u64) -> Order {
        Order {
            node,
            position: None,
            steps: VecDeque::new(),
            purges: VecDeque::new(),
            forgotten: 0,
            own: VecDeque::new(),
            ids: 0,
        }
    }

    /// From now on it counts here; others are told soon.
    pub fn say(&mut self, change: Change) {
        let mut change = change;
        if self.own.len() >= WAITING {
            let hard = |o: &Own| matches!(&o.change, Change::Purge(p) if p.hard);
            let hard = self.own.iter().any(hard) || matches!(&change, Change::Purge(p) if p.hard);
            self.own.clear();
            change = Change::Purge(everything(hard));
        }
        self.ids += 1;
        self.own.push_back(Own {
            id: self.ids,
            change,
            is_told: false,
        });
    }

    /// The next to be told, with the bytes of each.
    pub fn untold(&self, most: usize) -> Vec<(u64, Change, Vec<u8>)> {
        let untold = self.own.iter().filter(|o| !o.is_told).take(most);
        let bytes = |o: &Own| (o.id, o.change.clone(), o.change.write(self.node, o.id));
        untold.map(bytes).collect()
    }

    pub fn told(&mut self, id: u64) {
        if let Some(own) = self.own.iter_mut().find(|o| o.id == id) {
            own.is_told = true;
        }
    }

    /// Changes that nobody else knows yet.
    pub fn waiting(&self) -> usize {
        self.own.iter().filter(|o| !o.is_told).count()
    }

    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// `now`: when the answer had come.
    pub fn heard(&mut self, heard: Heard, now: Nanos) -> Todo {
        let mut todo = Todo::default();
        if heard.is_gap {
            self.steps.clear();
            self.purges.clear();
            // With as many as can be remembered there may have been more.
            let oldest = heard.changes.first().map_or(0, |c| c.number);
            self.forgotten = if heard.changes.len() >= PURGES {
                oldest
            } else {
                0
            };
            // What was told is among the purges and cells, or gone together with all answers.
            self.own.retain(|o| !o.is_told);
        }
        let mut hard = false;
        for change in heard.changes {
            let (node, id, what) = Change::read(&change.body);
            if node == self.node {
                self.own.retain(|o| o.id != id);
            }
            if let Change::Purge(purge) = &what {
                hard |= purge.hard;
                self.remember(change.number, purge.clone());
            }
            if node != self.node && !heard.is_gap {
                todo.changes.push(what);
            }
        }
        if heard.is_gap {
            todo.missed = Some(everything(hard));
        }
        let number = heard.position.number;
        self.position = Some(heard.position);
        if self.steps.back().is_none_or(|(_, n)| *n != number) {
            if self.steps.len() >= STEPS {
                self.steps.pop_front();
            }
            self.steps.push_back((now, number));
        }
        todo
    }

    fn remember(&mut self, number: u64, purge: Purge) {
        if self.purges.len() >= PURGES
            && let Some((oldest, _)) = self.purges.pop_front()
        {
            self.forgotten = oldest;
        }
        self.purges.push_back((number, purge));
    }

    /// Epoch, and what had been heard before `at`.
    pub fn at(&self, at: Nanos) -> Option<(u64, u64)> {
        let (_, number) = self.steps.iter().rev().find(|(when, _)| *when <= at)?;
        Some((self.position.as_ref()?.epoch, *number))
    }

    /// Of an answer that was asked for when `number` had been heard, as far as its cells do not say it.
    pub fn judge(&self, key: &[u8], groups: &[Box<str>], number: u64) -> Verdict {
        if number < self.forgotten {
            return Verdict::Gone;
        }
        let mut verdict = Verdict::Good;
        for own in self.own.iter().filter(|o| o.change.names(key, groups)) {
            match &own.change {
                Change::Purge(purge) if !purge.hard => verdict = Verdict::Stale,
                _ => return Verdict::Gone,
            }
        }
        let later = self.purges.iter().rev().take_while(|(n, _)| *n > number);
        for (_, purge) in later.filter(|(_, p)| p.names(key, groups)) {
            match purge.hard {
                true => return Verdict::Gone,
                false => verdict = Verdict::Stale,
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::What;
    use super::*;

    const KEY: &[u8] = b"\0h\0/a?b";

    fn purge(path: &str, hard: bool) -> Change {
        Change::Purge(Purge {
            what: What::Prefix(path.into()),
            host: None,
            hard,
        })
    }

    fn news(from: u64, bodies: Vec<Vec<u8>>) -> Heard {
        let numbers = from + 1..;
        let changes = numbers.zip(bodies);
        let changes: Vec<_> = changes
            .map(|(number, body)| store::second::Change { number, body })
            .collect();
        Heard {
            position: Position {
                epoch: 5,
                number: from + changes.len() as u64,
                tag: String::new(),
            },
            is_gap: false,
            changes,
        }
    }

    fn begun() -> Order {
        let mut order = Order::new(1);
        let todo = order.heard(
            Heard {
                is_gap: true,
                ..news(10, Vec::new())
            },
            Nanos(100),
        );
        assert_eq!(todo.missed, Some(everything(false)));
        order
    }

    #[test]
    fn what_was_heard_before_a_request_began_is_its_number() {
        let mut order = begun();
        assert_eq!(order.at(Nanos(99)), None);
        assert_eq!(order.at(Nanos(100)), Some((5, 10)));
        let todo = order.heard(news(10, vec![purge("/x", false).write(2, 1)]), Nanos(200));
        assert_eq!(todo.changes, vec![purge("/x", false)]);
        assert_eq!(order.at(Nanos(199)), Some((5, 10)));
        assert_eq!(order.at(Nanos(200)), Some((5, 11)));
    }

    #[test]
    fn a_purge_outdates_what_was_asked_for_before_it() {
        let mut order = begun();
        order.heard(news(10, vec![purge("/a", false).write(2, 1)]), Nanos(200));
        assert_eq!(order.judge(KEY, &[], 10), Verdict::Stale);
        assert_eq!(order.judge(KEY, &[], 11), Verdict::Good);
        assert_eq!(order.judge(b"\0h\0/b", &[], 10), Verdict::Good);
        order.heard(news(11, vec![purge("/a", true).write(2, 2)]), Nanos(300));
        assert_eq!(order.judge(KEY, &[], 11), Verdict::Gone);
    }

    #[test]
    fn an_own_change_counts_before_anybody_is_told() {
        let mut order = begun();
        order.say(Change::path(b"h", b"/a"));
        assert_eq!(
            (order.judge(KEY, &[], 10), order.waiting()),
            (Verdict::Gone, 1)
        );
        let (id, change, body) = order.untold(9).remove(0);
        order.told(id);
        assert_eq!(change, Change::path(b"h", b"/a"));
        assert_eq!(
            (order.judge(KEY, &[], 10), order.waiting()),
            (Verdict::Gone, 0)
        );
        let todo = order.heard(news(10, vec![body]), Nanos(200));
        assert_eq!(todo, Todo::default(), "its own is no news");
        // From now on its cell tells.
        assert_eq!(order.judge(KEY, &[], 10), Verdict::Good);
    }

    #[test]
    fn more_than_can_wait_is_everything() {
        let mut order = begun();
        for _ in 0..=WAITING {
            order.say(Change::path(b"h", b"/other"));
        }
        assert_eq!(order.waiting(), 1);
        assert_eq!(order.judge(KEY, &[], 10), Verdict::Stale);
    }

    #[test]
    fn older_than_all_remembered_purges_is_gone() {
        let mut order = begun();
        let many = (0..=PURGES as u64).map(|id| purge("/x", false).write(2, id));
        order.heard(news(10, many.collect()), Nanos(200));
        assert_eq!(order.judge(KEY, &[], 10), Verdict::Gone);
        assert_eq!(order.judge(KEY, &[], 11), Verdict::Good);
    }
}
