//! Live recording: samples and windows to a folder, bounded in size and time, on disk once a second.
//!
//! A recording covers whole seconds, from the first one after it began: the requests that arrived in them, and what
//! the resources did in them. Windows close ten seconds late, so it ends that much later than the time it covers.

use super::names::outside;
use super::progress::{Ending, Progress, Stage};
use super::row::{self, REQUEST_HEADER, USAGE_HEADER};
use super::{
    REQUESTS, SIGNALS, STATEMENTS, TRACED, USAGE, USES, shell_from_names, signals, uses,
    write_descriptions,
};
use crate::history::{Shell, mark_serial};
use base::{Finding, InstanceIx, Names, Nanos, ResourceIx, Sample, Statement, Traced, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A new `use.` column rewrites the file; not any more once it is this large.
const REWRITE: u64 = 16 << 20;
const COLUMNS: usize = 64;
const SECOND: u64 = 1_000_000_000;

/// When a recording ends by itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// It is cut at the end of the second in which this is reached.
    pub bytes: u64,
    pub seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes: 1 << 30,
            seconds: 3600,
        }
    }
}

/// What routes and resources are, asked when the descriptions are written.
pub type Describe = Box<dyn Fn() -> Shell + Send>;

/// Writes a recording.
pub struct Recorder {
    folder: PathBuf,
    names: Names,
    describe: Describe,
    max_bytes: u64,
    started_at: Option<u64>,
    requests: BufWriter<File>,
    usage: BufWriter<File>,
    /// Made when a resource tells of routes for the first time.
    uses: Option<BufWriter<File>>,
    /// Made when the kernel tells something for the first time.
    signals: Option<BufWriter<File>>,
    statements: Vec<Statement>,
    traced: Vec<Traced>,
    serial: BTreeSet<ResourceIx>,
    /// Resources that have a `use.` and a `wait.` column, in order.
    columns: Vec<ResourceIx>,
    /// The last second written of each resource.
    last: BTreeMap<(ResourceIx, InstanceIx), u64>,
    /// The seconds it covers: `from` is in it, `until` is not.
    from: u64,
    until: u64,
    /// The last window that it waits for is written.
    complete: bool,
    progress: Progress,
    requests_bytes: u64,
    line: Vec<u8>,
    error: Option<io::Error>,
}

