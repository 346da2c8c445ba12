//! `uses.csv`, `statements.json` and `traced.json`: what databases and spans told of routes, the heaviest statements, and
//! how routes work.

use super::USES;
use super::faults::Faults;
use super::row;
use super::table::{Columns, by_second, number, text};
use base::window::UseCell;
use base::{Arm, CellKey, Finding, InstanceIx, Names, Window};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

pub const HEADER: &str = "time_s,route,resource,count,busy,squares,calls,rows,returned,weight,of";
const COLUMNS: Columns<'_> = Columns {
    required: &["time_s", "route", "resource", "count", "busy"],
    optional: &["squares", "calls", "rows", "returned", "weight", "of"],
    prefixes: &[],
};
/// Largest list that is read, bytes.
const MAX_LIST: u64 = 4 << 20;

/// Rows of a window. What requests told themselves is in `requests.csv` and has an instance.
pub fn rows(out: &mut Vec<u8>, w: &Window, names: &Names) {
    for u in w.uses.iter().filter(|u| u.key.instance.is_none()) {
        let (Some(route), Some(resource)) = (
            names.routes.name(u.key.route),
            names.resources.name(u.resource),
        ) else {
            continue;
        };
        let _ = write!(out, "{},", w.index + 1);
        row::text(out, &route);
        out.push(b',');
        row::text(out, &resource);
        let _ = writeln!(
            out,
            ",{},{},{},{},{},{},{},{}",
            u.count, u.busy_s, u.busy_sq, u.calls, u.rows, u.returned, u.weight, u.of
        );
    }
}

/// The uses of every second; nothing when the file is not there.
pub fn read(folder: &Path, names: &Names, faults: &mut Faults) -> BTreeMap<u64, Vec<UseCell>> {
    by_second(&folder.join(USES), &COLUMNS, faults, |row, c| {
        let num = |i: usize, name| Ok::<f64, String>(number(row, c[i], name)?.unwrap_or(0.0));
        let route = text(row, c[1]).ok_or("`route` is empty")?;
        let resource = text(row, c[2]).ok_or("`resource` is empty")?;
        let key = CellKey {
            route: names.routes.intern(route),
            arm: Arm::BASE,
            instance: InstanceIx::NONE,
        };
        let cell = UseCell {
            key,
            resource: names.resources.intern(resource),
            count: num(3, "count")?.round() as u32,
            weight: number(row, c[9], "weight")?
                .filter(|w| *w > 0.0)
                .unwrap_or(1.0),
            of: num(10, "of")?,
            busy_s: num(4, "busy")?,
            busy_sq: num(5, "squares")?,
            wait_s: 0.0,
            waits: 0,
            calls: num(6, "calls")?,
            rows: num(7, "rows")?,
            returned: num(8, "returned")?,
        };
        let second = num(0, "time_s")? as u64;
        Ok((second.saturating_sub(1), cell))
    })
}

/// What a file of statements or of traced routes says; nothing when it is not there.
pub fn list<T: DeserializeOwned>(folder: &Path, file: &str, faults: &mut Faults) -> Vec<T> {
    let path = folder.join(file);
    let Ok(file) = File::open(&path) else {
        return Vec::new();
    };
    let read = serde_json::from_reader(std::io::BufReader::new(file.take(MAX_LIST)));
    read.unwrap_or_else(|e| {
        let what = format!("it is not a list of what belongs there: {e}");
        faults.push(Finding::warning("recording-bad-value", what).at(
            path.display().to_string(),
            0,
            0,
        ));
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::super::STATEMENTS;
    use super::*;
    use base::Statement;

    #[test]
    fn what_is_written_is_read_again() {
        let names = Names::default();
        let key = |instance| CellKey {
            route: names.routes.intern("search, all"),
            arm: Arm::BASE,
            instance,
        };
        let told = UseCell {
            key: key(InstanceIx::NONE),
            resource: names.resources.intern("db.shop"),
            count: 40,
            weight: 10.0,
            of: 50.0,
            busy_s: 0.25,
            busy_sq: 0.002,
            wait_s: 0.0,
            waits: 0,
            calls: 40.0,
            rows: 4e6,
            returned: 80.0,
        };
        let of_request = UseCell {
            key: key(InstanceIx(1)),
            ..told.clone()
        };
        let w = Window {
            index: 7,
            uses: vec![told.clone(), of_request],
            ..Window::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let mut out = format!("{HEADER}\n").into_bytes();
        rows(&mut out, &w, &names);
        std::fs::write(folder.path().join(USES), &out).unwrap();
        let mut faults = Faults::default();
        assert_eq!(
            read(folder.path(), &names, &mut faults),
            [(7, vec![told])].into()
        );
        let read_list = |faults: &mut Faults| list::<Statement>(folder.path(), STATEMENTS, faults);
        assert!(read_list(&mut faults).is_empty());
        std::fs::write(folder.path().join(STATEMENTS), "[{}]").unwrap();
        read_list(&mut faults);
        out.extend_from_slice(b"8,x,,1,0\n");
        std::fs::write(folder.path().join(USES), &out).unwrap();
        read(folder.path(), &names, &mut faults);
        let told: Vec<String> = faults.finish().into_iter().map(|f| f.what).collect();
        assert!(
            told.len() == 2 && told.iter().any(|t| t.contains("`resource` is empty")),
            "{told:?}"
        );
    }
}
