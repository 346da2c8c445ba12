//! What an import writes, the reader of recordings takes without an error.

use base::Severity;
use std::cell::LazyCell;
use telemetry::import::{Format, convert};
use telemetry::recording::{REQUESTS, USAGE, read};

thread_local! {
    static FOLDER: LazyCell<tempfile::TempDir> = LazyCell::new(|| tempfile::tempdir().expect("a temporary folder"));
}

pub fn check(data: &[u8]) {
    let (kind, data) = crate::kind(data);
    let formats = [Format::Nginx, Format::NginxJson, Format::Envoy, Format::Alb];
    let format = formats[kind as usize % formats.len()];
    let mut rows = Vec::new();
    let done = convert(data, format, "web", &mut rows).expect("a vector takes everything");
    if done.rows == 0 {
        return;
    }
    FOLDER.with(|folder| {
        let folder = folder.path();
        std::fs::write(folder.join(REQUESTS), &rows).expect("the folder can be written");
        std::fs::write(folder.join(USAGE), "time_s,resource,busy,capacity\n")
            .expect("the folder can be written");
        let recording = read(folder);
        let errors: Vec<_> = recording
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .collect();
        assert!(
            errors.is_empty(),
            "{errors:?} in\n{}",
            String::from_utf8_lossy(&rows)
        );
    });
}
