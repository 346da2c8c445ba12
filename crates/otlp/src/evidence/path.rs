//! The critical path of one attempt: walked back from its end, always into the child that ended last.

use super::join::Tree;
use crate::span::Act;
use std::collections::BTreeMap;

/// Nanoseconds by whose they are: a service, its database, a wait for a connection, whoever is called.
pub fn critical(tree: &Tree<'_>, root: usize) -> BTreeMap<Box<str>, u64> {
    let mut parts: BTreeMap<Box<str>, u64> = BTreeMap::new();
    // Spans whose own part up to a moment is still to be told.
    let mut open = vec![(root, tree.spans[root].end)];
    while let Some((i, until)) = open.pop() {
        let span = tree.spans[i];
        let mut at = until.min(span.end);
        let mut children = tree.children[i].clone();
        children.sort_by_key(|&c| std::cmp::Reverse(tree.spans[c].end));
        let mut own = 0;
        for c in children {
            let child = tree.spans[c];
            let end = child.end.min(at);
            let other_clock = at == until && child.service != span.service;
            let slack = if other_clock { SLACK } else { child.slack() };
            // It goes on beside what follows: that has not waited for it.
            if child.start >= end || child.end > at.saturating_add(slack) {
                continue;
            }
            own += at - end;
            open.push((c, end));
            at = child.start.max(span.start);
        }
        own += at.saturating_sub(span.start);
        if own > 0 {
            *parts.entry(whose(tree, i)).or_default() += own;
        }
    }
    parts
}

/// A child may end so much after its parent and still be what that waited for: clocks of two machines, nanoseconds.
const SLACK: u64 = 20_000_000;

fn whose(tree: &Tree<'_>, i: usize) -> Box<str> {
    let span = tree.spans[i];
    let service = &span.service;
    match &span.act {
        Act::Work => service.clone(),
        Act::Database { .. } => format!("db.{service}").into(),
        Act::Connect => format!("pool.{service}.db").into(),
        Act::Hold { resource, .. } => base::server_timing::resource_name(resource, service).into(),
        // What the other side tells of itself is its own; the rest is the way there.
        Act::Call { to } if tree.children[i].is_empty() => to.clone(),
        Act::Call { to } => format!("way: {to}").into(),
    }
}
