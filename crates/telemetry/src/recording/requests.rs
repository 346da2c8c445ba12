//! `requests.csv`: one row per request or attempt, in any order. Read twice: first for what the rows are about,
//! then for the samples, so that memory does not grow with the number of rows.

use super::faults::Faults;
use super::names;
use super::table::{Columns, Table, cell, number, text};
use super::{LATEST_S, LONGEST_S, REQUESTS, SPAN_S};
use crate::roll::Roller;
use base::sample::{USES, Use};
use base::{
    Arm, CacheState, Finding, Names, Nanos, Outcome, ResourceIx, RouteIx, Sample, SampleKind,
};
use csv::ByteRecord;
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::path::Path;

const COLUMNS: Columns<'_> = Columns {
    required: &["route", "arrival_s", "duration_s"],
    optional: &[
        "service",
        "instance",
        "status",
        "bytes_in",
        "bytes_out",
        "id",
        "parent",
        "attempt",
        "key_hash",
        "cache",
        "wait_s",
        "arm",
        "outcome",
        "db_calls",
        "db_rows",
        "db_returned",
    ],
    prefixes: &["use.", "wait."],
};
/// Ids remembered for `parent`; later ones are not found.
const IDS: usize = 2_000_000;
/// Unfinished requests followed to the end.
const UNFINISHED: u64 = 10_000;

/// What the first pass found.
#[derive(Default)]
pub struct Survey {
    /// Rows with and without a number of the attempt.
    attempts: bool,
    plain: bool,
    /// Latest arrival and latest time of all, seconds.
    latest: f64,
    end: f64,
    ids: HashMap<u64, RouteIx, FixedState>,
    pub rows: u64,
    /// Of each route: its service, and whether a row had a cache key.
    pub routes: BTreeMap<RouteIx, (Option<String>, bool)>,
}

/// Facts that the second pass adds.
#[derive(Default)]
pub struct Facts {
    pub skipped_early: u64,
    pub unfinished: u64,
    pub uses_dropped: u64,
    pub unsorted_keys: u64,
}

struct Fixed {
    route: Option<usize>,
    arrival: Option<usize>,
    duration: Option<usize>,
    service: Option<usize>,
    instance: Option<usize>,
    status: Option<usize>,
    bytes_in: Option<usize>,
    bytes_out: Option<usize>,
    id: Option<usize>,
    parent: Option<usize>,
    attempt: Option<usize>,
    key: Option<usize>,
    cache: Option<usize>,
    wait: Option<usize>,
    arm: Option<usize>,
    outcome: Option<usize>,
    db: [Option<usize>; 3],
    uses: Vec<(usize, ResourceIx, Option<usize>)>,
}

