//! The files of incidents: found, made and changed. A change holds the folder, so that people and a running Plimsoll do
//! not undo each other's.

use super::{Incident, parse};
use crate::files;
use base::Finding;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Longest title in a file's name.
const NAME: usize = 40;
/// Most incidents of one title on one day.
const SAME: u32 = 99;
const FOLDER: &str = "incidents";

/// Below the catalog's folder.
pub fn path(catalog: &Path, id: &str) -> PathBuf {
    catalog.join(FOLDER).join(format!("{id}.md"))
}

/// Every incident that can be read, by name of file; what is wrong with them is said elsewhere.
pub fn read_all(catalog: &Path) -> Vec<Incident> {
    let texts = files::all(&catalog.join(FOLDER), &["md"], &mut Vec::new());
    let of = |t: files::Text| parse(&t.stem, &t.file, &t.text).0;
    texts.into_iter().map(of).collect()
}

/// One of them.
///
/// # Errors
/// Why it cannot be read.
pub fn read(catalog: &Path, id: &str) -> Result<Incident, Finding> {
    let t = files::one(&path(catalog, id))?;
    Ok(parse(id, &t.file, &t.text).0)
}

/// Reads, changes and replaces its file; the old one stays whole until the new one is. Returns the new text.
///
/// # Errors
/// Why it cannot be read or written.
pub fn change(
    catalog: &Path,
    id: &str,
    edit: impl FnOnce(&str) -> String,
) -> Result<String, Finding> {
    let path = path(catalog, id);
    let _held = hold(&catalog.join(FOLDER));
    let old = files::one(&path)?.text;
    let text = edit(&old);
    if text == old {
        return Ok(text);
    }
    let next = path.with_extension("md.next");
    std::fs::write(&next, &text)
        .and_then(|()| std::fs::rename(&next, &path))
        .map_err(|e| unwritable(&path, &e))?;
    Ok(text)
}

/// Writes a new file, and gives its id: `name`, or a second one of that name with a number.
///
/// # Errors
/// Why it cannot be written.
pub fn create(catalog: &Path, name: &str, text: &str) -> Result<String, Finding> {
    let folder = catalog.join(FOLDER);
    let failed = |e: std::io::Error| unwritable(&folder, &e);
    std::fs::create_dir_all(&folder).map_err(failed)?;
    for n in 1..=SAME {
        let id = match n {
            1 => name.to_owned(),
            n => format!("{name}-{n}"),
        };
        let mut options = File::options();
        match options
            .write(true)
            .create_new(true)
            .open(path(catalog, &id))
        {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).map_err(failed)?;
                return Ok(id);
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(failed(e)),
        }
    }
    let what = format!("there are {SAME} incidents `{name}` already");
    Err(Finding::error("incident-unwritable", what).help("resolve those that are over"))
}

/// Letters and digits in lower case, others as one `-`.
pub fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.to_lowercase().chars() {
        match c {
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    out.truncate(NAME);
    match out.trim_matches('-') {
        "" => "incident".into(),
        s => s.to_owned(),
    }
}

/// Nobody else changes a file of the folder until this is dropped. Where the file system knows no locks, it goes without.
fn hold(folder: &Path) -> Option<File> {
    let held = File::open(folder).ok()?;
    held.lock().ok()?;
    Some(held)
}

fn unwritable(path: &Path, e: &std::io::Error) -> Finding {
    let what = format!("{} cannot be written: {e}", path.display());
    Finding::error("incident-unwritable", what)
        .help("let the user that Plimsoll runs as write there")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_title_becomes_a_name_of_a_file() {
        assert_eq!(super::slug("Checkout: is ../ SLOW!"), "checkout-is-slow");
        assert_eq!(super::slug("…"), "incident");
        assert!(super::slug(&"a ".repeat(100)).len() <= super::NAME);
    }
}
