//! Finds an incident's file and changes it.

use crate::exit::Failure;
use catalog::Catalog;
use catalog::incident::{self, Happened, Incident, add};

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

/// The file's text after a change.
pub fn change(c: &Catalog, id: &str, edit: impl FnOnce(&str) -> String) -> Result<String, Failure> {
    incident::change(&c.folder, id, edit).map_err(|f| Failure::new(f.to_string()))
}

pub fn append(c: &Catalog, id: &str, entries: &[Happened]) -> Result<(), Failure> {
    change(c, id, |text| add(text, entries)).map(|_| ())
}
