//! `plimsoll catalog init`: a first catalog from the config and from the calls that were seen. Nothing is overwritten.

use super::load;
use crate::cli::catalog::InitCatalogArgs;
use crate::exit::{Exit, Failure};
use catalog::{Named, backstage};
use config::Config;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Who owns what nobody has claimed.
const NOBODY: &str = "unassigned";

pub fn run(args: &InitCatalogArgs) -> Result<Exit, Failure> {
    let mut loaded = load(&args.place)?;
    let observed = super::observed(&args.place.ask).ok();
    let Some(config) = &loaded.config else {
        let why = loaded.without.unwrap_or_default();
        return Err(Failure::new(format!(
            "a first catalog comes from the config: {why}"
        )));
    };
    for call in observed.iter().flat_map(|o| o.service_calls(config)) {
        if let Some(from) = loaded.catalog.services.get_mut(&call.from)
            && !from.depends_on.iter().any(|d| d.name == call.to)
        {
            let spot = from.spot.clone();
            from.depends_on.push(Named::new(call.to, &spot));
        }
    }
    if args.backstage {
        print!("{}", backstage::render(&loaded.catalog));
        return Ok(Exit::Ok);
    }
    let (mut wrote, mut kept) = (0, 0);
    for (file, text) in files(&loaded.catalog, config) {
        let path = loaded.catalog.folder.join(file);
        if path.exists() {
            kept += 1;
            continue;
        }
        let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
        std::fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
        println!("wrote {}", path.display());
        wrote += 1;
    }
    println!(
        "{wrote} files written, {kept} were there already; calls between services: {}",
        match observed {
            Some(_) => "as seen by the running Plimsoll",
            None => "only as the config says, no Plimsoll answers",
        }
    );
    println!("next: put real people into teams/*.yaml, then `plimsoll catalog check`");
    Ok(Exit::Ok)
}

/// Paths in the folder and their texts.
fn files(c: &catalog::Catalog, config: &Config) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    for s in config
        .services
        .iter()
        .filter_map(|s| c.services.get(&s.name))
    {
        let owner = c.owner(s).unwrap_or_else(|| NOBODY.into());
        let calls: Vec<&str> = s.depends_on.iter().map(|d| d.name.as_str()).collect();
        let routes: Vec<String> = config
            .routes
            .iter()
            .filter(|r| r.to == s.name)
            .map(|r| format!("- `route {}`", r.name))
            .collect();
        files.insert(
            format!("services/{}.yaml", s.name).into(),
            format!(
                "owner: {owner}\ndepends_on: [{}]\nrunbooks: [{}]\n",
                calls.join(", "),
                s.name
            ),
        );
        files.insert(
            format!("runbooks/{}.md", s.name).into(),
            format!(
                "---\nservices: [{0}]\n---\n# {0} is slow or fails\n\nIt answers\n\n{1}\n\n## Look\n\n\
                 ```sh {{\"name\":\"look\"}}\nplimsoll status\nplimsoll diagnose\n```\n\n## What changed\n\n\
                 ```sh {{\"name\":\"changes\"}}\nplimsoll history -n 10\n```\n",
                s.name,
                routes.join("\n")
            ),
        );
        if c.teams.get(&owner).is_none_or(|t| t.members.is_empty()) {
            files.insert(
                format!("teams/{owner}.yaml").into(),
                "# Who is in it, and how to reach it.\nmembers: []\n# contact: \"#channel\"\n"
                    .into(),
            );
        }
    }
    files
}
