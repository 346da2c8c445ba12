//! Rows of a recording as text.

use super::names::outside;
use base::sample::USES;
use base::{CacheState, Names, Outcome, ResourceCell, ResourceIx, Sample, SampleKind};
use std::io::{self, Write};

pub const REQUEST_HEADER: &str = "route,arrival_s,duration_s,service,instance,status,bytes_in,bytes_out,parent,attempt,\
key_hash,cache,wait_s,arm,outcome,db_calls,db_rows,db_returned";
pub const USAGE_HEADER: &str = "time_s,resource,busy,capacity,instance,waiting,level,background";

/// One row of `requests.csv`.
pub fn request(
    out: &mut Vec<u8>,
    s: &Sample,
    names: &Names,
    columns: &[ResourceIx],
) -> io::Result<()> {
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
        Outcome::Lost => "lost",
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

/// A row of `usage.csv` from which the next one counts.
pub fn baseline(out: &mut Vec<u8>, time_s: u64, name: &str, instance: &str) {
    let _ = write!(out, "{time_s},");
    text(out, name);
    out.extend_from_slice(b",0,,");
    text(out, instance);
    out.extend_from_slice(b",,,\n");
}

/// What a resource did until `time_s`.
pub fn usage(out: &mut Vec<u8>, time_s: u64, name: &str, instance: &str, c: &ResourceCell) {
    let _ = write!(out, "{time_s},");
    text(out, name);
    let _ = write!(out, ",{},", c.busy);
    number(out, c.capacity);
    out.push(b',');
    text(out, instance);
    for v in [c.waiting, c.level, c.background] {
        out.push(b',');
        number(out, v);
    }
    out.push(b'\n');
}

fn number(out: &mut Vec<u8>, v: Option<f64>) {
    if let Some(v) = v {
        let _ = write!(out, "{v}");
    }
}

/// A name as a CSV field, quoted when it must be; line breaks become spaces.
pub fn text(out: &mut Vec<u8>, name: &str) {
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
