//! The small YAML files of a recording: `resources.yaml`, `slo.yaml`, `meta.yaml`.

use super::faults::Faults;
use super::{FORMAT, META, RESOURCES, SLO};
use base::{Discipline, Finding, Incident, Objective, ResourceInfo, Scope};
use config::Document;
use config::document::Node;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads one file if it is there.
fn load(folder: &Path, name: &str, faults: &mut Faults) -> Option<Document> {
    let path = folder.join(name);
    if !path.exists() {
        return None;
    }
    let (document, findings) = Document::load(&path);
    for mut f in findings {
        f.code = f.code.replacen("config-", "recording-", 1);
        faults.push(f);
    }
    Some(document)
}

fn bad(node: &Node, what: String) -> Finding {
    let at = node.at.spot();
    Finding::error("recording-bad-value", what).at(at.file, at.line, at.column)
}

/// Warns of keys that are not in `known`.
fn only(node: &Node, known: &[&str], faults: &mut Faults) {
    for e in node.entries() {
        if !known.contains(&e.key.as_str()) {
            let near = config::nearest(&e.key, known.iter().copied());
            let at = e.key_at.spot();
            faults.push(
                Finding::warning(
                    "recording-unknown-key",
                    format!("`{}` is not known and is ignored", e.key),
                )
                .at(at.file, at.line, at.column)
                .help(near.map_or_else(
                    || format!("known are {}", known.join(", ")),
                    |n| format!("did you mean `{n}`?"),
                )),
            );
        }
    }
}

/// One of the words of an enum, as the project writes them in JSON.
fn word<T: DeserializeOwned>(
    node: &Node,
    key: &str,
    words: &str,
    faults: &mut Faults,
) -> Option<T> {
    let n = node.get(key)?;
    let text = n.text().unwrap_or_default();
    match serde_json::from_value(serde_json::Value::String(text.to_owned())) {
        Ok(v) => Some(v),
        Err(_) => {
            faults.push(bad(
                n,
                format!("`{key}` is `{text:.40}`; it must be one of {words}"),
            ));
            None
        }
    }
}

fn number(node: &Node, key: &str, faults: &mut Faults) -> Option<f64> {
    let n = node.get(key)?;
    let v = n.text().and_then(|t| t.parse::<f64>().ok());
    match v.filter(|v| v.is_finite() && *v >= 0.0) {
        Some(v) => Some(v),
        None => {
            faults.push(bad(
                n,
                format!("`{key}` must be a number that is not negative"),
            ));
            None
        }
    }
}

fn string(node: &Node, key: &str) -> Option<String> {
    node.get(key)?
        .text()
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
}

/// What `resources.yaml` says; a resource's missing keys come from its name.
pub fn resources(folder: &Path, faults: &mut Faults) -> BTreeMap<String, ResourceInfo> {
    let mut all = BTreeMap::new();
    let Some(d) = load(folder, RESOURCES, faults) else {
        return all;
    };
    for e in d.root.entries() {
        let n = &e.value;
        only(
            n,
            &[
                "class",
                "unit",
                "discipline",
                "scope",
                "service",
                "size",
                "within",
                "price_per_hour",
                "elsewhere",
                "serial",
            ],
            faults,
        );
        let mut info = ResourceInfo::from_name(&e.key);
        let classes = "compute, memory, storage, network, pool-or-lock, data-design, dependency, retry-storm, people-and-process, unknown";
        if let Some(v) = word(n, "class", classes, faults) {
            info.class = v;
        }
        if let Some(v) = word(n, "discipline", "ps, fcfs, slots, level", faults) {
            info.discipline = v;
        }
        if let Some(s) = string(n, "service") {
            info.service = Some(s);
            info.scope = Scope::PerInstance;
        }
        if let Some(v) = word(n, "scope", "shared, per-instance", faults) {
            info.scope = v;
        }
        if let Some(v) = string(n, "unit") {
            // One server is usual, one byte is not.
            let usual = (info.discipline == Discipline::Fcfs).then_some(1.0);
            info.size = usual.filter(|_| !v.starts_with("bytes"));
            info.unit = v;
        }
        if let Some(v) = number(n, "size", faults) {
            info.size = Some(v);
        }
        info.within = string(n, "within");
        info.price_per_hour = number(n, "price_per_hour", faults);
        info.elsewhere = string(n, "elsewhere").as_deref() == Some("true");
        info.serial = string(n, "serial").as_deref() == Some("true");
        all.insert(e.key.clone(), info);
    }
    all
}

