//! Spans as a tree, whatever they claim: parents that are not there, circles, the same id twice.

use crate::trace::Span;
use std::collections::HashMap;

pub struct Tree {
    /// By number of span; a span is below one other at most, and there are no circles.
    pub children: Vec<Vec<usize>>,
    /// What is below nothing, the earliest first.
    pub roots: Vec<usize>,
    /// Spans in the order of reading, with their depth.
    pub order: Vec<(usize, u16)>,
    /// Roots that name a parent which is not there.
    pub orphans: usize,
    /// Spans whose parents led back to themselves: one of each circle became a root.
    pub circles: usize,
}

pub fn tree(spans: &[Span]) -> Tree {
    let by_id: HashMap<u64, usize> = spans.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
    let mut below = vec![Vec::new(); spans.len()];
    let mut tree = Tree {
        children: vec![Vec::new(); spans.len()],
        roots: Vec::new(),
        order: Vec::with_capacity(spans.len()),
        orphans: 0,
        circles: 0,
    };
    let mut by_start: Vec<usize> = (0..spans.len()).collect();
    by_start.sort_by_key(|&i| (spans[i].start, std::cmp::Reverse(spans[i].end)));
    for &i in &by_start {
        match by_id.get(&spans[i].parent) {
            Some(&p) if p != i => below[p].push(i),
            Some(_) => tree.circles += 1,
            None => {
                tree.orphans += usize::from(spans[i].parent != 0);
                tree.roots.push(i);
            }
        }
    }
    let mut seen = vec![false; spans.len()];
    for root in tree.roots.clone() {
        tree.walk(root, &below, &mut seen);
    }
    // Whatever is left is in a circle or below one.
    for &i in &by_start {
        if !seen[i] {
            tree.circles += usize::from(spans[i].parent != spans[i].id);
            tree.roots.push(i);
            tree.walk(i, &below, &mut seen);
        }
    }
    tree
}

impl Tree {
    /// Without recursion: depth is what senders say it is.
    fn walk(&mut self, root: usize, below: &[Vec<usize>], seen: &mut [bool]) {
        let mut open = vec![(root, 0u16)];
        seen[root] = true;
        while let Some((i, depth)) = open.pop() {
            self.order.push((i, depth));
            for &child in &below[i] {
                if !std::mem::replace(&mut seen[child], true) {
                    self.children[i].push(child);
                }
            }
            let deeper = self.children[i].iter().rev();
            open.extend(deeper.map(|&c| (c, depth.saturating_add(1))));
        }
    }
}

/// Nanoseconds of a span in which none of those below it ran.
pub fn own(tree: &Tree, spans: &[Span], i: usize) -> u64 {
    let (start, end) = (spans[i].start, spans[i].start + spans[i].length());
    let mut covered = 0;
    let mut until = start;
    // Children are in the order of their starts.
    for &c in &tree.children[i] {
        let from = spans[c].start.clamp(until, end);
        let to = spans[c].end.clamp(from, end);
        covered += to - from;
        until = until.max(to);
    }
    (end - start) - covered
}

/// Another clock may be off by so much, and one clock's grain is that, nanoseconds.
const OTHER_CLOCK: u64 = 20_000_000;
const GRAIN: u64 = 2_000_000;

/// Nanoseconds of each span on the critical path below `root`: walked back from its end, always into what ended last.
pub fn critical(tree: &Tree, spans: &[Span], root: usize) -> Vec<u64> {
    let mut on_path = vec![0; spans.len()];
    let mut open = vec![(root, spans[root].end)];
    while let Some((i, until)) = open.pop() {
        let span = &spans[i];
        let mut at = until.min(span.end);
        let mut children = tree.children[i].clone();
        children.sort_by_key(|&c| std::cmp::Reverse(spans[c].end));
        for c in children {
            let child = &spans[c];
            let end = child.end.min(at);
            let slack = match child.service == span.service {
                true => GRAIN,
                false => OTHER_CLOCK,
            };
            // It goes on beside what follows: that has not waited for it.
            if child.start >= end || child.end > at.saturating_add(slack) {
                continue;
            }
            on_path[i] += at - end;
            open.push((c, end));
            at = child.start.max(span.start).min(at);
        }
        on_path[i] += at.saturating_sub(span.start);
    }
    on_path
}
