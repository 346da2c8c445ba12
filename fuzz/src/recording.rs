//! Any two files are a history in order with finite numbers, or findings.

use std::cell::LazyCell;
use telemetry::recording::{REQUESTS, USAGE, read};

thread_local! {
    static FOLDER: LazyCell<tempfile::TempDir> = LazyCell::new(|| tempfile::tempdir().expect("a temporary folder"));
}

pub fn check(data: &[u8]) {
    // The two files stand one after the other, with an empty line between.
    let gap = data.windows(2).position(|w| w == b"\n\n");
    let (requests, usage) = data.split_at(gap.map_or(data.len(), |at| at + 1));
    FOLDER.with(|folder| {
        let folder = folder.path();
        // The columns are known, so that the fuzzer gets to the rows; what is no header is refused early.
        let requests = [
            b"route,arrival_s,duration_s,service,status,id,parent,use.cpu.a\n",
            requests,
        ]
        .concat();
        let usage = [
            b"time_s,resource,busy,capacity,instance,waiting,level\n",
            usage,
        ]
        .concat();
        std::fs::write(folder.join(REQUESTS), requests).expect("the folder can be written");
        std::fs::write(folder.join(USAGE), usage).expect("the folder can be written");
        let history = read(folder).history;
        assert!(history.windows.is_sorted_by(|a, b| a.index < b.index));
        for w in &history.windows {
            for c in w.requests.iter().chain(&w.attempts) {
                assert!(
                    c.life.is_finite() && c.life >= 0.0 && c.in_flight_s >= 0.0,
                    "{c:?}"
                );
            }
            assert!(w.resources.iter().all(|c| c.busy.is_finite()));
        }
    });
}
