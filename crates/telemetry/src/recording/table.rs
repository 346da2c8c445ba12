//! A CSV file with a header: columns by name, cells as text, times checked.

use super::faults::Faults;
use super::{MAX_BYTES, USAGE_ROWS};
use base::Finding;
use csv::ByteRecord;
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Take};
use std::path::{Path, PathBuf};

/// An open file whose header has been understood.
pub struct Table {
    pub file: String,
    reader: csv::Reader<Take<Box<dyn Read>>>,
    columns: Vec<String>,
}

/// Which columns there may be. Unknown ones are a warning, missing required ones an error.
pub struct Columns<'a> {
    pub required: &'a [&'a str],
    pub optional: &'a [&'a str],
    /// Beginnings of columns that carry a resource's name.
    pub prefixes: &'a [&'a str],
}

/// `requests.csv`, or `requests.csv.gz` where only that is there.
pub fn present(path: &Path) -> PathBuf {
    let mut packed = path.as_os_str().to_owned();
    packed.push(".gz");
    let packed = PathBuf::from(packed);
    match !path.exists() && packed.exists() {
        true => packed,
        false => path.to_owned(),
    }
}

fn unpacked(file: File, packed: bool) -> Box<dyn Read> {
    match packed {
        true => Box::new(MultiGzDecoder::new(file)),
        false => Box::new(file),
    }
}

/// What the rows of a file say of each second; nothing when the file is not there. `parse` gets a row and the column of each name
/// that is wanted, the required ones first.
pub fn by_second<T>(
    path: &Path,
    want: &Columns<'_>,
    faults: &mut Faults,
    parse: impl Fn(&ByteRecord, &[Option<usize>]) -> Result<(u64, T), String>,
) -> BTreeMap<u64, Vec<T>> {
    let mut out: BTreeMap<u64, Vec<T>> = BTreeMap::new();
    if !present(path).exists() {
        return out;
    }
    let mut t = match Table::open(path, want, faults) {
        Ok(t) => t,
        Err(f) => {
            faults.push(f);
            return out;
        }
    };
    let all = want.required.iter().chain(want.optional);
    let columns: Vec<Option<usize>> = all.map(|n| t.column(n)).collect();
    let mut row = ByteRecord::new();
    let mut n = 0;
    while let Some(line) = t.next(&mut row, faults).filter(|_| n < USAGE_ROWS) {
        n += 1;
        match parse(&row, &columns) {
            Ok((second, cell)) => out.entry(second).or_default().push(cell),
            Err(what) => {
                faults.push(Finding::error("recording-bad-value", what).at(&t.file, line, 0))
            }
        }
    }
    out
}

impl Table {
    /// `Err` when the file cannot be used at all; the finding says why.
    pub fn open(path: &Path, want: &Columns<'_>, faults: &mut Faults) -> Result<Table, Finding> {
        let path = &present(path);
        let file = path.display().to_string();
        let opened = File::open(path).map_err(|e| {
            Finding::error("recording-unreadable", format!("{file}: {e}")).help(
                "a recording is a folder with requests.csv and usage.csv; see docs/recording.md",
            )
        })?;
        let packed = path.extension().is_some_and(|e| e == "gz");
        if !packed && opened.metadata().is_ok_and(|m| m.len() > MAX_BYTES) {
            faults.push(
                Finding::warning(
                    "recording-large",
                    format!("{file} is larger than 4 GiB: only its beginning is read"),
                )
                .help("cut the recording"),
            );
        }
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(unpacked(opened, packed).take(MAX_BYTES));
        let header = reader
            .byte_headers()
            .map_err(|e| Finding::error("recording-csv", format!("{file}: {e}")).at(&file, 1, 0))?;
        let columns: Vec<String> = header
            .iter()
            .map(|c| {
                String::from_utf8_lossy(c)
                    .trim_start_matches('\u{feff}')
                    .to_owned()
            })
            .collect();
        let table = Table {
            file,
            reader,
            columns,
        };
        table.check(want, faults)?;
        Ok(table)
    }

