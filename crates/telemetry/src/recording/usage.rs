//! `usage.csv`: what resources did between rows, put into windows of one second.

use super::faults::Faults;
use super::names;
use super::table::{Columns, Table, number, text};
use super::{LATEST_S, SPAN_S, USAGE, USAGE_ROWS};
use base::{Finding, InstanceIx, Names, ResourceCell, ResourceInfo, ResourceIx};
use csv::ByteRecord;
use std::collections::BTreeMap;
use std::path::Path;

const COLUMNS: Columns<'_> = Columns {
    required: &["time_s", "resource", "busy", "capacity"],
    optional: &["instance", "waiting", "level", "background"],
    prefixes: &[],
};
/// Rows further apart than this many times the usual distance are a gap: nothing is known of the time between.
const GAP: f64 = 3.0;
/// A window that rows cover by less than this share tells nothing.
const COVERED: f64 = 0.5;

#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub time: f64,
    pub busy: f64,
    pub capacity: Option<f64>,
    pub waiting: Option<f64>,
    pub level: Option<f64>,
    pub background: Option<f64>,
}

type Key = (ResourceIx, InstanceIx);

/// The cells of every second. `infos` tells the service of a resource, to name its instances.
pub fn read(
    folder: &Path,
    names: &Names,
    infos: &BTreeMap<String, ResourceInfo>,
    faults: &mut Faults,
) -> Result<BTreeMap<u64, Vec<ResourceCell>>, Finding> {
    let mut t = Table::open(&folder.join(USAGE), &COLUMNS, faults)?;
    let c: Vec<Option<usize>> = COLUMNS
        .required
        .iter()
        .chain(COLUMNS.optional)
        .map(|n| t.column(n))
        .collect();
    let mut rows: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
    let mut row = ByteRecord::new();
    let mut n = 0;
    while let Some(line) = t.next(&mut row, faults) {
        n += 1;
        if n > USAGE_ROWS {
            faults.push(
                Finding::error(
                    "recording-large",
                    format!("more than {USAGE_ROWS} rows; the rest is not read"),
                )
                .at(&t.file, line, 0)
                .help("cut the recording to the minutes that matter"),
            );
            break;
        }
        let parse = || -> Result<(Key, Row), String> {
            let num = |i: usize, name| number(&row, c[i], name);
            let resource = text(&row, c[1]).ok_or("`resource` is empty")?;
            let service = infos.get(resource).map_or_else(
                || ResourceInfo::from_name(resource).service,
                |i| i.service.clone(),
            );
            let ix = names.resources.intern(resource);
            if ix.is_none() {
                return Err(format!(
                    "too many resources; `{resource:.40}` finds no room"
                ));
            }
            let instance = names::inside(names, service.as_deref(), text(&row, c[4]));
            let time = num(0, "time_s")?.ok_or("`time_s` is empty")?;
            if time > LATEST_S {
                return Err("`time_s` is absurdly large: it is in seconds".into());
            }
            Ok((
                (ix, instance),
                Row {
                    time,
                    busy: num(2, "busy")?.unwrap_or(0.0),
                    capacity: num(3, "capacity")?,
                    waiting: num(5, "waiting")?,
                    level: num(6, "level")?,
                    background: num(7, "background")?,
                },
            ))
        };
        match parse() {
            Ok((key, r)) => rows.entry(key).or_default().push(r),
            Err(what) => {
                faults.push(Finding::error("recording-bad-value", what).at(&t.file, line, 0))
            }
        }
    }
    let latest = rows.values().flatten().map(|r| r.time).fold(0.0, f64::max);
    let from = latest - SPAN_S as f64;
    let mut out: BTreeMap<u64, Vec<ResourceCell>> = BTreeMap::new();
    for ((resource, instance), mut list) in rows {
        list.retain(|r| r.time >= from);
        let name = names.resources.name(resource).unwrap_or_default();
        if let Some(spacing) = sort(&mut list)
            && spacing > 1.5
        {
            faults.push(
                Finding::warning(
                    "recording-coarse",
                    format!("rows of `{name}` are {spacing:.0} s apart"),
                )
                .at(&t.file, 0, 0)
                .why("what tells the routes apart is how much they vary from second to second")
                .help("read the counters every second"),
            );
        }
        for (second, cell) in spread(&list, resource, instance) {
            out.entry(second).or_default().push(cell);
        }
    }
    Ok(out)
}

