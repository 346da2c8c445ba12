//! When each path was last changed by an unsafe request, whichever route that belonged to.
//!
//! A fixed table by hash of host and path: a hit must come from a request that started after the mark. So one store
//! reaches every query, variant and arm, and a fill that was under way when the change happened is worth nothing.
//! A cell says whose it is: paths that nobody caches leave no mark, whatever cell they fall into. Two that are cached share
//! their cell and its marks, which costs a fill, never a stale answer.

use base::Nanos;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const CELLS: usize = 1 << 16;
/// Bits of a cell that are the time of the last change; 0: there was none. Those above are whose cell it is; 0: nobody's.
const TIME: u32 = 48;
/// A time's unit, as a power of two of a nanosecond: nine years are told.
const UNIT: u32 = 10;
/// Of a cell that is of several.
const SHARED: u64 = u64::MAX >> TIME;

#[derive(Debug)]
pub struct Marks {
    cells: Box<[AtomicU64]>,
    seed: foldhash::quality::RandomState,
}

impl Default for Marks {
    fn default() -> Self {
        Marks {
            cells: (0..CELLS).map(|_| AtomicU64::new(0)).collect(),
            seed: Default::default(),
        }
    }
}

impl Marks {
    /// Where the path's mark is, and how the cell says that it is the path's.
    fn cell(&self, host: &[u8], path: &[u8]) -> (&AtomicU64, u64) {
        let mut h = self.seed.build_hasher();
        // As it is compared: whoever writes it in capitals means the same host.
        match host.iter().any(u8::is_ascii_uppercase) {
            true => h.write(&host.to_ascii_lowercase()),
            false => h.write(host),
        }
        h.write_u8(0);
        h.write(path);
        let hash = h.finish();
        let owner = (hash >> TIME).clamp(1, SHARED - 1);
        (&self.cells[hash as usize % CELLS], owner)
    }

    /// A group in the place of a path, which always begins with `/` or `*`.
    pub fn group(name: &str) -> Vec<u8> {
        [b"group ", name.as_bytes()].concat()
    }

    /// A request of this path may be stored: from now on its changes count. `path` is without query.
    pub fn watch(&self, host: &[u8], path: &[u8]) {
        let (cell, owner) = self.cell(host, path);
        let with = |held: u64| {
            let of = match held >> TIME {
                0 => owner,
                other if other == owner || other == SHARED => return None,
                _ => SHARED,
            };
            Some(of << TIME | time(held))
        };
        // An error: it is watched already.
        let _ = cell.fetch_update(Relaxed, Relaxed, with);
    }

    pub fn changed(&self, host: &[u8], path: &[u8], now: Nanos) {
        let (cell, owner) = self.cell(host, path);
        // Rounded up: what began within the unit may have begun before the change.
        let at = ((now.0 >> UNIT) + 1).min(time(u64::MAX));
        let with = |held: u64| {
            let of = held >> TIME;
            let watched = of == owner || of == SHARED;
            watched.then(|| of << TIME | time(held).max(at))
        };
        // An error: nobody caches it.
        let _ = cell.fetch_update(Relaxed, Relaxed, with);
    }

    /// Whether what was asked for at `at` is older than the last change.
    pub fn outdated(&self, host: &[u8], path: &[u8], at: Nanos) -> bool {
        let (cell, _) = self.cell(host, path);
        at.0 >> UNIT < time(cell.load(Relaxed))
    }
}

fn time(cell: u64) -> u64 {
    cell & ((1 << TIME) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In units, so that they differ.
    const fn at(n: u64) -> Nanos {
        Nanos(n << UNIT)
    }

    #[test]
    fn a_host_is_the_same_in_capitals() {
        let marks = Marks::default();
        marks.watch(b"Shop.example", b"/p");
        marks.changed(b"shop.EXAMPLE", b"/p", at(7));
        for host in [&b"shop.example"[..], b"SHOP.example"] {
            assert!(marks.outdated(host, b"/p", at(6)));
            assert!(!marks.outdated(host, b"/p", at(8)));
        }
        assert!(!marks.outdated(b"shop.example", b"/P", at(6)));
    }

    #[test]
    fn what_began_within_the_unit_of_a_change_is_older() {
        let marks = Marks::default();
        marks.watch(b"a", b"/p");
        assert!(!marks.outdated(b"a", b"/p", Nanos(0)));
        marks.changed(b"a", b"/p", Nanos(5));
        assert!(marks.outdated(b"a", b"/p", Nanos(4)));
        assert!(marks.outdated(b"a", b"/p", Nanos(6)));
        assert!(!marks.outdated(b"a", b"/p", at(1)));
    }

    /// Another path in the cell of `path`.
    fn neighbour(marks: &Marks, path: &[u8]) -> Vec<u8> {
        let (cell, owner) = marks.cell(b"a", path);
        let mut others = (0..).map(|i| format!("/other/{i}").into_bytes());
        let same = |other: &Vec<u8>| {
            let (its, of) = marks.cell(b"a", other);
            std::ptr::eq(its, cell) && of != owner
        };
        others.find(same).unwrap()
    }

    #[test]
    fn a_path_in_the_same_cell_leaves_a_mark_only_if_it_is_cached_too() {
        let marks = Marks::default();
        marks.watch(b"a", b"/p");
        let other = neighbour(&marks, b"/p");
        marks.changed(b"a", &other, at(7));
        assert!(!marks.outdated(b"a", b"/p", at(6)));
        marks.watch(b"a", &other);
        marks.watch(b"a", b"/p");
        marks.changed(b"a", &other, at(9));
        assert!(marks.outdated(b"a", b"/p", at(8)));
        assert!(marks.outdated(b"a", &other, at(8)));
        // The last change counts, in whichever order they are told.
        marks.changed(b"a", b"/p", at(3));
        assert!(marks.outdated(b"a", &other, at(8)));
    }
}
