//! Routes, services, alerts and config keys that a runbook names exist: at 3 a.m. nobody has time for a command that fails.

use super::{Facts, spot, unknown};
use crate::fields::Named;
use crate::runbook::What;
use base::Finding;
use config::sections::{AVAILABILITY, LATENCY, objective_id};
use config::{Config, nearest};
use serde_json::Value;

const CODE: &str = "runbook-names";

pub fn check(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let c = facts.catalog;
    let Some(config) = facts.config else {
        return;
    };
    let schema = config::schema::schema();
    let routes = || config.routes.iter().map(|r| r.name.as_str());
    let services = || c.services.keys().map(String::as_str);
    let resources = || c.others.keys().map(String::as_str);
    let alerts = alerts(config);
    for r in c.runbooks.values() {
        for word in &r.alerts {
            if !alerts.contains(&word.name) {
                let what = format!(
                    "no alert is called `{}`: the runbook waits for it",
                    word.name
                );
                let help = "write the id of an objective (`plimsoll slo --json`), or the name of a route or service that has one";
                let known = alerts.iter().map(String::as_str);
                found.push(unknown(CODE, what, word, known, help));
            }
        }
        let head = r.services.iter().map(|s| (What::Service, s));
        let head = head.chain(r.routes.iter().map(|x| (What::Route, x)));
        let all = head.chain(r.mentions.iter().map(|m| (m.what, &m.name)));
        for (what, word) in all {
            let (kind, known): (_, Vec<&str>) = match what {
                What::Route => ("route", routes().collect()),
                What::Service => ("service", services().collect()),
                What::Resource => ("resource", resources().collect()),
                What::Flag => {
                    let what = format!(
                        "the flag `{}` is not looked for: flags are not built yet",
                        word.name
                    );
                    found.push(spot(Finding::note(CODE, what), &word.spot));
                    continue;
                }
                What::Key => {
                    found.extend(key(word, config, &schema));
                    continue;
                }
            };
            if !known.contains(&word.name.as_str()) {
                let what = format!(
                    "the runbook names the {kind} `{}`, which is not there",
                    word.name
                );
                let help =
                    format!("correct it, or take it out; `plimsoll check` knows every {kind}");
                found.push(unknown(CODE, what, word, known, &help));
            }
        }
    }
}

/// What a runbook may wait for: ids of objectives, and the names of what has one.
fn alerts(config: &Config) -> Vec<String> {
    let routes = config.routes.iter();
    let routes = routes.filter_map(|r| Some(("route", &r.name, r.slo.as_ref()?)));
    let services = config.services.iter();
    let services = services.filter_map(|s| Some(("service", &s.name, s.slo.as_ref()?)));
    let mut all = Vec::new();
    for (scope, name, slo) in routes.chain(services) {
        all.push(name.clone());
        all.extend((slo.latency).map(|_| objective_id(scope, name, LATENCY)));
        all.extend((slo.availability).map(|_| objective_id(scope, name, AVAILABILITY)));
    }
    all
}

/// `services.shop.pool.size`: the name exists, and so does every key after it.
fn key(word: &Named, config: &Config, schema: &Value) -> Option<Finding> {
    let mut parts = word.name.split('.');
    let (section, name) = (parts.next()?, parts.next()?);
    let known: Vec<&str> = match section {
        "services" => config.services.iter().map(|s| s.name.as_str()).collect(),
        "routes" => config.routes.iter().map(|r| r.name.as_str()).collect(),
        _ => config.resources.iter().map(|r| r.name.as_str()).collect(),
    };
    let wrong = |part: &str, known: &[&str]| {
        let what = format!("the runbook names `{}`: there is no `{part}`", word.name);
        let near = nearest(part, known.iter().copied());
        let help = near.map_or_else(
            || format!("there are {}", known.join(", ")),
            |n| format!("did you mean `{n}`?"),
        );
        Some(spot(Finding::error(CODE, what), &word.spot).help(help))
    };
    if !known.contains(&name) {
        return wrong(name, &known);
    }
    let mut at = resolve(
        &schema["properties"][section]["additionalProperties"],
        schema,
    );
    for part in parts {
        let Some(keys) = at["properties"].as_object() else {
            // Deeper than the tables describe.
            return None;
        };
        let Some(next) = keys.get(part) else {
            let keys: Vec<&str> = keys.keys().map(String::as_str).collect();
            return wrong(part, &keys);
        };
        at = resolve(next, schema);
    }
    None
}

/// Follows `$ref`, also where a word may stand in place of a section.
fn resolve<'a>(node: &'a Value, schema: &'a Value) -> &'a Value {
    let any = node["anyOf"].as_array();
    let section = any.and_then(|a| a.iter().find(|n| n.get("$ref").is_some()));
    let node = section.unwrap_or(node);
    match node["$ref"]
        .as_str()
        .and_then(|r| r.strip_prefix("#/$defs/"))
    {
        Some(name) => &schema["$defs"][name],
        None => node,
    }
}