    fn check(&self, want: &Columns<'_>, faults: &mut Faults) -> Result<(), Finding> {
        let missing: Vec<&str> = want
            .required
            .iter()
            .copied()
            .filter(|r| self.column(r).is_none())
            .collect();
        if !missing.is_empty() {
            return Err(Finding::error(
                "recording-missing-column",
                format!(
                    "the column{} `{}` {} missing",
                    if missing.len() > 1 { "s" } else { "" },
                    missing.join("`, `"),
                    if missing.len() > 1 { "are" } else { "is" }
                ),
            )
            .at(&self.file, 1, 0)
            .why(format!(
                "the first line must name at least `{}`",
                want.required.join(",")
            ))
            .help("see docs/recording.md for every column"));
        }
        for (i, c) in self.columns.iter().enumerate() {
            let known = want.required.iter().chain(want.optional).any(|k| k == c)
                || want
                    .prefixes
                    .iter()
                    .any(|p| c.len() > p.len() && c.starts_with(p));
            if self.columns[..i].contains(c) {
                faults.push(
                    Finding::warning(
                        "recording-column-twice",
                        format!("the column `{c}` comes twice; the first one counts"),
                    )
                    .at(&self.file, 1, 0),
                );
            } else if !known {
                let all = want.required.iter().chain(want.optional).copied();
                let near = config::nearest(c, all);
                faults.push(
                    Finding::warning(
                        "recording-unknown-column",
                        format!("the column `{c}` is not known and is ignored"),
                    )
                    .at(&self.file, 1, 0)
                    .help(
                        near.map(|n| format!("did you mean `{n}`?"))
                            .unwrap_or_default(),
                    ),
                );
            }
        }
        Ok(())
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// Columns that begin with `prefix`: their position and the rest of their name.
    pub fn with_prefix(&self, prefix: &str) -> Vec<(usize, String)> {
        self.columns
            .iter()
            .enumerate()
            .filter_map(|(i, c)| Some((i, c.strip_prefix(prefix)?.to_owned())))
            .filter(|(_, rest)| !rest.is_empty())
            .collect()
    }

    /// The next row into `row`, and its line. Lines that are no CSV are faults and skipped.
    pub fn next(&mut self, row: &mut ByteRecord, faults: &mut Faults) -> Option<u32> {
        loop {
            match self.reader.read_byte_record(row) {
                Ok(true) => {
                    let line = row.position().map_or(0, |p| p.line());
                    return Some(u32::try_from(line).unwrap_or(u32::MAX));
                }
                Ok(false) => return None,
                Err(e) => {
                    faults.push(Finding::error(
                        "recording-csv",
                        format!("{}: {e}", self.file),
                    ));
                    if e.is_io_error() {
                        return None;
                    }
                }
            }
        }
    }
}

/// The text of a cell; empty when the row is too short or the column is not there.
pub fn cell(row: &ByteRecord, column: Option<usize>) -> &[u8] {
    column.and_then(|c| row.get(c)).unwrap_or_default()
}

pub fn text(row: &ByteRecord, column: Option<usize>) -> Option<&str> {
    std::str::from_utf8(cell(row, column))
        .ok()
        .filter(|t| !t.is_empty())
}

/// A number that is not negative: `Ok(None)` when empty, `Err` with the reason otherwise.
pub fn number(row: &ByteRecord, column: Option<usize>, name: &str) -> Result<Option<f64>, String> {
    let bytes = cell(row, column);
    if bytes.is_empty() {
        return Ok(None);
    }
    let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
    match std::str::from_utf8(bytes)
        .ok()
        .and_then(|t| t.parse::<f64>().ok())
    {
        Some(v) if v.is_finite() && v >= 0.0 => Ok(Some(v)),
        Some(v) if v < 0.0 => Err(format!("`{name}` is negative: {v}")),
        _ => Err(format!("`{name}` is not a number: `{}`", shown())),
    }
}
