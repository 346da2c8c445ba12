//! A catalog as Backstage reads it, one document for each team, person, service and what services depend on.

use crate::Catalog;
use crate::service::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The text of a `catalog-info.yaml`. Names that Backstage does not take are written as near as it takes them.
pub fn render(catalog: &Catalog) -> String {
    let mut out = String::new();
    let mut entity = |kind: &str, name: &str, about: Option<&str>, spec: &[(&str, String)]| {
        let _ = write!(
            out,
            "---\napiVersion: backstage.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {}\n",
            plain(name)
        );
        if let Some(about) = about {
            let _ = writeln!(out, "  description: {}", quoted(about));
        }
        out.push_str("spec:\n");
        for (key, value) in spec {
            let _ = writeln!(out, "  {key}: {value}");
        }
    };
    for team in catalog.teams.values() {
        let members = list(team.members.iter().map(|m| plain(&m.name)));
        let spec = [
            ("type", "team".to_owned()),
            ("children", "[]".to_owned()),
            ("members", members),
        ];
        entity("Group", &team.name, team.title.as_deref(), &spec);
    }
    let people: BTreeSet<&str> = catalog
        .teams
        .values()
        .flat_map(|t| t.members.iter().map(|m| m.name.as_str()))
        .collect();
    for person in people {
        let groups = catalog
            .teams
            .values()
            .filter(|t| t.members.iter().any(|m| m.name == person));
        let groups = list(groups.map(|t| plain(&t.name)));
        entity("User", person, None, &[("memberOf", groups)]);
    }
    let owner = |s: &Service| catalog.owner(s).unwrap_or_else(|| "unknown".into());
    let mut resources: BTreeMap<&str, String> = BTreeMap::new();
    for service in catalog.services.values() {
        for d in &service.depends_on {
            if !catalog.services.contains_key(&d.name) {
                resources.entry(&d.name).or_insert_with(|| owner(service));
            }
        }
        let calls = service.depends_on.iter().map(|d| {
            let kind = match catalog.services.contains_key(&d.name) {
                true => "component",
                false => "resource",
            };
            format!("{kind}:{}", plain(&d.name))
        });
        let spec = [
            ("type", "service".to_owned()),
            ("lifecycle", "production".to_owned()),
            ("owner", plain(&owner(service))),
            ("dependsOn", list(calls)),
        ];
        entity("Component", &service.name, service.about.as_deref(), &spec);
    }
    // Whoever depends on it first answers for it: nothing else is known of it here.
    for (name, owner) in resources {
        let spec = [("type", "resource".to_owned()), ("owner", plain(&owner))];
        entity("Resource", name, None, &spec);
    }
    out
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.map(|i| quoted(&i)).collect();
    format!("[{}]", items.join(", "))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// At most 63 letters, digits, `-`, `_` and `.`, which neither begin nor end with a sign.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .take(63)
        .collect();
    let name = name.trim_matches(['-', '_', '.']);
    if name.is_empty() {
        "unnamed".into()
    } else {
        name.to_owned()
    }
}
