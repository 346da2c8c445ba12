//! Finds an incident's file and changes it.

use crate::exit::Failure;
use catalog::Catalog;
use catalog::incident::{Happened, Incident, add};
use std::path::PathBuf;

/// By its id or the begin of it; else the newest that is not resolved.
pub fn find<'a>(c: &'a Catalog, id: Option<&str>) -> Result<&'a Incident, Failure> {
    let help = "`plimsoll incident list` shows them; `plimsoll incident open TITLE` begins one";
    let Some(id) = id else {
        let newest = c.open().first().copied();
        return newest.ok_or_else(|| Failure::new("no incident is open").help(help));
    };
    if let Some(exact) = c.incidents.get(id) {
        return Ok(exact);
    }
    let mut like = c.incidents.values().filter(|i| i.id.starts_with(id));
    match (like.next(), like.next()) {
        (Some(one), None) => Ok(one),
        (Some(a), Some(b)) => {
            let what = format!("`{id}` begins several: {}, {}", a.id, b.id);
            Err(Failure::new(what).help("write more of it"))
        }
        _ => Err(Failure::new(format!("no incident `{id}`")).help(help)),
    }
}

pub fn path(c: &Catalog, id: &str) -> PathBuf {
    c.folder.join("incidents").join(format!("{id}.md"))
}

/// Reads, changes and replaces its file; the old one stays whole until the new one is. Returns the new text.
pub fn change(c: &Catalog, id: &str, edit: impl FnOnce(&str) -> String) -> Result<String, Failure> {
    let path = path(c, id);
    let text = catalog::read_file(&path)
        .map_err(|f| Failure::new(f.to_string()))?
        .text;
    let (text, next) = (edit(&text), path.with_extension("md.next"));
    std::fs::write(&next, &text)
        .and_then(|()| std::fs::rename(&next, &path))
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    Ok(text)
}

pub fn append(c: &Catalog, id: &str, entries: &[Happened]) -> Result<(), Failure> {
    change(c, id, |text| add(text, entries)).map(|_| ())
}
