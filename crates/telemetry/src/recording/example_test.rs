//! The example in the documentation is read as it stands there.

use super::*;
use std::fs;

#[test]
fn the_documented_example_is_a_recording() {
    let page = include_str!("../../../../docs/recording.md");
    let blocks: Vec<&str> = page
        .split("```csv\n")
        .skip(1)
        .filter_map(|b| b.split("```").next())
        .collect();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(REQUESTS), blocks[0]).unwrap();
    fs::write(dir.path().join(USAGE), blocks[1]).unwrap();
    let yaml: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|b| b.split("```").next())
        .collect();
    for (name, text) in [RESOURCES, SLO, META].iter().zip(yaml) {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let r = read(dir.path());
    assert_eq!(
        r.findings
            .iter()
            .map(|f| f.code.as_str())
            .collect::<Vec<_>>(),
        ["recording-unfinished"]
    );
    let h = &r.history;
    assert_eq!(h.windows.len(), 2);
    assert_eq!(
        h.windows[1].uses[0].busy_s, 0.21,
        "told where the request ended"
    );
    assert_eq!(
        h.windows
            .iter()
            .flat_map(|w| &w.resources)
            .filter(|c| c.capacity == Some(2.0))
            .count(),
        2
    );
    let product = h.routes.iter().find(|r| r.name == "product").unwrap();
    assert_eq!(product.objective.map(|o| o.latency_s), Some(0.25));
    assert_eq!(product.cached_ttl_s, Some(10.0));
}
