//! One line of each log format as an entry.

use super::time;
use crate::recording::{LATEST_S, LONGEST_S};
use serde_json::Value;

/// The logs that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `combined`, then `$request_time` and optionally `$upstream_response_time` (and `$upstream_addr`); bare, or as
    /// `rt=` / `request_time=`, `urt=` / `upstream_response_time=`, `ua=` / `upstream_addr=`.
    Nginx,
    /// One JSON object per line with nginx's variable names as keys.
    NginxJson,
    /// Envoy's default text format.
    Envoy,
    /// AWS Application Load Balancer.
    Alb,
}

/// Every format, with the name it goes by.
pub const FORMATS: [(&str, Format); 4] = [
    ("nginx", Format::Nginx),
    ("nginx-json", Format::NginxJson),
    ("envoy", Format::Envoy),
    ("alb", Format::Alb),
];

impl Format {
    pub fn from_name(name: &str) -> Option<Format> {
        FORMATS.iter().find(|f| f.0 == name).map(|f| f.1)
    }
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|f| f.1 == self).map_or("", |f| f.0)
    }
}

/// One request of a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Seconds since the Unix epoch.
    pub arrival: f64,
    pub duration: Option<f64>,
    pub method: String,
    pub host: String,
    /// Path and query.
    pub path: String,
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// The upstream's address; empty when the log does not tell.
    pub instance: String,
}

/// `None` when the line is not of this format.
pub fn parse(format: Format, line: &str) -> Option<Entry> {
    let e = match format {
        Format::Nginx => nginx(line),
        Format::NginxJson => nginx_json(line),
        Format::Envoy => envoy(line),
        Format::Alb => alb(line),
    }?;
    // What the reader of recordings would refuse is not written.
    let times = (0.0..=LATEST_S).contains(&e.arrival) && e.duration.is_none_or(|d| d <= LONGEST_S);
    (times && !e.method.is_empty()).then_some(e)
}

/// Splits at spaces; `"…"` (with `\"` inside) and `[…]` are one field each, without their marks.
fn fields(line: &str) -> Vec<&str> {
    let (mut out, mut rest) = (Vec::new(), line.trim_start());
    while !rest.is_empty() && out.len() < 64 {
        let (field, after) = match rest.as_bytes()[0] {
            b'"' => {
                let inner = &rest[1..];
                let mut escaped = false;
                let end = inner.bytes().position(|b| {
                    let ends = b == b'"' && !escaped;
                    escaped = b == b'\\' && !escaped;
                    ends
                });
                match end {
                    Some(i) => (&inner[..i], &inner[i + 1..]),
                    None => (inner, ""),
                }
            }
            b'[' => rest[1..].split_once(']').unwrap_or((&rest[1..], "")),
            _ => rest.split_once(' ').unwrap_or((rest, "")),
        };
        out.push(field);
        rest = after.trim_start();
    }
    out
}

/// Method and target of `GET /x HTTP/1.1`; a full URL is cut to host and path.
fn request(line: &str) -> Option<(String, String, String)> {
    let mut p = line.split(' ');
    let (method, target) = (p.next()?, p.next()?);
    let token = !method.is_empty()
        && method.len() <= 20
        && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    let (host, path) = match target.split_once("://") {
        Some((_, rest)) => match rest.find('/') {
            Some(i) => rest.split_at(i),
            None => (rest, "/"),
        },
        None => ("", target),
    };
    token.then(|| (method.to_owned(), host.to_owned(), path.to_owned()))
}

/// Seconds; the sum when nginx tried several upstreams (`0.1, 0.2 : 0.3`). `-` is none.
fn seconds(text: &str) -> Option<f64> {
    let mut sum = None;
    for part in text.split([',', ':']).map(str::trim).filter(|p| *p != "-") {
        let v = part
            .parse::<f64>()
            .ok()
            .filter(|v| v.is_finite() && *v >= 0.0)?;
        *sum.get_or_insert(0.0) += v;
    }
    sum
}

/// The last of several upstreams: the one that answered.
fn address(text: &str) -> String {
    let last = text.rsplit(',').next().unwrap_or("").trim();
    if last == "-" || last.len() > 64 {
        String::new()
    } else {
        last.to_owned()
    }
}

/// Lists that nginx writes without quotes, `0.1, 0.2 : 0.3`, as one field again.
fn joined(fields: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for f in fields {
        match out.last_mut() {
            Some(last) if last.ends_with(',') || last.ends_with(':') || *f == ":" => {
                last.push(' ');
                last.push_str(f);
            }
            _ => out.push((*f).to_owned()),
        }
    }
    out
}