/// What `slo.yaml` says per route.
pub fn slo(folder: &Path, faults: &mut Faults) -> BTreeMap<String, Objective> {
    let mut all = BTreeMap::new();
    let Some(d) = load(folder, SLO, faults) else {
        return all;
    };
    for e in d.root.entries() {
        let n = &e.value;
        only(n, &["latency", "target"], faults);
        let mut unit = |key: &str, parse: &dyn Fn(&str) -> Result<f64, base::units::UnitError>| {
            let Some(v) = n.get(key) else {
                faults.push(bad(n, format!("`{}` needs `{key}`", e.key)));
                return None;
            };
            parse(v.text().unwrap_or_default())
                .map_err(|e| faults.push(bad(v, e.to_string())))
                .ok()
        };
        let latency = unit("latency", &|t| {
            base::units::duration(t).map(|d| d.as_secs_f64())
        });
        let target = unit("target", &base::units::share);
        if let (Some(latency_s), Some(target)) = (latency, target) {
            all.insert(
                e.key.clone(),
                Objective {
                    latency_s,
                    target,
                    assumed: false,
                },
            );
        }
    }
    all
}

/// What `meta.yaml` says.
#[derive(Debug, Default)]
pub struct Meta {
    pub instances: BTreeMap<String, u32>,
    pub routes: BTreeMap<String, super::RouteMeta>,
    pub incidents: Vec<Incident>,
}

pub fn meta(folder: &Path, faults: &mut Faults) -> Meta {
    let mut m = Meta::default();
    let Some(d) = load(folder, META, faults) else {
        return m;
    };
    let root = &d.root;
    only(
        root,
        &[
            "format",
            "written_by",
            "started_at",
            "note",
            "instances",
            "routes",
            "incidents",
        ],
        faults,
    );
    match root
        .get("format")
        .map(|n| (n, n.text().and_then(|t| t.parse::<u32>().ok())))
    {
        Some((_, Some(f))) if (1..=FORMAT).contains(&f) => {}
        Some((n, _)) => faults.push(Finding {
            help: "use a newer Plimsoll, or write `format: 1`".into(),
            ..bad(
                n,
                format!("`format` must be {FORMAT}: other formats are not known here"),
            )
        }),
        None => faults.push(
            Finding::warning(
                "recording-no-format",
                format!("`{META}` does not say its format; 1 is assumed"),
            )
            .at(root.at.spot().file, 1, 0),
        ),
    }
    if let Some(list) = root.get("instances") {
        for e in list.entries() {
            if let Some(n) = number(list, &e.key, faults) {
                m.instances.insert(e.key.clone(), n.min(1e6) as u32);
            }
        }
    }
    for e in root.get("routes").map(Node::entries).unwrap_or_default() {
        only(&e.value, &["service", "safe", "cache_ttl"], faults);
        let ttl = e.value.get("cache_ttl").and_then(|n| {
            base::units::duration(n.text().unwrap_or_default())
                .map_err(|err| faults.push(bad(n, err.to_string())))
                .ok()
        });
        m.routes.insert(
            e.key.clone(),
            super::RouteMeta {
                service: string(&e.value, "service"),
                safe: string(&e.value, "safe").map(|s| s == "true"),
                cached_ttl_s: ttl.map(|d| d.as_secs_f64()),
            },
        );
    }
    if let Some(config::document::Value::List(items)) = root.get("incidents").map(|n| &n.value) {
        for n in items {
            only(n, &["time_s", "what"], faults);
            if let (Some(t), Some(what)) = (number(n, "time_s", faults), string(n, "what")) {
                m.incidents.push(Incident {
                    window: t as u64,
                    what,
                });
            }
        }
    }
    m
}
