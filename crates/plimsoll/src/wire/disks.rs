//! How the disks of caches stand, as metrics; nothing where no route has one.

use gateway::DiskGauge;
use telemetry::prometheus::Page;

type Value = fn(&DiskGauge) -> u64;

/// Name, kind, help and value of each family.
const FAMILIES: &[(&str, &str, &str, Value)] = &[
    (
        "plimsoll_cache_disk_bytes",
        "gauge",
        "Bytes of the files.",
        |d| d.bytes,
    ),
    (
        "plimsoll_cache_disk_size_bytes",
        "gauge",
        "Bytes that the files may have.",
        |d| d.size,
    ),
    (
        "plimsoll_cache_disk_records",
        "gauge",
        "Addresses with answers on disk.",
        |d| d.records,
    ),
    (
        "plimsoll_cache_disk_broken",
        "gauge",
        "1: the cache goes on in memory only.",
        |d| u64::from(!d.wrong.is_empty()),
    ),
    (
        "plimsoll_cache_disk_hits_total",
        "counter",
        "Requests answered with what had to be brought from disk.",
        |d| d.hits,
    ),
    (
        "plimsoll_cache_disk_late_total",
        "counter",
        "Requests that waited too long for the disk and went on to the service.",
        |d| d.late,
    ),
    (
        "plimsoll_cache_disk_writes_total",
        "counter",
        "Addresses whose answers were written.",
        |d| d.writes,
    ),
    (
        "plimsoll_cache_disk_evicted_total",
        "counter",
        "Addresses that had to make room.",
        |d| d.evicted,
    ),
    (
        "plimsoll_cache_disk_damaged_total",
        "counter",
        "Records that were not what had been written, and so were not used.",
        |d| d.damaged,
    ),
];

pub fn page(page: &mut Page, disks: &[DiskGauge]) {
    if disks.is_empty() {
        return;
    }
    for (name, kind, help, value) in FAMILIES {
        page.family(name, kind, help);
        for d in disks {
            page.row("", &[("route", &d.route)], value(d) as f64);
        }
    }
    page.family(
        "plimsoll_cache_disk_refused_total",
        "counter",
        "Reads and writes that were left out because a queue was full, or the answer too large.",
    );
    for d in disks {
        for (what, n) in [("read", d.reads_refused), ("write", d.writes_refused)] {
            page.row("", &[("route", &d.route), ("what", what)], n as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_its_rows_and_none_has_none() {
        let text = |disks: &[DiskGauge]| {
            let mut out = Page::default();
            page(&mut out, disks);
            out.finish()
        };
        assert_eq!(text(&[]), Page::default().finish());
        let disk = DiskGauge {
            route: "product".into(),
            wrong: "it cannot be written".into(),
            hits: 3,
            writes_refused: 2,
            ..DiskGauge::default()
        };
        let text = text(&[disk]);
        for row in [
            "plimsoll_cache_disk_broken{route=\"product\"} 1",
            "plimsoll_cache_disk_hits_total{route=\"product\"} 3",
            "plimsoll_cache_disk_refused_total{route=\"product\",what=\"write\"} 2",
        ] {
            assert!(text.contains(row), "{row}: {text}");
        }
    }
}