impl Fixed {
    fn new(t: &Table, names: &Names) -> Fixed {
        let c = |n| t.column(n);
        let waits = t.with_prefix("wait.");
        Fixed {
            route: c("route"),
            arrival: c("arrival_s"),
            duration: c("duration_s"),
            service: c("service"),
            instance: c("instance"),
            status: c("status"),
            bytes_in: c("bytes_in"),
            bytes_out: c("bytes_out"),
            id: c("id"),
            parent: c("parent"),
            attempt: c("attempt"),
            key: c("key_hash"),
            cache: c("cache"),
            wait: c("wait_s"),
            arm: c("arm"),
            outcome: c("outcome"),
            db: [c("db_calls"), c("db_rows"), c("db_returned")],
            uses: t
                .with_prefix("use.")
                .into_iter()
                .map(|(i, name)| {
                    let wait = waits.iter().find(|w| w.1 == name).map(|w| w.0);
                    (i, names.resources.intern(&name), wait)
                })
                .filter(|u| !u.1.is_none())
                .collect(),
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    FixedState::with_seed(17).hash_one(bytes).max(1)
}

/// First pass: routes, ids, the end of time. Says what is wrong with the header.
pub fn survey(folder: &Path, names: &Names, faults: &mut Faults) -> Result<Survey, Finding> {
    let mut t = Table::open(&folder.join(REQUESTS), &COLUMNS, faults)?;
    let c = Fixed::new(&t, names);
    let mut s = Survey::default();
    let mut row = ByteRecord::new();
    let mut quiet = Faults::default();
    while t.next(&mut row, &mut quiet).is_some() {
        s.rows += 1;
        let number = |col| number(&row, col, "").ok().flatten();
        let Some(arrival) = number(c.arrival) else {
            continue;
        };
        s.latest = s.latest.max(arrival);
        s.end = s.end.max(arrival + number(c.duration).unwrap_or(0.0));
        let attempt = text(&row, c.attempt).is_some();
        s.attempts |= attempt;
        s.plain |= !attempt;
        let Some(name) = text(&row, c.route) else {
            continue;
        };
        let route = names.routes.intern(name);
        let known = s.routes.entry(route).or_default();
        if known.0.is_none() {
            known.0 = text(&row, c.service).map(str::to_owned);
        }
        known.1 |= text(&row, c.key).is_some_and(|k| k != "0");
        if c.parent.is_some() && s.ids.len() < IDS {
            let id = cell(&row, c.id);
            if !id.is_empty() {
                s.ids.insert(hash(id), route);
            }
        }
    }
    Ok(s)
}

/// Second pass: samples into the roller.
pub fn feed(
    folder: &Path,
    survey: &Survey,
    names: &Names,
    roller: &mut Roller,
    faults: &mut Faults,
) -> Result<Facts, Finding> {
    let mut quiet = Faults::default();
    let mut t = Table::open(&folder.join(REQUESTS), &COLUMNS, &mut quiet)?;
    let c = Fixed::new(&t, names);
    let from = (survey.latest.floor() - SPAN_S as f64 + 1.0).max(0.0);
    let until = Nanos::from_secs_f64(survey.end);
    // Rows without an attempt number are requests; where only one kind exists, each row is both.
    let both = !(survey.attempts && survey.plain);
    let mut facts = Facts::default();
    let mut newest = Nanos::ZERO;
    let mut row = ByteRecord::new();
    while let Some(line) = t.next(&mut row, faults) {
        let parsed = match sample(&row, &c, survey, names, &mut facts) {
            Ok(p) => p,
            Err(what) => {
                faults.push(Finding::error("recording-bad-value", what).at(&t.file, line, 0));
                continue;
            }
        };
        let (mut s, finished) = parsed;
        if s.start.secs_f64() < from {
            facts.skipped_early += 1;
            continue;
        }
        // The ghost cache needs time to go forward; a little disorder is normal, as rows come by their end.
        if s.key_hash != 0 && newest.since(s.start).as_secs() > 60 {
            facts.unsorted_keys += 1;
            s.key_hash = 0;
        }
        newest = newest.max(s.start);
        let unfinished = facts.unfinished;
        let mut give = |s: &Sample| match finished {
            true => roller.push(s),
            // Each one costs a step per second: past a limit they only count as arrivals.
            false if unfinished > UNFINISHED => roller.unfinished(s, s.start),
            false => roller.unfinished(s, until),
        };
        if both {
            let served = !(s.cache == CacheState::Hit || s.outcome == Outcome::Refused);
            let uses = std::mem::take(&mut s.uses);
            let instance = std::mem::take(&mut s.instance);
            s.kind = SampleKind::Request;
            give(&s);
            if served {
                s.kind = SampleKind::Attempt;
                (s.uses, s.instance, s.attempt) = (uses, instance, s.attempt.max(1));
                give(&s);
            }
        } else {
            give(&s);
        }
        facts.unfinished += u64::from(!finished);
    }
    Ok(facts)
}

/// One row; whether it has ended.
fn sample(
    row: &ByteRecord,
    c: &Fixed,
    survey: &Survey,
    names: &Names,
    facts: &mut Facts,
) -> Result<(Sample, bool), String> {
    let num = |col, name| number(row, col, name);
    let route = text(row, c.route).ok_or("`route` is empty")?;
    let route = names.routes.intern(route);
    let arrival = num(c.arrival, "arrival_s")?.ok_or("`arrival_s` is empty")?;
    let duration = num(c.duration, "duration_s")?;
    if arrival > LATEST_S || duration.is_some_and(|d| d > LONGEST_S) {
        return Err("the time is absurdly large: times are in seconds".into());
    }
    let mut s = Sample::new(SampleKind::Request, route, Nanos::from_secs_f64(arrival));
    s.end = s.start + std::time::Duration::from_secs_f64(duration.unwrap_or(0.0));
    if let Some(n) = num(c.attempt, "attempt")? {
        s.attempt = n.min(255.0) as u8;
        s.kind = SampleKind::Attempt;
    }
    let service =
        text(row, c.service).or_else(|| survey.routes.get(&route).and_then(|r| r.0.as_deref()));
    s.instance = names::inside(names, service, text(row, c.instance));
    // Without the column every answer was good; with it, an empty cell is no answer.
    s.status = match c.status {
        None => 200,
        col => num(col, "status")?.unwrap_or(0.0).min(999.0) as u16,
    };
    s.bytes_in = num(c.bytes_in, "bytes_in")?.unwrap_or(0.0) as u64;
    s.bytes_out = num(c.bytes_out, "bytes_out")?.unwrap_or(0.0) as u64;
    s.wait_us = micros(num(c.wait, "wait_s")?.unwrap_or(0.0));
    s.arm = Arm(num(c.arm, "arm")?.unwrap_or(0.0).min(255.0) as u8);
    s.cache = word(row, c.cache, "cache", &["off", "hit", "miss", "bypass"])?.map_or(
        CacheState::Off,
        |i| {
            [
                CacheState::Off,
                CacheState::Hit,
                CacheState::Miss,
                CacheState::Bypass,
            ][i]
        },
    );
    let outcomes = [
        "done",
        "refused",
        "client-gone",
        "upstream-failed",
        "stream",
        "lost",
    ];
    s.outcome = word(row, c.outcome, "outcome", &outcomes)?.map_or(Outcome::Done, |i| {
        [
            Outcome::Done,
            Outcome::Refused,
            Outcome::ClientGone,
            Outcome::UpstreamFailed,
            Outcome::Stream,
            Outcome::Lost,
        ][i]
    });
    if let Some(p) = text(row, c.parent) {
        s.parent = survey
            .ids
            .get(&hash(p.as_bytes()))
            .copied()
            .or_else(|| names.routes.find(p))
            .unwrap_or_default();
    }
    if let Some(k) = text(row, c.key).filter(|k| *k != "0") {
        s.key_hash = u64::from_str_radix(k, 16).unwrap_or_else(|_| hash(k.as_bytes()));
    }
    let [calls, rows, returned] = c.db;
    let count = |col, name| Ok::<u32, String>(num(col, name)?.unwrap_or(0.0).min(4e9) as u32);
    s.db_calls = count(calls, "db_calls")?;
    s.db_rows = count(rows, "db_rows")?;
    s.db_returned = count(returned, "db_returned")?;
    let mut n = 0;
    for &(col, resource, wait) in &c.uses {
        let Some(busy) = num(Some(col), "use.")? else {
            continue;
        };
        if n == USES {
            facts.uses_dropped += 1;
            break;
        }
        s.uses[n] = Use {
            resource,
            busy_us: micros(busy),
            wait_us: match wait {
                None => u32::MAX,
                w => num(w, "wait.")?.map_or(u32::MAX, micros),
            },
        };
        n += 1;
    }
    Ok((s, duration.is_some()))
}

fn micros(seconds: f64) -> u32 {
    (seconds * 1e6).round().min(4e9) as u32
}

/// The position of a cell's word in `known`; `None` when empty.
fn word(
    row: &ByteRecord,
    col: Option<usize>,
    name: &str,
    known: &[&str],
) -> Result<Option<usize>, String> {
    let Some(t) = text(row, col) else {
        return Ok(None);
    };
    known
        .iter()
        .position(|k| k.eq_ignore_ascii_case(t))
        .map(Some)
        .ok_or_else(|| {
            format!(
                "`{name}` is `{t:.40}`; it must be one of {}",
                known.join(", ")
            )
        })
}
