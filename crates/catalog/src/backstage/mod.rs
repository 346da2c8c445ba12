//! Backstage's `catalog-info.yaml`: several documents, of which Components, Resources, Groups and Users become services,
//! teams and people; APIs, Systems and Domains are read for what they own and say.

mod write;

#[cfg(test)]
mod tests;

pub use write::render;

use crate::fields::{Named, at, did_you_mean};
use crate::service::Service;
use crate::team::{Source, Team};
use base::{Finding, Spot};
use config::Document;
use config::document::{Node, Value};

const KINDS: &[&str] = &[
    "Component",
    "API",
    "Resource",
    "System",
    "Domain",
    "Group",
    "User",
];
/// Kinds that Backstage has and that say nothing to us.
const LEFT_OUT: &[&str] = &["Location", "Template"];

/// What one file declares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entities {
    pub services: Vec<Service>,
    pub teams: Vec<Team>,
    /// Things that may be depended on and are no services: resources, APIs, systems, domains.
    pub others: Vec<Named>,
    pub people: Vec<Named>,
}

/// `[kind:][namespace/]name`; the namespace `default` is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// Lower case; empty when not written.
    pub kind: String,
    pub name: String,
}

impl Ref {
    pub fn parse(text: &str) -> Ref {
        let (kind, rest) = text.split_once(':').unwrap_or(("", text));
        let name = match rest.split_once('/') {
            Some((namespace, name)) if namespace.eq_ignore_ascii_case("default") => name,
            _ => rest,
        };
        Ref {
            kind: kind.to_lowercase(),
            name: name.to_owned(),
        }
    }
}

pub fn parse(file: &str, text: &str) -> (Entities, Vec<Finding>) {
    let (roots, mut findings) = Document::several(file, text);
    let mut all = Entities::default();
    let mut members: Vec<(String, Named)> = Vec::new();
    for root in roots.iter().filter(|r| r.text() != Some("")) {
        if let Err(finding) = entity(root, &mut all, &mut members) {
            findings.push(finding);
        }
    }
    for (group, person) in members {
        let team = all.teams.iter_mut().find(|t| t.name == group);
        if let Some(team) = team.filter(|t| !t.members.iter().any(|m| m.name == person.name)) {
            team.members.push(person);
        }
    }
    (all, findings)
}

fn entity(
    root: &Node,
    all: &mut Entities,
    members: &mut Vec<(String, Named)>,
) -> Result<(), Finding> {
    let spot = root.at.spot();
    let wrong = |what: String, spot: &Spot| at(Finding::error("backstage-entity", what), spot);
    let text = |path: &[&str]| {
        find(root, path)
            .and_then(Node::text)
            .filter(|t| !t.is_empty())
    };
    let kind = text(&["kind"]).ok_or_else(|| {
        wrong("an entity without `kind`".into(), &spot).help(format!("one of {}", KINDS.join(", ")))
    })?;
    let kind_at = find(root, &["kind"]).map_or(&root.at, |n| &n.at).spot();
    if LEFT_OUT.contains(&kind) {
        return Ok(());
    }
    if !text(&["apiVersion"]).is_some_and(|v| v.starts_with("backstage.io/v1")) {
        let help = "write `apiVersion: backstage.io/v1alpha1`";
        return Err(wrong("an entity without Backstage's `apiVersion`".into(), &spot).help(help));
    }
    let name = text(&["metadata", "name"])
        .ok_or_else(|| wrong("an entity without `metadata.name`".into(), &spot))?;
    let name = match text(&["metadata", "namespace"]) {
        Some(ns) if !ns.eq_ignore_ascii_case("default") => format!("{ns}/{name}"),
        _ => name.to_owned(),
    };
    let place = find(root, &["metadata", "name"])
        .map_or(&root.at, |n| &n.at)
        .spot();
    let refs = |key: &str| references(find(root, &["spec", key]));
    match kind {
        "Component" | "API" | "System" | "Domain" | "Resource" => {
            let owner = find(root, &["spec", "owner"]);
            let owner = references(owner).into_iter().next();
            if owner.is_none() {
                let what = format!("{kind} `{name}` has no `spec.owner`");
                return Err(wrong(what, &place).help("name a Group: `owner: team-name`"));
            }
            if kind != "Component" {
                all.others.push(Named::new(name, &place));
                return Ok(());
            }
            let mut service = Service::named(&name, place, Source::Backstage);
            service.about = text(&["metadata", "description"]).map(str::to_owned);
            service.owner = owner;
            service.depends_on = refs("dependsOn");
            service.depends_on.extend(refs("consumesApis"));
            all.services.push(service);
        }
        "Group" => {
            let mut team = Team::named(&name, place, Source::Backstage);
            team.title = text(&["spec", "profile", "displayName"]).map(str::to_owned);
            team.contact = text(&["spec", "profile", "email"]).map(str::to_owned);
            team.members = refs("members");
            all.teams.push(team);
        }
        "User" => {
            for group in refs("memberOf") {
                members.push((group.name, Named::new(name.as_str(), &place)));
            }
            all.people.push(Named::new(name, &place));
        }
        other => {
            let help = did_you_mean(other, KINDS.iter().copied());
            let help = help.unwrap_or_else(|| format!("one of {}", KINDS.join(", ")));
            return Err(wrong(format!("no kind `{other}`"), &kind_at).help(help));
        }
    }
    Ok(())
}

fn find<'a>(root: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(root, |node, key| node.get(key))
}

/// A reference or a list of them, by their names; a User who owns something keeps his kind.
fn references(node: Option<&Node>) -> Vec<Named> {
    let items = match node.map(|n| &n.value) {
        Some(Value::List(items)) => items.as_slice(),
        Some(Value::Scalar(_)) => node.map_or(&[][..], std::slice::from_ref),
        _ => &[],
    };
    let texts = items
        .iter()
        .filter_map(|i| Some((i.text().filter(|t| !t.is_empty())?, &i.at)));
    texts
        .map(|(text, at)| Named::new(Ref::parse(text).name, &at.spot()))
        .collect()
}
