//! Where lines go: standard output, or a file that is opened anew when it was moved or when somebody asks.

use config::sections::LogTo;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(super) enum Sink {
    Stdout,
    File {
        path: PathBuf,
        file: File,
        /// Device and inode.
        is: (u64, u64),
    },
}

impl Sink {
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(to: &LogTo) -> io::Result<Sink> {
        let LogTo::File(path) = to else {
            return Ok(Sink::Stdout);
        };
        // Addresses and paths of users: not for everybody's eyes.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(path)?;
        let meta = file.metadata()?;
        Ok(Sink::File {
            path: path.clone(),
            file,
            is: (meta.dev(), meta.ino()),
        })
    }

    pub fn goes_to(&self, to: &LogTo) -> bool {
        match (self, to) {
            (Sink::Stdout, LogTo::Stdout) => true,
            (Sink::File { path, .. }, LogTo::File(to)) => path == to,
            _ => false,
        }
    }

    /// Whether another file, or none, is now where this one was opened.
    pub fn was_moved(&self) -> bool {
        let Sink::File { path, is, .. } = self else {
            return false;
        };
        let there = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino()));
        there(path).ok() != Some(*is)
    }

    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Sink::Stdout => io::stdout().lock().write_all(lines),
            Sink::File { file, .. } => file.write_all(lines),
        }
    }
}
