//! Ties the spans of one trace to the attempts of the gateway. Nothing is guessed: a span whose chain of parents does
//! not lead to a span id that the gateway gave out is an orphan.

use super::attempt::{Attempt, Place, Used};
use super::{Counts, calls, path};
use crate::span::{Act, Span};
use base::trace::SpanIds;
use base::{Arm, RouteIx};
use std::collections::{BTreeMap, HashMap};

/// A child may begin so much before its parent, nanoseconds: clocks of two machines.
const SKEW: u64 = 20_000_000;
/// Nothing that the gateway forwards takes longer, nanoseconds; a clock has jumped.
const LONGEST: u64 = 3600 * 1_000_000_000;

/// The spans of one trace, with their children.
pub struct Tree<'a> {
    pub spans: Vec<&'a Span>,
    pub children: Vec<Vec<usize>>,
}

pub fn attempts(spans: &[Span], ids: &SpanIds, counts: &mut Counts) -> Vec<Attempt> {
    let mut at: HashMap<u64, usize> = HashMap::with_capacity(spans.len());
    let mut tree = Tree {
        spans: Vec::with_capacity(spans.len()),
        children: Vec::new(),
    };
    for span in spans {
        at.entry(span.id).or_insert_with(|| {
            tree.spans.push(span);
            tree.spans.len() - 1
        });
    }
    counts.repeated += (spans.len() - tree.spans.len()) as u64;
    tree.children.resize(tree.spans.len(), Vec::new());
    let mut roots: Vec<(usize, RouteIx, Arm)> = Vec::new();
    for (i, span) in tree.spans.iter().enumerate() {
        match (at.get(&span.parent), ids.origin_of(span.parent)) {
            (Some(&parent), _) => tree.children[parent].push(i),
            (None, Some((route, arm))) if span.parent != 0 => roots.push((i, route, arm)),
            _ => {}
        }
    }
    let mut joined = 0;
    let mut found = Vec::with_capacity(roots.len());
    for (root, route, arm) in roots {
        let below = tree.below(root);
        joined += below.len() as u64;
        match tree.attempt(root, &below, route, arm) {
            Some(attempt) => found.push(attempt),
            None => counts.jumps += 1,
        }
    }
    counts.joined += joined;
    counts.orphans += tree.spans.len() as u64 - joined;
    found
}

impl Tree<'_> {
    /// The span and all that follow from it. A span has one parent, so that none is met twice.
    fn below(&self, root: usize) -> Vec<usize> {
        let mut all = vec![root];
        let mut next = 0;
        while let Some(&i) = all.get(next) {
            all.extend(&self.children[i]);
            next += 1;
        }
        all
    }

    /// `None`: a clock has jumped.
    fn attempt(&self, root: usize, below: &[usize], route: RouteIx, arm: Arm) -> Option<Attempt> {
        for &i in below {
            let span = self.spans[i];
            span.length().filter(|l| *l <= LONGEST)?;
            let early = |c: &usize| self.spans[*c].start.saturating_add(SKEW) < span.start;
            if self.children[i].iter().any(early) {
                return None;
            }
        }
        let outermost = self.outermost(root);
        Some(Attempt {
            route,
            arm,
            length: self.spans[root].length().unwrap_or(0),
            uses: self.uses(root, &outermost),
            calls: calls::groups(self, &outermost),
            chain: calls::chain(self, below),
            path: path::critical(self, root),
        })
    }

    /// The spans below that are not part of a call of a database: of a call that two libraries report, the outer one.
    fn outermost(&self, root: usize) -> Vec<usize> {
        let mut all = vec![root];
        let mut next = 0;
        while let Some(&i) = all.get(next) {
            if !matches!(self.spans[i].act, Act::Database { .. } | Act::Connect) {
                all.extend(&self.children[i]);
            }
            next += 1;
        }
        all
    }

    fn uses(&self, root: usize, outermost: &[usize]) -> BTreeMap<Place, Used> {
        let mut uses: BTreeMap<Place, Used> = BTreeMap::new();
        let own = &self.spans[root].service;
        for span in outermost.iter().map(|&i| self.spans[i]) {
            let (metric, system, waited, rows) = match &span.act {
                Act::Database {
                    system, returned, ..
                } => ("db", &**system, None, *returned),
                Act::Hold { resource, wait } => (&**resource, "", *wait, None),
                _ => continue,
            };
            let place = Place {
                service: (span.service != *own).then(|| span.service.clone()),
                metric: metric.into(),
                system: system.into(),
            };
            let used = uses.entry(place).or_default();
            used.calls += 1;
            used.held += span.length().unwrap_or(0);
            used.returned += rows.unwrap_or(0.0);
            if let Some(waited) = waited {
                used.waited = Some(used.waited.unwrap_or(0).saturating_add(waited));
            }
        }
        uses
    }
}
