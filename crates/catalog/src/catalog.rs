//! The whole catalog: what the folders of a repository declare, put together.

use crate::fields::Named;
use crate::oncall::{self, Rotation};
use crate::runbook::{self, Runbook, run::Run};
use crate::service::{self, Service};
use crate::team::{self, Source, Team};
use crate::{backstage, codeowners, files, incident};
use base::{Finding, Spot};
use config::Document;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where it is looked for beside the config, when the config does not say.
pub const FOLDER: &str = "catalog";
const BACKSTAGE: &str = "catalog-info.yaml";

#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub folder: PathBuf,
    pub teams: BTreeMap<String, Team>,
    pub services: BTreeMap<String, Service>,
    pub rotations: BTreeMap<String, Rotation>,
    pub runbooks: BTreeMap<String, Runbook>,
    pub incidents: BTreeMap<String, incident::Incident>,
    /// What may be depended on and is no service, by name.
    pub others: BTreeMap<String, Spot>,
    /// Users of Backstage: they may own things.
    pub people: BTreeMap<String, Spot>,
    pub codeowners: Option<codeowners::CodeOwners>,
    /// Files of CODEOWNERS that do not count, because one before them does.
    pub shadowed: Vec<Spot>,
    pub runs: Vec<Run>,
}

impl Catalog {
    /// Reads `folder`, and `catalog-info.yaml` and CODEOWNERS of `repository`. What is wrong does not hide the rest.
    pub fn load(folder: &Path, repository: &Path) -> (Catalog, Vec<Finding>) {
        let mut found = Vec::new();
        let mut c = Catalog {
            folder: folder.to_owned(),
            ..Catalog::default()
        };
        for t in files::all(&folder.join("teams"), &["yaml", "yml"], &mut found) {
            let (team, more) = team::parse(&t.stem, &t.file, &t.text);
            found.extend(more);
            c.teams.insert(t.stem, team);
        }
        for t in files::all(&folder.join("services"), &["yaml", "yml"], &mut found) {
            let (service, more) = service::parse(&t.stem, &t.file, &t.text);
            found.extend(more);
            c.services.insert(t.stem, service);
        }
        for t in files::all(&folder.join("on-call"), &["yaml", "yml", "ics"], &mut found) {
            let read = match t.file.ends_with(".ics") {
                true => oncall::parse_ics,
                false => oncall::parse,
            };
            let (rotation, more) = read(&t.stem, &t.file, &t.text);
            found.extend(more);
            c.rotations.insert(t.stem, rotation);
        }
        for t in files::all(&folder.join("runbooks"), &["md"], &mut found) {
            let (runbook, more) = runbook::parse(&t.stem, &t.file, &t.text);
            found.extend(more);
            c.runbooks.insert(t.stem, runbook);
        }
        for t in files::all(&folder.join("incidents"), &["md"], &mut found) {
            let (incident, more) = incident::parse(&t.stem, &t.file, &t.text);
            found.extend(more);
            c.incidents.insert(t.stem, incident);
        }
        let runs = folder.join(runbook::run::FILE);
        if let Some(t) = present(&runs, &mut found) {
            let (runs, more) = runbook::run::parse(&t.file, &t.text);
            found.extend(more);
            c.runs = runs;
        }
        for place in [folder.join(BACKSTAGE), repository.join(BACKSTAGE)] {
            if let Some(t) = present(&place, &mut found) {
                let (entities, more) = backstage::parse(&t.file, &t.text);
                found.extend(more);
                c.add(entities);
            }
        }
        for place in codeowners::PLACES {
            let Some(t) = present(&repository.join(place), &mut found) else {
                continue;
            };
            if c.codeowners.is_some() {
                c.shadowed.push(whole(&t.file));
                continue;
            }
            let (owners, more) = codeowners::parse(&t.file, &t.text);
            found.extend(more);
            c.codeowners = Some(owners);
        }
        c.teams_of_codeowners();
        (c, found)
    }

    fn add(&mut self, entities: backstage::Entities) {
        for service in entities.services {
            self.declare(service);
        }
        for team in entities.teams {
            self.teams.entry(team.name.clone()).or_insert(team);
        }
        let into = |map: &mut BTreeMap<String, Spot>, all: Vec<Named>| {
            map.extend(all.into_iter().map(|n| (n.name, n.spot)));
        };
        into(&mut self.others, entities.others);
        into(&mut self.people, entities.people);
    }

    /// A service that something else declares: it adds to what is known.
    fn declare(&mut self, service: Service) {
        match self.services.get_mut(&service.name) {
            Some(mine) => mine.join(service),
            None => {
                self.services.insert(service.name.clone(), service);
            }
        }
    }

    /// What the config says of services and resources.
    pub fn add_config(&mut self, config: &config::Config, document: &Document) {
        for service in service::of_config(config, document) {
            self.declare(service);
        }
        for resource in &config.resources {
            let path = ["resources".to_owned(), resource.name.clone()];
            let node = document.root.find(&path).unwrap_or(&document.root);
            self.others
                .entry(resource.name.clone())
                .or_insert(node.at.spot());
        }
    }

    fn teams_of_codeowners(&mut self) {
        let lines = self.codeowners.iter().flat_map(|c| &c.lines);
        for owner in lines.flat_map(|l| &l.owners) {
            if let Some(name) = codeowners::team(&owner.name) {
                let team = || Team::named(name, owner.spot.clone(), Source::CodeOwners);
                self.teams.entry(name.to_owned()).or_insert_with(team);
            }
        }
    }

    /// Who owns a service: as declared, else whom CODEOWNERS names for its folder.
    pub fn owner(&self, service: &Service) -> Option<String> {
        if let Some(owner) = &service.owner {
            return Some(owner.name.clone());
        }
        let owners = self.codeowners.as_ref()?;
        let file = format!("{}/.", service.path.as_deref()?.trim_matches('/'));
        let first = owners.owners(&file).into_iter().next()?;
        let person = first.strip_prefix('@').unwrap_or(first);
        Some(codeowners::team(first).unwrap_or(person).to_owned())
    }

    /// The rotation of a team, if there is one.
    pub fn rotation(&self, team: &str) -> Option<&Rotation> {
        let name = self.teams.get(team).map_or(team, Team::rotation);
        self.rotations.get(name)
    }

    /// A runbook by its name, or by its file as the config writes it.
    pub fn runbook(&self, name: &str) -> Option<&Runbook> {
        let stem = name.rsplit('/').next().unwrap_or(name);
        self.runbooks.get(stem.strip_suffix(".md").unwrap_or(stem))
    }

    /// Runbooks that a service names, and those that name it or one of `routes`.
    pub fn runbooks_of(&self, service: &str, routes: &[&str]) -> Vec<&Runbook> {
        let named = self.services.get(service).map_or(&[][..], |s| &s.runbooks);
        let mut all: Vec<&Runbook> = named.iter().filter_map(|r| self.runbook(&r.name)).collect();
        for r in self.runbooks.values() {
            let about = r.services.iter().any(|s| s.name == service)
                || r.routes.iter().any(|x| routes.contains(&x.name.as_str()));
            if about && !all.iter().any(|a| a.name == r.name) {
                all.push(r);
            }
        }
        all
    }
}

/// A file that may be missing.
fn present(path: &Path, found: &mut Vec<Finding>) -> Option<files::Text> {
    if !path.exists() {
        return None;
    }
    files::one(path).map_err(|f| found.push(f)).ok()
}

fn whole(file: &str) -> Spot {
    Spot {
        file: file.to_owned(),
        line: 0,
        column: 0,
    }
}
