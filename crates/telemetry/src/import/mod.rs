//! Recordings from access logs: nginx, Envoy and AWS ALB. A line becomes a row of `requests.csv`; where the log tells
//! the upstream's own time, the upstream's address is the instance. There is no `usage.csv`: logs know nothing of it.

mod lines;
mod routes;
#[cfg(test)]
mod tests;
mod time;

use crate::recording::{META, REQUESTS, USAGE};
use base::Finding;
pub use lines::{Entry, Format};
use routes::Routes;
use std::fs::{self, File};
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::path::Path;

/// Longest line read, bytes; longer ones do not parse.
const LINE: usize = 64 << 10;
/// Lines shown that were not understood.
pub const SHOWN: usize = 5;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Imported {
    pub lines: u64,
    pub rows: u64,
    /// Lines that were not understood, and the first few of them with their number.
    pub bad: u64,
    pub shown: Vec<(u64, String)>,
    pub routes: usize,
    /// Requests that went to the route `other` because there were too many paths.
    pub other: u64,
    /// Lines that told no duration: their rows count as unfinished.
    pub without_duration: u64,
    /// First arrival and last end, seconds since the Unix epoch.
    pub from_s: f64,
    pub to_s: f64,
}

/// Reads a log and writes a recording to `folder`, which must not hold one yet. `service` names where requests go.
pub fn import(
    log: impl BufRead,
    format: Format,
    service: &str,
    folder: &Path,
) -> Result<Imported, Finding> {
    let bad = |e: io::Error| Finding::error("import-failed", format!("{}: {e}", folder.display()));
    fs::create_dir_all(folder).map_err(bad)?;
    let open = |name: &str| {
        File::create_new(folder.join(name)).map_err(|e| {
            bad(e).help("name a folder that does not hold a recording; nothing was overwritten")
        })
    };
    let mut out = BufWriter::new(open(REQUESTS)?);
    let done = convert(log, format, service, &mut out).map_err(bad)?;
    out.flush().map_err(bad)?;
    open(USAGE)?
        .write_all(b"time_s,resource,busy,capacity\n")
        .map_err(bad)?;
    let meta = format!("format: 1\nwritten_by: plimsoll import {}\n", format.name());
    open(META)?.write_all(meta.as_bytes()).map_err(bad)?;
    if done.rows == 0 {
        let first = done
            .shown
            .first()
            .map(|(n, l)| format!("; line {n} is `{l}`"));
        return Err(Finding::error(
            "import-nothing",
            format!(
                "none of {} lines looks like {}{}",
                done.lines,
                format.name(),
                first.unwrap_or_default()
            ),
        )
        .help("name the right format: nginx, nginx-json, envoy or alb"));
    }
    Ok(done)
}

/// The same without files: rows of `requests.csv` to `out`.
pub fn convert(
    mut log: impl BufRead,
    format: Format,
    service: &str,
    out: &mut impl Write,
) -> io::Result<Imported> {
    let mut done = Imported {
        from_s: f64::INFINITY,
        ..Imported::default()
    };
    let mut routes = Routes::default();
    writeln!(
        out,
        "route,arrival_s,duration_s,service,instance,status,bytes_in,bytes_out,key_hash"
    )?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut log).take(LINE as u64).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        done.lines += 1;
        let whole = line.last() == Some(&b'\n') || line.len() < LINE;
        if !whole {
            skip_line(&mut log)?;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match lines::parse(format, text).filter(|_| whole) {
            None => {
                done.bad += 1;
                if done.shown.len() < SHOWN {
                    done.shown
                        .push((done.lines, text.chars().take(120).collect()));
                }
            }
            Some(e) => {
                let route = routes.name(&e.method, &e.path);
                write_row(out, &route, service, &e)?;
                done.rows += 1;
                done.without_duration += u64::from(e.duration.is_none());
                done.from_s = done.from_s.min(e.arrival);
                done.to_s = done.to_s.max(e.arrival + e.duration.unwrap_or(0.0));
            }
        }
    }
    if done.rows == 0 {
        done.from_s = 0.0;
    }
    (done.routes, done.other) = (routes.len(), routes.other);
    Ok(done)
}

fn skip_line(log: &mut impl BufRead) -> io::Result<()> {
    loop {
        let chunk = log.fill_buf()?;
        let (used, found) = match chunk.iter().position(|&b| b == b'\n') {
            Some(i) => (i + 1, true),
            None => (chunk.len(), chunk.is_empty()),
        };
        log.consume(used);
        if found {
            return Ok(());
        }
    }
}

fn write_row(out: &mut impl Write, route: &str, service: &str, e: &Entry) -> io::Result<()> {
    let quoted = |t: &str| format!("\"{}\"", t.replace('"', "\"\""));
    write!(out, "{},{:.6},", quoted(route), e.arrival)?;
    if let Some(d) = e.duration {
        write!(out, "{d:.6}")?;
    }
    write!(
        out,
        ",{},{},{},{},{},",
        quoted(service),
        quoted(&e.instance),
        e.status,
        e.bytes_in,
        e.bytes_out
    )?;
    // Only safe requests can be answered from a cache.
    if matches!(e.method.as_str(), "GET" | "HEAD") {
        write!(
            out,
            "{}",
            quoted(&format!("{} {}{}", e.method, e.host, e.path))
        )?;
    }
    writeln!(out)
}
