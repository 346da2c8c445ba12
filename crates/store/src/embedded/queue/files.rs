//! Payloads that are too large for a row: files named by the hash of what they hold.

use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Larger payloads are files, bytes.
pub const INLINE: usize = 64 << 10;

/// The folder of those of a database.
pub fn payloads(db: &Path) -> PathBuf {
    db.with_added_extension("payloads")
}

/// That of a payload with this SHA-256.
pub fn name_of(digest: &[u8]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether this is the name of one: nothing else is put together into a path.
pub fn is_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
}

impl Files {
    /// Beside the database of this path.
    pub fn beside(db: &Path) -> Files {
        Files { dir: payloads(db) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Its name, once it is on disk. A file under its name is always whole.
    pub fn keep(&self, payload: &[u8]) -> io::Result<String> {
        let name = name_of(&Sha256::digest(payload));
        let path = self.path(&name);
        if path.exists() {
            return Ok(name);
        }
        fs::create_dir_all(&self.dir)?;
        let new = self.dir.join("new");
        let mut file = File::create(&new)?;
        file.write_all(payload)?;
        file.sync_data()?;
        fs::rename(&new, &path)?;
        File::open(&self.dir)?.sync_all()?;
        if let Some(above) = self.dir.parent() {
            File::open(above)?.sync_all()?;
        }
        Ok(name)
    }

    /// One that is gone already is as good; one that stays is found at the next start.
    pub fn drop(&self, name: &str) {
        let _ = fs::remove_file(self.path(name));
    }

    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect()
    }
}
