//! Calls within one attempt: the same again and again, and different ones one after another.

use super::attempt::{Calls, Chain};
use super::join::Tree;
use crate::span::Act;
use std::collections::BTreeMap;

/// Different calls that are told of one attempt.
const KINDS: usize = 64;

/// The calls of each kind, the kinds with most of them first.
pub fn groups(tree: &Tree<'_>, outermost: &[usize]) -> Vec<Calls> {
    let mut by: BTreeMap<(bool, &str), Vec<usize>> = BTreeMap::new();
    for &i in outermost {
        match &tree.spans[i].act {
            Act::Database { shape, .. } => by.entry((true, shape)).or_default().push(i),
            Act::Call { to } => by.entry((false, to)).or_default().push(i),
            _ => {}
        }
    }
    let mut all: Vec<Calls> = by
        .into_iter()
        .map(|((database, what), members)| {
            let (serial, _) = one_after_another(tree, &members);
            Calls {
                what: what.into(),
                database,
                calls: members.len() as u32,
                serial: serial.len() as u32,
                length: length(tree, &members),
            }
        })
        .collect();
    all.sort_by_key(|c| std::cmp::Reverse(c.calls));
    all.truncate(KINDS);
    all
}

/// The longest row of service calls that one span makes one after another.
pub fn chain(tree: &Tree<'_>, below: &[usize]) -> Option<Chain> {
    let of = |&i: &usize| {
        let call = |c: &&usize| matches!(tree.spans[**c].act, Act::Call { .. });
        let calls: Vec<usize> = tree.children[i].iter().filter(call).copied().collect();
        let (serial, longest) = one_after_another(tree, &calls);
        (serial.len() > 1).then(|| Chain {
            calls: serial.len() as u32,
            length: length(tree, &serial),
            longest,
        })
    };
    below.iter().filter_map(of).max_by_key(|c| c.length)
}

/// Those that begin when all before have ended, the first one included, and the length of the longest of them.
fn one_after_another(tree: &Tree<'_>, members: &[usize]) -> (Vec<usize>, u64) {
    let mut sorted = members.to_vec();
    sorted.sort_by_key(|&i| (tree.spans[i].start, tree.spans[i].end));
    let mut ended = 0;
    let mut serial = Vec::with_capacity(sorted.len());
    let mut longest = 0;
    for i in sorted {
        let span = tree.spans[i];
        if span.start.saturating_add(span.slack()) >= ended {
            serial.push(i);
            longest = longest.max(span.length().unwrap_or(0));
        }
        ended = ended.max(span.end);
    }
    (serial, longest)
}

fn length(tree: &Tree<'_>, members: &[usize]) -> u64 {
    let lengths = members.iter().filter_map(|&i| tree.spans[i].length());
    lengths.fold(0, u64::saturating_add)
}
