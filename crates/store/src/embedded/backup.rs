//! A copy of a store that may be in use meanwhile: one moment of the database, and the payloads that its jobs name.

use super::Embedded;
use super::queue::payloads;
use super::schema::{io, open_reader};
use crate::Error;
use std::fs::{self, File};
use std::path::Path;

/// Copies the store at `from` to `to`, which must not be there, and looks the copy through for damage. Another process may
/// write to it meanwhile: what was acknowledged before the call is in the copy.
///
/// # Errors
/// When the source is no store, a file cannot be written, or the copy is damaged.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let wrong = |e: std::io::Error| Error::Io {
        path: to.display().to_string(),
        why: e.to_string(),
    };
    if to.exists() {
        return Err(Error::Invalid(format!(
            "{} is there already: name another folder",
            to.display()
        )));
    }
    // A payload that comes after the first pass and is gone before the second belongs to a job that has ended.
    link(from, to).map_err(wrong)?;
    let text = to
        .to_str()
        .ok_or_else(|| Error::Invalid(format!("{} is a path of odd characters", to.display())))?;
    open_reader(from)?
        .execute("VACUUM INTO ?1", [text])
        .map_err(|e| io(to, e))?;
    link(from, to).map_err(wrong)?;
    File::open(to).and_then(|f| f.sync_all()).map_err(wrong)?;
    if let Some(dir) = to.parent() {
        File::open(dir).and_then(|f| f.sync_all()).map_err(wrong)?;
    }
    let found = Embedded::open_read_only(to)?.check()?;
    match found.first() {
        None => Ok(()),
        Some(first) => Err(Error::Corrupt {
            path: to.display().to_string(),
            place: "the copy".into(),
            why: first.clone(),
        }),
    }
}

/// Payload files never change under their name, so another name for the same is a copy; on another disk it is a real one.
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    let (from, to) = (payloads(from), payloads(to));
    let Ok(files) = fs::read_dir(&from) else {
        return Ok(());
    };
    fs::create_dir_all(&to)?;
    for file in files {
        let (name, target) = {
            let name = file?.file_name();
            (from.join(&name), to.join(&name))
        };
        if target.exists() || fs::hard_link(&name, &target).is_ok() {
            continue;
        }
        match fs::copy(&name, &target) {
            Ok(_) => File::open(&target)?.sync_all()?,
            // Its job has ended meanwhile.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