/// Sorts rows by time, drops doubles; answers with the usual (median) distance.
fn sort(rows: &mut Vec<Row>) -> Option<f64> {
    rows.sort_by(|a, b| a.time.total_cmp(&b.time));
    rows.dedup_by(|b, a| b.time - a.time < 1e-6);
    let mut apart: Vec<f64> = rows.windows(2).map(|w| w[1].time - w[0].time).collect();
    apart.sort_by(f64::total_cmp);
    apart.get(apart.len() / 2).copied()
}

/// Sorted rows as cells of whole seconds. The first row after a gap is a baseline.
pub fn spread(
    rows: &[Row],
    resource: ResourceIx,
    instance: InstanceIx,
) -> Vec<(u64, ResourceCell)> {
    let mut apart: Vec<f64> = rows.windows(2).map(|w| w[1].time - w[0].time).collect();
    apart.sort_by(f64::total_cmp);
    let usual = apart.get(apart.len() / 2).copied().unwrap_or(1.0);
    let gap = (GAP * usual).max(GAP);
    let mut cells: BTreeMap<u64, (f64, ResourceCell)> = BTreeMap::new();
    for w in rows.windows(2) {
        let (a, b) = (w[0].time, w[1]);
        let long = b.time - a;
        if long > gap || long <= 0.0 {
            continue;
        }
        let mut second = a.floor();
        while second < b.time - 1e-9 {
            let share = (b.time.min(second + 1.0) - a.max(second)) / long;
            let e = cells.entry(second as u64).or_insert((
                0.0,
                ResourceCell {
                    resource,
                    instance,
                    busy: 0.0,
                    capacity: None,
                    waiting: None,
                    level: None,
                    background: None,
                },
            ));
            e.0 += share * long;
            let c = &mut e.1;
            c.busy += b.busy * share;
            c.capacity = b.capacity.or(c.capacity);
            c.level = b.level.or(c.level);
            for (to, v) in [
                (&mut c.waiting, b.waiting),
                (&mut c.background, b.background),
            ] {
                if let Some(v) = v {
                    *to.get_or_insert(0.0) += v * share;
                }
            }
            second += 1.0;
        }
    }
    cells
        .into_iter()
        .filter(|(_, (covered, _))| *covered >= COVERED)
        .map(|(second, (covered, mut c))| {
            // What was seen of the second stands for the whole of it.
            if covered < 1.0 - 1e-6 {
                c.busy /= covered;
                c.waiting = c.waiting.map(|v| v / covered);
                c.background = c.background.map(|v| v / covered);
            }
            (second, c)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(time: f64, busy: f64) -> Row {
        Row {
            time,
            busy,
            capacity: Some(2.0),
            waiting: Some(busy),
            level: None,
            background: None,
        }
    }

    fn busy(rows: &[Row]) -> Vec<(u64, f64)> {
        spread(rows, ResourceIx(0), InstanceIx::NONE)
            .into_iter()
            .map(|(s, c)| (s, (c.busy * 1e6).round() / 1e6))
            .collect()
    }

    #[test]
    fn whole_seconds_stay_as_they_are() {
        let rows = [row(10.0, 99.0), row(11.0, 0.5), row(12.0, 0.7)];
        assert_eq!(busy(&rows), [(10, 0.5), (11, 0.7)]);
    }

    #[test]
    fn uneven_times_are_spread_and_thin_edges_left_out() {
        // Half a unit per second throughout; second 0 is covered by 0.3 s only, second 3 by 0.7 s.
        let rows = [row(0.7, 9.0), row(1.7, 0.5), row(2.7, 0.5), row(3.7, 0.5)];
        assert_eq!(busy(&rows), [(1, 0.5), (2, 0.5), (3, 0.5)]);
    }

    #[test]
    fn a_gap_begins_anew() {
        let rows = [
            row(0.0, 0.0),
            row(1.0, 0.5),
            row(60.0, 30.0),
            row(61.0, 0.25),
        ];
        assert_eq!(busy(&rows), [(0, 0.5), (60, 0.25)]);
        let coarse = [row(0.0, 0.0), row(10.0, 5.0), row(20.0, 5.0)];
        assert_eq!(busy(&coarse).len(), 20);
    }
}