impl Recorder {
    /// Makes the folder and its files. `started_at` (seconds since the Unix epoch) is only a note in `meta.yaml`.
    /// Refuses a folder that already holds a recording.
    pub fn create(
        folder: &Path,
        names: Names,
        describe: Describe,
        limits: Limits,
        now: Nanos,
        started_at: Option<u64>,
    ) -> Result<Recorder, Finding> {
        let bad = |e: io::Error| {
            Finding::error("recording-write", format!("{}: {e}", folder.display()))
                .help("name a folder that Plimsoll may write to, on a disk with room")
        };
        fs::create_dir_all(folder).map_err(bad)?;
        let open = |name: &str| {
            File::create_new(folder.join(name)).map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => Finding::error(
                    "recording-exists",
                    format!("{} already holds a recording", folder.display()),
                )
                .help("name another folder; nothing was overwritten"),
                _ => bad(e),
            })
        };
        let from = now.0.div_ceil(SECOND);
        let mut r = Recorder {
            requests: BufWriter::new(open(REQUESTS)?),
            usage: BufWriter::new(open(USAGE)?),
            uses: None,
            signals: None,
            statements: Vec::new(),
            traced: Vec::new(),
            serial: BTreeSet::new(),
            folder: folder.to_owned(),
            names,
            describe,
            max_bytes: limits.bytes,
            started_at,
            columns: Vec::new(),
            last: BTreeMap::new(),
            from,
            until: from.saturating_add(limits.seconds.max(1)),
            complete: false,
            progress: Progress {
                folder: folder.to_owned(),
                ..Progress::default()
            },
            requests_bytes: 0,
            line: Vec::new(),
            error: None,
        };
        r.start().map_err(bad)?;
        Ok(r)
    }

    fn start(&mut self) -> io::Result<()> {
        writeln!(self.requests, "{REQUEST_HEADER}")?;
        writeln!(self.usage, "{USAGE_HEADER}")?;
        self.write_descriptions()?;
        self.requests.flush()?;
        self.usage.flush()
    }

    /// Nothing more belongs into it: all is written, or the disk failed.
    pub fn complete(&self) -> bool {
        self.complete || self.error.is_some()
    }

    pub fn progress(&self) -> Progress {
        Progress {
            of_s: self.until - self.from,
            ..self.progress.clone()
        }
    }

    /// Ends it with the second in which `now` lies. What resources did until then comes with their windows.
    pub fn end(&mut self, now: Nanos) {
        self.cut(now.0 / SECOND, Ending::Asked);
    }

    /// The second is its last one, unless it ends earlier anyway.
    fn cut(&mut self, second: u64, ending: Ending) {
        let until = second.max(self.from) + 1;
        if until < self.until {
            self.until = until;
            self.progress.ending = Some(ending);
        }
    }

    /// One request or attempt.
    pub fn sample(&mut self, s: &Sample) {
        let second = s.start.0 / SECOND;
        if self.complete() || !(self.from..self.until).contains(&second) {
            return;
        }
        for u in s.uses.iter().filter(|u| !u.resource.is_none()) {
            if !self.columns.contains(&u.resource) && !self.add_column(u.resource) {
                return;
            }
        }
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        if row::request(&mut line, s, &self.names, &self.columns).is_ok() {
            let wrote = self.requests.write_all(&line);
            self.requests_bytes += line.len() as u64;
            self.progress.requests += 1;
            self.count(line.len(), wrote, s.end);
        }
        self.line = line;
    }

    /// The resources of a closed window; windows come in order.
    pub fn window(&mut self, w: &Window) {
        if self.complete() || w.index < self.from {
            return;
        }
        if w.index >= self.until {
            self.complete = true;
            return;
        }
        let mut out = Vec::new();
        for c in &w.resources {
            let Some(name) = self.names.resources.name(c.resource) else {
                continue;
            };
            let instance = self.names.instances.name(c.instance).unwrap_or_default();
            let instance = outside(&instance).1;
            let before = self.last.insert((c.resource, c.instance), w.index);
            if before.is_none_or(|b| b + 1 != w.index) {
                row::baseline(&mut out, w.index, &name, instance);
            }
            row::usage(&mut out, w.index + 1, &name, instance, c);
            self.progress.usage += 1;
        }
        self.progress.lost += u64::from(w.dropped);
        let wrote = self.usage.write_all(&out);
        self.count(out.len(), wrote, Nanos((w.index + 1) * SECOND));
        self.told(w);
        self.signs(w);
        self.complete |= w.index + 1 == self.until;
    }

    fn told(&mut self, w: &Window) {
        let mut out = Vec::new();
        uses::rows(&mut out, w, &self.names);
        if !out.is_empty() {
            let path = self.folder.join(USES);
            let wrote = append(&mut self.uses, &path, uses::HEADER, &out);
            self.count(out.len(), wrote, Nanos((w.index + 1) * SECOND));
        }
    }

    fn signs(&mut self, w: &Window) {
        let mut out = Vec::new();
        signals::rows(&mut out, w, &self.names);
        if !out.is_empty() {
            let path = self.folder.join(SIGNALS);
            let wrote = append(&mut self.signals, &path, signals::HEADER, &out);
            self.count(out.len(), wrote, Nanos((w.index + 1) * SECOND));
        }
    }

    /// What databases do most; the last of it that it covers is written at the end.
    pub fn statements(&mut self, statements: &[Statement], now: Nanos) {
        if !statements.is_empty() && now.0 / SECOND <= self.until {
            self.statements = statements.to_vec();
        }
    }

    /// Resources whose instances work on one thread; the same holds.
    pub fn serial(&mut self, serial: &BTreeSet<ResourceIx>, now: Nanos) {
        if now.0 / SECOND <= self.until {
            self.serial.clone_from(serial);
        }
    }

    /// How routes work, as spans show it; the same holds.
    pub fn traced(&mut self, traced: &[Traced], now: Nanos) {
        if !traced.is_empty() && now.0 / SECOND <= self.until {
            self.traced = traced.to_vec();
        }
    }

    /// Hands everything to the system; call it once a second.
    pub fn flush(&mut self, now: Nanos) {
        let second = now.0 / SECOND;
        if second >= self.until && self.progress.stage == Stage::Taking {
            self.progress.stage = Stage::Closing;
            self.progress.ending.get_or_insert(Ending::Time);
        }
        self.progress.seconds = second.clamp(self.from, self.until) - self.from;
        if self.error.is_none() {
            let told = self.uses.as_mut().map_or(Ok(()), BufWriter::flush);
            let signs = self.signals.as_mut().map_or(Ok(()), BufWriter::flush);
            let done = told
                .and(signs)
                .and(self.requests.flush())
                .and_then(|()| self.usage.flush());
            self.count(0, done, now);
        }
    }

    /// Writes what is left and the descriptions, and says how it went. When it is not complete, Plimsoll stops.
    pub fn finish(mut self, now: Nanos) -> Progress {
        if !self.complete() {
            self.cut(now.0 / SECOND, Ending::Stopped);
        }
        self.flush(now);
        if self.error.is_none() {
            let described = self.write_descriptions();
            self.count(0, described, now);
        }
        let fault = self.error.take().map(|e| {
            Finding::error("recording-write", format!("{}: {e}", self.folder.display()))
                .why("the recording ends where the disk failed")
        });
        let mut progress = self.progress();
        progress.stage = Stage::Ended;
        if fault.is_some() {
            progress.ending = Some(Ending::Disk);
        }
        progress.ending.get_or_insert(Ending::Time);
        Progress { fault, ..progress }
    }

    fn write_descriptions(&self) -> io::Result<()> {
        let known = (self.describe)();
        let mut shell = Shell {
            instances: known.instances,
            ..shell_from_names(&self.names, &known.routes, &known.resources)
        };
        mark_serial(&mut shell.resources, &self.serial);
        if !self.statements.is_empty() {
            let file = BufWriter::new(File::create(self.folder.join(STATEMENTS))?);
            serde_json::to_writer_pretty(file, &self.statements)?;
        }
        if !self.traced.is_empty() {
            let file = BufWriter::new(File::create(self.folder.join(TRACED))?);
            serde_json::to_writer_pretty(file, &self.traced)?;
        }
        write_descriptions(&self.folder, &shell, &[], self.started_at)
    }

    fn count(&mut self, bytes: usize, wrote: io::Result<()>, now: Nanos) {
        self.progress.bytes += bytes as u64;
        // What already ends is not cut again: windows tell of the past.
        if self.progress.bytes >= self.max_bytes && self.progress.ending.is_none() {
            self.cut(now.0 / SECOND, Ending::Size);
        }
        if let Err(e) = wrote {
            self.error.get_or_insert(e);
        }
    }

    /// Adds the columns of a resource by writing the file again with a longer header.
    fn add_column(&mut self, resource: ResourceIx) -> bool {
        if self.columns.len() >= COLUMNS || self.requests_bytes > REWRITE {
            return true; // The row goes without it.
        }
        self.columns.push(resource);
        let done = self.rewrite();
        let ok = done.is_ok();
        if let Err(e) = done {
            self.error.get_or_insert(e);
        }
        ok
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.requests.flush()?;
        let (old, new) = (
            self.folder.join(REQUESTS),
            self.folder.join("requests.csv.new"),
        );
        let mut out = BufWriter::new(File::create(&new)?);
        let mut header = REQUEST_HEADER.as_bytes().to_vec();
        for &r in &self.columns {
            let name = self.names.resources.name(r).unwrap_or_default();
            for kind in ["use.", "wait."] {
                header.push(b',');
                row::text(&mut header, &format!("{kind}{name}"));
            }
        }
        out.write_all(&header)?;
        out.write_all(b"\n")?;
        // Names are written without line breaks, so a line is a row.
        for line in BufReader::new(File::open(&old)?).split(b'\n').skip(1) {
            out.write_all(&line?)?;
            out.write_all(b",,\n")?;
        }
        out.flush()?;
        fs::rename(&new, &old)?;
        self.requests = out;
        Ok(())
    }
}

/// Adds rows to a file that is made, with its header, for the first of them.
fn append(
    to: &mut Option<BufWriter<File>>,
    path: &Path,
    header: &str,
    rows: &[u8],
) -> io::Result<()> {
    if to.is_none() {
        let mut file = BufWriter::new(File::create_new(path)?);
        writeln!(file, "{header}")?;
        *to = Some(file);
    }
    match to {
        Some(file) => file.write_all(rows),
        None => Ok(()),
    }
}
