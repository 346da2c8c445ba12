//! Live recording: samples and windows to a folder, bounded in size and time, on disk once a second.

use super::names::outside;
use super::{REQUESTS, USAGE, shell_from_names, write_descriptions};
use crate::history::Shell;
use base::sample::USES;
use base::{
    CacheState, Finding, InstanceIx, Names, Nanos, Outcome, ResourceIx, Sample, SampleKind, Window,
};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

const FIXED: &str = "route,arrival_s,duration_s,service,instance,status,bytes_in,bytes_out,parent,attempt,key_hash,\
cache,wait_s,arm,outcome,db_calls,db_rows,db_returned";
/// A new `use.` column rewrites the file; not any more once it is this large.
const REWRITE: u64 = 16 << 20;
const COLUMNS: usize = 64;

/// When a recording ends by itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
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

/// Writes a recording.
pub struct Recorder {
    folder: PathBuf,
    names: Names,
    shell: Shell,
    limits: Limits,
    started_at: Option<u64>,
    requests: BufWriter<File>,
    usage: BufWriter<File>,
    /// Resources that have a `use.` and a `wait.` column, in order.
    columns: Vec<ResourceIx>,
    last: BTreeMap<(ResourceIx, InstanceIx), u64>,
    first: Option<Nanos>,
    written: u64,
    requests_bytes: u64,
    line: Vec<u8>,
    full: bool,
    error: Option<io::Error>,
}

