//! What stands beside the numbers: resources, objectives, routes. Written as YAML, derived from names where nothing is said.

use super::{FORMAT, META, RESOURCES, SLO};
use crate::history::Shell;
use base::{Incident, Names, ResourceInfo, RouteInfo};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

/// What `meta.yaml` may say of a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteMeta {
    pub service: Option<String>,
    pub safe: Option<bool>,
    pub cached_ttl_s: Option<f64>,
}

/// A shell for live windows: the caller's descriptions where it has them, names for the rest. Both lists are in the
/// order of the tables, so that the indices of windows fit.
pub fn shell_from_names(names: &Names, routes: &[RouteInfo], resources: &[ResourceInfo]) -> Shell {
    let route = |name: &str| {
        routes
            .iter()
            .find(|r| r.name == name)
            .cloned()
            .unwrap_or_else(|| RouteInfo {
                name: name.to_owned(),
                ..RouteInfo::default()
            })
    };
    let resource = |name: &str| {
        resources
            .iter()
            .find(|r| r.name == name)
            .cloned()
            .unwrap_or_else(|| ResourceInfo::from_name(name))
    };
    Shell {
        routes: names.routes.all().iter().map(|n| route(n)).collect(),
        resources: names.resources.all().iter().map(|n| resource(n)).collect(),
        instances: Vec::new(),
    }
}

/// A line per entry, values in braces: YAML that is JSON after the key.
fn lines(out: &mut String, indent: &str, entries: impl Iterator<Item = (String, Value)>) {
    for (key, value) in entries {
        let _ = writeln!(out, "{indent}{}: {}", json!(key), value);
    }
}

/// Drops empty members.
fn compact(mut v: Value) -> Value {
    if let Value::Object(m) = &mut v {
        m.retain(|_, v| !v.is_null());
    }
    v
}

/// Writes the three YAML files of a recording.
pub fn write_descriptions(
    folder: &Path,
    shell: &Shell,
    incidents: &[Incident],
    started_at: Option<u64>,
) -> io::Result<()> {
    let mut out = String::new();
    lines(
        &mut out,
        "",
        shell.resources.iter().map(|r| {
            let v = json!({
                "class": r.class, "discipline": r.discipline, "scope": r.scope, "unit": r.unit,
                "service": r.service, "size": r.size, "within": r.within, "price_per_hour": r.price_per_hour,
                "elsewhere": r.elsewhere.then_some(true), "serial": r.serial.then_some(true),
            });
            (r.name.clone(), compact(v))
        }),
    );
    fs::write(folder.join(RESOURCES), &out)?;
    out.clear();
    let declared = shell
        .routes
        .iter()
        .filter_map(|r| Some((r, r.objective.filter(|o| !o.assumed)?)));
    lines(
        &mut out,
        "",
        declared.map(|(r, o)| {
            let v = json!({
                "latency": format!("{}ms", o.latency_s * 1e3),
                "target": format!("{}%", (o.target * 1e9).round() / 1e7),
            });
            (r.name.clone(), v)
        }),
    );
    fs::write(folder.join(SLO), &out)?;
    out.clear();
    let _ = writeln!(
        out,
        "format: {FORMAT}\nwritten_by: plimsoll {}",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(s) = started_at {
        let _ = writeln!(out, "started_at: {s}");
    }
    if !shell.instances.is_empty() {
        out.push_str("instances:\n");
        lines(
            &mut out,
            "  ",
            shell.instances.iter().map(|(s, n)| (s.clone(), json!(n))),
        );
    }
    if !shell.routes.is_empty() {
        out.push_str("routes:\n");
        lines(
            &mut out,
            "  ",
            shell.routes.iter().map(|r| {
                let v = json!({
                    "service": (!r.service.is_empty()).then_some(&r.service), "safe": r.safe,
                    "cache_ttl": r.cached_ttl_s.map(|t| format!("{}ms", t * 1e3)),
                });
                (r.name.clone(), compact(v))
            }),
        );
    }
    if !incidents.is_empty() {
        out.push_str("incidents:\n");
        for i in incidents {
            let _ = writeln!(out, "  - {}", json!({"time_s": i.window, "what": i.what}));
        }
    }
    fs::write(folder.join(META), out)
}
