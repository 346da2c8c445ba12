//! When each path was last changed by an unsafe request, whichever route that belonged to.
//!
//! A fixed table by hash of host and path: a hit must come from a request that started after the mark. So one store
//! reaches every query, variant and arm, and a fill that was under way when the change happened is worth nothing.
//! Two paths in one cell cost a fill, never a stale answer. Paths that nobody caches leave no mark.

use base::Nanos;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const CELLS: usize = 1 << 16;

#[derive(Debug)]
pub struct Marks {
    /// 0: not cached; else one more than the time of the last change.
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
    fn cell(&self, host: &[u8], path: &[u8]) -> &AtomicU64 {
        let mut h = self.seed.build_hasher();
        // As it is compared: whoever writes it in capitals means the same host.
        match host.iter().any(u8::is_ascii_uppercase) {
            true => h.write(&host.to_ascii_lowercase()),
            false => h.write(host),
        }
        h.write_u8(0);
        h.write(path);
        &self.cells[h.finish() as usize % CELLS]
    }

    /// A group in the place of a path, which always begins with `/` or `*`.
    pub fn group(name: &str) -> Vec<u8> {
        [b"group ", name.as_bytes()].concat()
    }

    /// A request of this path may be stored: from now on its changes count. `path` is without query.
    pub fn watch(&self, host: &[u8], path: &[u8]) {
        let cell = self.cell(host, path);
        if cell.load(Relaxed) == 0 {
            let _ = cell.compare_exchange(0, 1, Relaxed, Relaxed);
        }
    }

    pub fn changed(&self, host: &[u8], path: &[u8], now: Nanos) {
        let cell = self.cell(host, path);
        if cell.load(Relaxed) != 0 {
            cell.fetch_max(now.0.saturating_add(1), Relaxed);
        }
    }

    /// Whether what was asked for at `at` is older than the last change.
    pub fn outdated(&self, host: &[u8], path: &[u8], at: Nanos) -> bool {
        let mark = self.cell(host, path).load(Relaxed);
        mark > 1 && at.0 < mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_the_same_in_capitals() {
        let marks = Marks::default();
        marks.watch(b"Shop.example", b"/p");
        marks.changed(b"shop.EXAMPLE", b"/p", Nanos(7));
        for host in [&b"shop.example"[..], b"SHOP.example"] {
            assert!(marks.outdated(host, b"/p", Nanos(6)));
            assert!(!marks.outdated(host, b"/p", Nanos(8)));
        }
        assert!(!marks.outdated(b"shop.example", b"/P", Nanos(6)));
    }
}