impl Recorder {
    /// Makes the folder and its files. `started_at` (seconds since the Unix epoch) is only a note in `meta.yaml`.
    /// Refuses a folder that already holds a recording.
    pub fn create(
        folder: &Path,
        names: Names,
        shell: Shell,
        limits: Limits,
        started_at: Option<u64>,
    ) -> Result<Recorder, Finding> {
        let bad = |e: io::Error| {
            Finding::error("recording-write", format!("{}: {e}", folder.display()))
                .help("name a folder that does not exist yet, on a disk with room")
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
        let mut r = Recorder {
            requests: BufWriter::new(open(REQUESTS)?),
            usage: BufWriter::new(open(USAGE)?),
            folder: folder.to_owned(),
            names,
            shell,
            limits,
            started_at,
            columns: Vec::new(),
            last: BTreeMap::new(),
            first: None,
            written: 0,
            requests_bytes: 0,
            line: Vec::new(),
            full: false,
            error: None,
        };
        let start = |r: &mut Recorder| -> io::Result<()> {
            r.requests.write_all(format!("{FIXED}\n").as_bytes())?;
            r.usage
                .write_all(b"time_s,resource,busy,capacity,instance,waiting,level,background\n")?;
            r.describe()?;
            r.requests.flush()?;
            r.usage.flush()
        };
        start(&mut r).map_err(bad)?;
        Ok(r)
    }

    /// Its limit is reached or the disk failed: nothing more is written.
    pub fn full(&self) -> bool {
        self.full
    }

    /// Newer descriptions of routes and resources, written at the end.
    pub fn set_shell(&mut self, shell: Shell) {
        self.shell = shell;
    }

    /// One request or attempt.
    pub fn sample(&mut self, s: &Sample) {
        let first = *self.first.get_or_insert(s.start);
        if self.full || s.start.since(first).as_secs() >= self.limits.seconds {
            self.full = true;
            return;
        }
        for u in s.uses.iter().filter(|u| !u.resource.is_none()) {
            if !self.columns.contains(&u.resource) && !self.add_column(u.resource) {
                return;
            }
        }
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        if row(&mut line, s, &self.names, &self.columns).is_ok() {
            let wrote = self.requests.write_all(&line);
            self.requests_bytes += line.len() as u64;
            self.count(line.len(), wrote);
        }
        self.line = line;
    }

    /// The resources of a closed window.
    pub fn window(&mut self, w: &Window) {
        // What happened before the recording began is not part of it.
        let began = self.first.map_or(u64::MAX, |f| f.0 / 1_000_000_000);
        if self.full || w.index < began {
            return;
        }
        let mut out = Vec::new();
        for c in &w.resources {
            let (Some(name), key) = (
                self.names.resources.name(c.resource),
                (c.resource, c.instance),
            ) else {
                continue;
            };
            let instance = self.names.instances.name(c.instance).unwrap_or_default();
            let instance = outside(&instance).1;
            let before = self.last.insert(key, w.index);
            if before.is_none_or(|b| b + 1 != w.index) {
                let _ = write!(out, "{},", w.index);
                text(&mut out, &name);
                out.extend_from_slice(b",0,,");
                text(&mut out, instance);
                out.extend_from_slice(b",,,\n");
            }
            let _ = write!(out, "{},", w.index + 1);
            text(&mut out, &name);
            let _ = write!(out, ",{},", c.busy);
            number(&mut out, c.capacity);
            out.push(b',');
            text(&mut out, instance);
            for v in [c.waiting, c.level, c.background] {
                out.push(b',');
                number(&mut out, v);
            }
            out.push(b'\n');
        }
        let wrote = self.usage.write_all(&out);
        self.count(out.len(), wrote);
    }

    /// Hands everything to the system; call it once a second.
    pub fn flush(&mut self) {
        if self.error.is_none() {
            let done = self.requests.flush().and_then(|()| self.usage.flush());
            self.count(0, done);
        }
    }

    /// Ends the recording. The error says what the disk said, whenever it was.
    pub fn finish(mut self) -> Result<(), Finding> {
        self.flush();
        if self.error.is_none() {
            let described = self.describe();
            self.count(0, described);
        }
        match self.error.take() {
            None => Ok(()),
            Some(e) => Err(Finding::error(
                "recording-write",
                format!("{}: {e}", self.folder.display()),
            )
            .why("the recording ends where the disk failed")),
        }
    }

    fn describe(&self) -> io::Result<()> {
        let all = shell_from_names(&self.names, &self.shell.routes, &self.shell.resources);
        let shell = Shell {
            instances: self.shell.instances.clone(),
            ..all
        };
        write_descriptions(&self.folder, &shell, &[], self.started_at)
    }

    fn count(&mut self, bytes: usize, wrote: io::Result<()>) {
        self.written += bytes as u64;
        self.full |= self.written >= self.limits.bytes;
        if let Err(e) = wrote {
            self.full = true;
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
        self.count(0, done);
        ok
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.requests.flush()?;
        let (old, new) = (
            self.folder.join(REQUESTS),
            self.folder.join("requests.csv.new"),
        );
        let mut out = BufWriter::new(File::create(&new)?);
        let mut header = FIXED.as_bytes().to_vec();
        for &r in &self.columns {
            let name = self.names.resources.name(r).unwrap_or_default();
            for kind in ["use.", "wait."] {
                header.push(b',');
                text(&mut header, &format!("{kind}{name}"));
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

fn row(out: &mut Vec<u8>, s: &Sample, names: &Names, columns: &[ResourceIx]) -> io::Result<()> {
    let route = names.routes.name(s.route);
    text(out, route.as_deref().unwrap_or("other"));
    write!(out, ",{:.6},{:.6},", s.start.secs_f64(), s.seconds())?;
    let instance = names.instances.name(s.instance).unwrap_or_default();
    let (service, address) = outside(&instance);
    text(out, service);
    out.push(b',');
    text(out, address);
    write!(out, ",{},{},{},", s.status, s.bytes_in, s.bytes_out)?;
    text(out, names.routes.name(s.parent).as_deref().unwrap_or(""));
    out.push(b',');
    if s.kind == SampleKind::Attempt {
        write!(out, "{}", s.attempt.max(1))?;
    }
    out.push(b',');
    if s.key_hash != 0 {
        write!(out, "{:016x}", s.key_hash)?;
    }
    let cache = match s.cache {
        CacheState::Off => "",
        CacheState::Hit => "hit",
        CacheState::Miss => "miss",
        CacheState::Bypass => "bypass",
    };
    let outcome = match s.outcome {
        Outcome::Done => "",
        Outcome::Refused => "refused",
        Outcome::ClientGone => "client-gone",
        Outcome::UpstreamFailed => "upstream-failed",
        Outcome::Stream => "stream",
    };
    write!(
        out,
        ",{cache},{:.6},{},{outcome}",
        f64::from(s.wait_us) / 1e6,
        s.arm.0
    )?;
    for n in [s.db_calls, s.db_rows, s.db_returned] {
        out.push(b',');
        if n > 0 {
            write!(out, "{n}")?;
        }
    }
    for c in columns {
        out.push(b',');
        let mut wait = None;
        for u in s.uses.iter().take(USES).filter(|u| u.resource == *c) {
            write!(out, "{:.6}", f64::from(u.busy_us) / 1e6)?;
            wait = (u.wait_us != u32::MAX).then_some(f64::from(u.wait_us) / 1e6);
        }
        out.push(b',');
        number(out, wait);
    }
    out.push(b'\n');
    Ok(())
}

fn number(out: &mut Vec<u8>, v: Option<f64>) {
    if let Some(v) = v {
        let _ = write!(out, "{v}");
    }
}

/// A name as a CSV field, quoted when it must be; line breaks become spaces.
fn text(out: &mut Vec<u8>, name: &str) {
    if name
        .bytes()
        .any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'))
    {
        out.push(b'"');
        for b in name.bytes() {
            match b {
                b'"' => out.extend_from_slice(b"\"\""),
                b'\n' | b'\r' => out.push(b' '),
                b => out.push(b),
            }
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(name.as_bytes());
    }
}
