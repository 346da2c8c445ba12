//! Writes that do not wait for the disk, among some that do: of those that come last some may be lost, and nothing else.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use store::embedded::Relaxed;
use store::{Embedded, Kv, Precondition, Put};

/// Writes by the child; one in so many waits for the disk.
pub const WRITES: u64 = 960;
const DURABLE: u64 = 32;
/// Writes and deletions from one that waits for the disk to the next: more are not undone.
pub const STRETCH: usize = (DURABLE - 1 + DURABLE.div_ceil(3)) as usize;
const FILE: &str = "state.db";

fn key(n: u64) -> String {
    format!("k{n:04}")
}

/// Some fill pages, so that the log is written back in between.
fn value(n: u64) -> Vec<u8> {
    let text = n.to_string();
    text.repeat(1 + n as usize % 9 * 1000 / text.len())
        .into_bytes()
}

fn is_durable(n: u64) -> bool {
    n % DURABLE == DURABLE - 1
}

/// What the child writes to.
pub struct Work {
    durable: Arc<Embedded>,
    relaxed: Relaxed,
    next: u64,
}

impl Work {
    pub fn open(dir: &Path) -> Work {
        let durable = Arc::new(Embedded::open(dir.join(FILE)).unwrap());
        Work {
            relaxed: Relaxed(durable.clone()),
            durable,
            next: 0,
        }
    }

    /// Some writes, each told once it is acknowledged: `=n` of one that waited for the disk, `~n` of one that did not. What a
    /// relaxed one wrote is taken away by the one seven later, so that a deletion may be lost, too.
    pub fn go_on(&mut self, writes: u64, told: &mut impl Write) {
        for n in self.next..self.next + writes {
            let put = Put::new(key(n), value(n));
            match is_durable(n) {
                true => {
                    self.durable.put(put, 0).wait().unwrap();
                    writeln!(told, "={n}").unwrap();
                }
                false => {
                    self.relaxed.put(put, 0).wait().unwrap();
                    writeln!(told, "~{n}").unwrap();
                }
            }
            if let Some(old) = gone_by(n) {
                let gone = self.relaxed.delete(&key(old), Precondition::Any, 0);
                assert!(gone.wait().unwrap());
                writeln!(told, "!{old}").unwrap();
            }
        }
        self.next += writes;
    }
}

/// What is taken away once this is written.
fn gone_by(n: u64) -> Option<u64> {
    n.checked_sub(7)
        .filter(|old| old % 3 == 0 && !is_durable(*old))
}

/// What was told before the cut.
pub struct Told {
    pub durable: BTreeSet<u64>,
    pub relaxed: BTreeSet<u64>,
    pub deleted: BTreeSet<u64>,
}

/// How many acknowledged writes are undone, or what is wrong with the file as it is found.
pub fn undone(disk: &Path, told: &Told) -> Result<usize, String> {
    let store = Embedded::open(disk.join(FILE)).map_err(|e| format!("does not open: {e}"))?;
    match store.check() {
        Ok(found) if found.is_empty() => {}
        found => return Err(format!("the values are damaged: {found:?}")),
    }
    let all = store.scan("k", None, 10_000, 0);
    let all = all.map_err(|e| format!("the values cannot be read: {e}"))?;
    let mut there = BTreeSet::new();
    for entry in all {
        let n = (entry.key[1..].parse()).map_err(|_| format!("who wrote {}?", entry.key))?;
        if entry.value != value(n) {
            return Err(format!("value {n} is another"));
        }
        there.insert(n);
    }
    // The last write that is there: what was before it is there too, in the same order.
    let last = there.last().copied();
    let before = |n: &u64| last.is_some_and(|last| *n <= last);
    for n in (0..WRITES).filter(before) {
        // The deletion after the last write may or may not be there.
        let by = n + 7;
        let gone = gone_by(by) == Some(n) && last.is_some_and(|last| by <= last);
        let is_last = last == Some(by);
        if there.contains(&n) == gone && !is_last {
            return Err(format!(
                "of writes up to {last:?} number {n} is not as it was"
            ));
        }
    }
    if let Some(n) = told.durable.iter().find(|n| !before(n)) {
        return Err(format!("value {n} was on disk and is lost"));
    }
    // What waited for the disk took those before it along: `before` has them all.
    let lost = told.relaxed.iter().filter(|n| !before(n)).count();
    let back = told.deleted.iter().filter(|n| there.contains(n)).count();
    Ok(lost + back)
}
