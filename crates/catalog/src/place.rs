//! Finds the catalog's folder and the repository around it, and reads both with the config.

use crate::files::MAX_FILES;
use crate::lint::{Facts, Limits, lint};
use crate::who::Who;
use crate::{Catalog, FOLDER, Observed, codeowners};
use base::Finding;
use config::Config;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

pub struct Loaded {
    pub catalog: Catalog,
    /// What reading the catalog's own files found.
    pub findings: Vec<Finding>,
    pub config: Option<Config>,
    /// Why there is no config, for people.
    pub without: Option<String>,
    /// Nothing of a catalog is there: neither its folder, nor Backstage, nor CODEOWNERS.
    pub empty: bool,
}

impl Loaded {
    /// What is wrong in its files, and with what they declare: errors first, then by place.
    pub fn check(
        &self,
        observed: Option<&Observed>,
        now: Timestamp,
        limits: Limits,
    ) -> Vec<Finding> {
        let mut found = self.findings.clone();
        found.extend(lint(&Facts {
            catalog: &self.catalog,
            config: self.config.as_ref(),
            observed,
            now,
            limits,
        }));
        found.sort_by(|a, b| (a.severity, &a.spot).cmp(&(b.severity, &b.spot)));
        found
    }

    /// Owner, on call and runbooks of a service; `None`: there is no such service.
    pub fn who(&self, service: &str, at: Timestamp) -> Option<Who<'_>> {
        let routes = self.config.iter().flat_map(|c| &c.routes);
        let routes: Vec<&str> = routes
            .filter(|r| r.to == service)
            .map(|r| r.name.as_str())
            .collect();
        Who::of(&self.catalog, service, &routes, at)
    }
}

/// Reads what belongs to the config `file`: the folder `given`, else the one that the config names, else `catalog`
/// beside it.
///
/// # Errors
/// Only a folder that was given and is not there.
pub fn load(file: &Path, given: Option<&Path>) -> Result<Loaded, Finding> {
    let checked = file.exists().then(|| config::check(file));
    let without = match &checked {
        None => Some(format!("{} is not there", file.display())),
        Some(c) if c.config.is_none() => Some(format!(
            "{} has errors: `plimsoll check` shows them",
            file.display()
        )),
        Some(_) => None,
    };
    let beside = file.parent().unwrap_or(Path::new(""));
    let written = checked
        .as_ref()
        .and_then(|c| c.document.root.get("catalog")?.text());
    let folder = match given {
        Some(given) => given.to_owned(),
        None => folder(file, written.map(Path::new)),
    };
    let named = given.is_some();
    if named && !folder.is_dir() {
        let what = format!("{} is no folder", folder.display());
        return Err(Finding::error("catalog-missing", what)
            .help("write a first catalog with `plimsoll catalog init`"));
    }
    let from = if named { folder.as_path() } else { beside };
    let (mut catalog, findings) = Catalog::load(&folder, &repository(from));
    let empty = !folder.is_dir() && catalog.teams.is_empty() && catalog.services.is_empty();
    let mut config = None;
    if let Some(checked) = checked
        && let Some(c) = checked.config
    {
        catalog.add_config(&c, &checked.document);
        config = Some(c);
    }
    Ok(Loaded {
        catalog,
        findings,
        config,
        without,
        empty,
    })
}

/// The catalog's own files, and those of the repository around it, without what the config says. What is wrong in them is left to
/// `plimsoll catalog check`.
pub fn files_of(file: &Path, written: Option<&Path>) -> Catalog {
    let beside = file.parent().unwrap_or(Path::new(""));
    Catalog::load(&folder(file, written), &repository(beside)).0
}

/// Folders in which people keep one page for each decision.
const DECISIONS: &[&str] = &[
    "docs/adr",
    "doc/adr",
    "docs/decisions",
    "docs/architecture/decisions",
];

/// Where the repository of the config `file` keeps its decisions, and how many there are: Markdown that begins with a number.
pub fn decisions(file: &Path) -> Option<(PathBuf, usize)> {
    let root = repository(file.parent().unwrap_or(Path::new("")));
    let numbered = |e: &std::fs::DirEntry| {
        let name = e.file_name().to_string_lossy().into_owned();
        name.ends_with(".md") && name.starts_with(|c: char| c.is_ascii_digit())
    };
    let count = |folder: PathBuf| {
        let all = std::fs::read_dir(&folder).ok()?.flatten().take(MAX_FILES);
        Some((folder, all.filter(numbered).count()))
    };
    let found = DECISIONS.iter().filter_map(|d| count(root.join(d)));
    found.filter(|f| f.1 > 0).max_by_key(|f| f.1)
}

/// Where the catalog of the config `file` is; `written`: as the config names it.
pub fn folder(file: &Path, written: Option<&Path>) -> PathBuf {
    let beside = file.parent().unwrap_or(Path::new(""));
    beside.join(written.unwrap_or(Path::new(FOLDER)))
}

/// The nearest folder above that holds `.git`, CODEOWNERS or `catalog-info.yaml`; else where it began.
fn repository(from: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let absolute = here.join(from);
    let marks = codeowners::PLACES
        .iter()
        .chain(&[".git", "catalog-info.yaml"]);
    let marks: Vec<_> = marks.collect();
    let root = absolute
        .ancestors()
        .find(|a| marks.iter().any(|m| a.join(m).exists()))
        .unwrap_or(&absolute);
    // Messages name files as people see them from where they are.
    root.strip_prefix(&here).unwrap_or(root).to_owned()
}