fn nginx(line: &str) -> Option<Entry> {
    let f = fields(line);
    // remote - user [time] "request" status bytes "referer" "agent" …
    let logged = time::common(f.get(3)?)?;
    let (method, host, path) = request(f.get(4)?)?;
    let mut e = Entry {
        method,
        host,
        path,
        status: f.get(5)?.parse().ok()?,
        bytes_out: f.get(6)?.parse().unwrap_or(0),
        ..Entry::default()
    };
    let mut bare = Vec::new();
    for extra in joined(f.get(9..).unwrap_or_default()) {
        match extra.split_once('=') {
            Some(("rt" | "request_time", v)) => e.duration = seconds(v.trim_matches('"')),
            Some(("ua" | "upstream_addr", v)) => e.instance = address(v.trim_matches('"')),
            Some(_) => {}
            None => bare.push(extra),
        }
    }
    if e.duration.is_none() {
        e.duration = bare.first().and_then(|v| seconds(v));
    }
    // `$upstream_addr` has a port, which times have not.
    let is_address = |v: &&String| v.contains(':') && !v.contains(" : ");
    if let Some(a) = bare.iter().skip(1).find(is_address) {
        e.instance = address(a);
    }
    // nginx writes the line, and its time, when the request ends.
    e.arrival = (logged - e.duration.unwrap_or(0.0)).max(0.0);
    Some(e)
}

fn nginx_json(line: &str) -> Option<Entry> {
    let v: Value = serde_json::from_str(line).ok()?;
    let text = |keys: &[&str]| {
        keys.iter().find_map(|k| match v.get(k)? {
            Value::String(s) => Some(s.clone()),
            Value::Number(n) => Some(n.to_string()),
            _ => None,
        })
    };
    let ended = text(&["msec"])
        .and_then(|t| t.parse().ok())
        .or_else(|| time::iso(&text(&["time_iso8601", "time", "timestamp", "@timestamp"])?))
        .or_else(|| time::common(&text(&["time_local"])?))?;
    let (method, host, path) = match text(&["request"]) {
        Some(r) => request(&r)?,
        None => (
            text(&["request_method", "method"])?,
            String::new(),
            text(&["request_uri", "uri", "path"])?,
        ),
    };
    let duration = text(&["request_time"]).and_then(|t| seconds(&t));
    let count = |keys: &[&str]| text(keys).and_then(|t| t.parse().ok()).unwrap_or(0);
    Some(Entry {
        arrival: (ended - duration.unwrap_or(0.0)).max(0.0),
        duration,
        method,
        host: text(&["host", "http_host"]).unwrap_or(host),
        path,
        status: text(&["status"])?.parse().ok()?,
        bytes_in: count(&["request_length"]),
        bytes_out: count(&["bytes_sent", "body_bytes_sent"]),
        instance: text(&["upstream_addr"]).map_or_else(String::new, |a| address(&a)),
    })
}

/// `[start] "METHOD path PROTOCOL" code flags bytes_in bytes_out duration_ms upstream_ms "xff" "agent" "id" "authority" "upstream"`
/// (newer versions have a second flags field, quoted, after the first).
fn envoy(line: &str) -> Option<Entry> {
    let f = fields(line);
    let arrival = time::iso(f.first()?)?;
    let (method, _, path) = request(f.get(1)?)?;
    let status = f.get(2)?.parse().ok()?;
    // Between flags and the four numbers there may be one or two texts, quoted or `-`.
    let at = (4..=6)
        .find(|&i| (i..i + 3).all(|k| f.get(k).is_some_and(|v| v.parse::<u64>().is_ok())))?;
    let num = |i: usize| f.get(i).and_then(|v| v.parse::<u64>().ok());
    Some(Entry {
        arrival,
        duration: num(at + 2).map(|ms| ms as f64 / 1e3),
        method,
        host: f
            .get(at + 7)
            .copied()
            .filter(|h| *h != "-")
            .unwrap_or("")
            .to_owned(),
        path,
        status,
        bytes_in: num(at)?,
        bytes_out: num(at + 1)?,
        instance: f.get(at + 8).map_or_else(String::new, |a| address(a)),
    })
}

/// `type time elb client target request_time target_time response_time elb_status target_status in out "request" …`
fn alb(line: &str) -> Option<Entry> {
    let f = fields(line);
    if !matches!(
        *f.first()?,
        "http" | "https" | "h2" | "grpcs" | "ws" | "wss"
    ) {
        return None;
    }
    let ended = time::iso(f.get(1)?)?;
    // -1: the part did not happen.
    let parts: Vec<f64> = (5..8)
        .map(|i| f.get(i)?.parse().ok())
        .collect::<Option<_>>()?;
    let duration = parts
        .iter()
        .all(|p| *p >= 0.0)
        .then(|| parts.iter().sum::<f64>());
    let (method, host, path) = request(f.get(12)?)?;
    Some(Entry {
        arrival: (ended - duration.unwrap_or(0.0)).max(0.0),
        duration,
        method,
        host,
        path,
        status: f.get(8)?.parse().ok()?,
        bytes_in: f.get(10)?.parse().ok()?,
        bytes_out: f.get(11)?.parse().ok()?,
        instance: address(f.get(4)?),
    })
}
