//! Reading the folders of a catalog: bounded, in the order of names, and only plain files.

use base::Finding;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file read, bytes.
pub const MAX_BYTES: u64 = 1 << 20;
/// Most files read from one folder.
pub const MAX_FILES: usize = 2000;

/// A file's text and the name by which messages call it.
pub struct Text {
    /// The file's name without its extension.
    pub stem: String,
    pub file: String,
    pub text: String,
}

/// Every file of `folder` with one of these extensions. A folder that is not there is empty.
pub fn all(folder: &Path, extensions: &[&str], findings: &mut Vec<Finding>) -> Vec<Text> {
    let wanted = |p: &PathBuf| {
        let extension = p.extension().and_then(|e| e.to_str());
        extension.is_some_and(|e| extensions.contains(&e))
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(wanted)
        .take(MAX_FILES + 1)
        .collect();
    paths.sort();
    if paths.len() > MAX_FILES {
        let what = format!("the folder holds more than {MAX_FILES} files: the rest is not read");
        let place = folder.display().to_string();
        findings.push(Finding::error("catalog-too-large", what).at(place, 0, 0));
        paths.truncate(MAX_FILES);
    }
    let read = |p: PathBuf| match one(&p) {
        Ok(text) => Some(text),
        Err(finding) => {
            findings.push(finding);
            None
        }
    };
    paths.into_iter().filter_map(read).collect()
}

/// One file; a pipe or a device is none.
///
/// # Errors
/// Why it cannot be read.
pub fn one(path: &Path) -> Result<Text, Finding> {
    let file = path.display().to_string();
    let wrong = |what: String| Finding::error("catalog-unreadable", what).at(file.clone(), 0, 0);
    let mut bytes = Vec::new();
    let about = std::fs::metadata(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
    if !about.is_file() {
        return Err(wrong("this is not a plain file".into()));
    }
    std::fs::File::open(path)
        .and_then(|f| f.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| wrong(format!("cannot be read: {e}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(wrong("the file is larger than 1 MiB".into()).help("split it"));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| wrong("the file is not UTF-8 text".into()).help("save it as UTF-8"))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Text {
        stem: stem.into_owned(),
        file,
        text,
    })
}
