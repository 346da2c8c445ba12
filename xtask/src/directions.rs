//! Which crate may import which: imports point down, and gateway and control never meet.

use std::path::Path;

/// A crate and what it must not depend on, with the reason shown when it does.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "base",
        &[
            "tokio",
            "config",
            "model",
            "telemetry",
            "gateway",
            "control",
        ],
        "base has no async, no I/O, and is below all",
    ),
    (
        "config",
        &["tokio", "model", "telemetry", "gateway", "control"],
        "config is pure",
    ),
    (
        "httpcache",
        &[
            "tokio",
            "config",
            "store",
            "telemetry",
            "gateway",
            "control",
            "model",
        ],
        "what heads say about caching is pure: http1 only",
    ),
    (
        "model",
        &["tokio", "telemetry", "gateway", "control", "store", "prove"],
        "the model is pure: base and config only",
    ),
    (
        "slo",
        &["tokio", "model", "telemetry", "gateway", "control", "store"],
        "objectives and alerts are pure: base and config only",
    ),
    (
        "cost",
        &["tokio", "telemetry", "gateway", "control", "store"],
        "cost is pure: base, config and model only",
    ),
    (
        "past",
        &[
            "tokio",
            "config",
            "model",
            "telemetry",
            "gateway",
            "control",
            "store",
        ],
        "the past is counts and questions: base only, and no I/O",
    ),
    (
        "traces",
        &[
            "tokio",
            "config",
            "model",
            "telemetry",
            "gateway",
            "control",
            "store",
            "otlp",
        ],
        "traces are what is kept and how it is read: base only, and no I/O",
    ),
    (
        "profile",
        &[
            "tokio",
            "config",
            "model",
            "telemetry",
            "gateway",
            "control",
            "store",
        ],
        "a profile knows processes and who was in flight, and nothing of traffic",
    ),
    (
        "gateway",
        &["model", "control", "telemetry", "prove"],
        "the data path serves with control dead and no model",
    ),
    (
        "replicas",
        &["model", "control", "console", "store", "prove"],
        "who asks databases tells the gateway, and nobody else",
    ),
    (
        "intake",
        &[
            "config",
            "store",
            "telemetry",
            "gateway",
            "control",
            "model",
        ],
        "a listener knows nobody who listens",
    ),
    (
        "state",
        &["gateway", "control", "telemetry", "model", "console"],
        "the state API sees a store and nothing of traffic",
    ),
    (
        "cloudevents",
        &["tokio", "store", "telemetry", "gateway", "control", "model"],
        "events are text and bytes: config only, and no I/O",
    ),
    (
        "sse",
        &[
            "config",
            "store",
            "telemetry",
            "gateway",
            "control",
            "model",
        ],
        "who sends events knows nothing of where they come from",
    ),
    (
        "topics",
        &["gateway", "control", "telemetry", "model", "console"],
        "the API of topics sees a store and nothing of traffic",
    ),
    (
        "streams",
        &["gateway", "control", "telemetry", "model", "console"],
        "streams see a store, databases and services, and nothing of traffic",
    ),
    (
        "control",
        &["gateway"],
        "control meets the gateway in a generation and a window only",
    ),
    (
        "otlp",
        &[
            "config",
            "model",
            "telemetry",
            "gateway",
            "control",
            "http1",
        ],
        "the receiver knows spans and base only",
    ),
    (
        "catalog",
        &["tokio", "model", "telemetry", "gateway", "control"],
        "the catalog is files and rules: base and config only",
    ),
    (
        "agent",
        &["model", "gateway", "control", "store", "prove"],
        "agents bring windows what probes see, as telemetry does",
    ),
    (
        "sim",
        &["model", "config"],
        "sim shares no code with the model that it tests",
    ),
    (
        "prove",
        &["gateway", "control", "model"],
        "attacks go over the wire only",
    ),
];

/// The first line of code of every crate: nothing of it ends by a panic on purpose. Clippy holds it to that.
const NO_PANIC: &str =
    "#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]";
/// Tools of tests and measurements, which may.
const MAY_PANIC: [&str; 3] = ["peers", "prove", "sim"];

/// Nobody but the binary depends on the example application.
const ONLY_BINARY: &str = "shop";

/// Without white space: rustfmt breaks long lines.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

pub fn check() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("xtask has no parent folder")?;
    let mut wrong = Vec::new();
    let crates = std::fs::read_dir(root.join("crates")).map_err(|e| format!("crates/: {e}"))?;
    for entry in crates.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let manifest = entry.path().join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest)
            .map_err(|e| format!("{}: {e}", manifest.display()))?;
        let uses = dependencies(&text);
        for (from, to, why) in FORBIDDEN.iter().filter(|f| f.0 == name) {
            for bad in uses.iter().filter(|u| to.contains(&u.as_str())) {
                wrong.push(format!("{from} imports {bad}: {why}"));
            }
        }
        let root =
            ["src/lib.rs", "src/main.rs"].map(|f| std::fs::read_to_string(entry.path().join(f)));
        let promised = root
            .into_iter()
            .flatten()
            .any(|text| squeezed(&text).contains(&squeezed(NO_PANIC)));
        if !promised && !MAY_PANIC.contains(&name.as_str()) {
            wrong.push(format!(
                "{name} may panic: its first line of code must be {NO_PANIC}"
            ));
        }
        if name != "plimsoll" && uses.iter().any(|u| u == ONLY_BINARY) {
            wrong.push(format!(
                "{name} imports {ONLY_BINARY}: only the binary may run the example"
            ));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Names under `[dependencies]` (not the dev ones: tests may look anywhere).
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_only_the_real_dependencies() {
        let text = "[dependencies]\nbase.workspace = true\ntokio = \"1\"\n[dev-dependencies]\nsim.workspace = true\n";
        assert_eq!(super::dependencies(text), ["base", "tokio"]);
    }

    #[test]
    fn the_workspace_keeps_its_directions() {
        super::check().unwrap();
    }
}
