//! Bills as FOCUS writes them (CSV, versions 1.0 to 1.2): what AWS, Azure, Google and others export. Read as a stream; sums are exact.

mod compare;
#[cfg(test)]
mod tests;

pub use base::Amount;
pub use compare::{Compared, Line, Unmatched, compare};

use base::Finding;
use csv::StringRecord;
use std::collections::BTreeMap;
use std::io::Read;

/// Bytes of a file that are read.
pub const MAX_BYTES: u64 = 1 << 30;
/// Charges that are told apart, by service and resource; those of more are summed as one of their service.
const MAX_CHARGES: usize = 10_000;
/// Of all amounts together, in trillionths: whole micro-units of it are far from overflowing.
const MOST: i128 = 1_000_000_000_000 * 1_000_000_000_000;
/// Wrong rows that are told before reading is given up.
const MAX_FINDINGS: usize = 20;
/// The charge period of a row may not be longer, seconds: ten years.
const MAX_PERIOD_S: u64 = 3660 * 86_400;

/// What a bill charges for one resource of one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Charge {
    pub service: String,
    /// Empty where the row names none.
    pub resource: String,
    pub name: String,
    /// Of the tag `plimsoll`, which names one of our resources or services.
    pub tag: String,
    /// By begin and end, seconds since the Unix epoch.
    pub periods: BTreeMap<(u64, u64), Amount>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    pub currency: String,
    /// The column that was read.
    pub column: String,
    pub rows: u64,
    pub from_s: u64,
    pub to_s: u64,
    pub charges: Vec<Charge>,
}

/// Places of the columns that are read.
struct Columns {
    cost: usize,
    currency: usize,
    from: usize,
    to: usize,
    service: usize,
    resource: Option<usize>,
    name: Option<usize>,
    tags: Option<usize>,
}

/// `EffectiveCost` where the file has it: what was used in the time, whenever it was paid; else `BilledCost`.
pub fn read(file: &str, input: impl Read) -> Result<Bill, Vec<Finding>> {
    let mut input = csv::ReaderBuilder::new()
        .flexible(true)
        // So that each row ends at a line's end, which tells its line; a `\r` before is trimmed from its last field.
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(input.take(MAX_BYTES).chain(&b"\n"[..]));
    let failed = |e: &csv::Error| {
        let line = e.position().map_or(0, |p| p.line());
        vec![at(file, line, format!("it cannot be read as CSV: {e}"))]
    };
    let head = input.headers().map_err(|e| failed(&e))?.clone();
    let (columns, column) = columns(file, &head)?;
    let mut reading = Reading {
        file,
        columns,
        bill: Bill {
            column,
            from_s: u64::MAX,
            ..Bill::default()
        },
        weight: 0,
        places: BTreeMap::new(),
    };
    let (mut findings, mut record) = (Vec::new(), StringRecord::new());
    while input.read_record(&mut record).map_err(|e| failed(&e))? {
        if record.iter().all(|f| f.trim().is_empty()) {
            continue;
        }
        let line = line(&record, input.position().line());
        if let Err(what) = reading.row(&record) {
            findings.push(at(file, line, what));
        }
        if findings.len() >= MAX_FINDINGS {
            break;
        }
    }
    if input.into_inner().into_inner().0.limit() == 0 {
        findings.push(at(file, 0, format!("it is larger than {MAX_BYTES} bytes")));
    }
    match findings.is_empty() {
        true if reading.bill.rows == 0 => {
            Err(vec![at(file, 1, "it has no row with a cost".into())])
        }
        true => Ok(reading.bill),
        false => Err(findings),
    }
}

/// Where a row begins. What the reader says of it is where the one before ended, and blank lines may lie between; so it is told from the
/// line after its end, and from how many lines it has.
fn line(row: &StringRecord, after: u64) -> u64 {
    let within = row.iter().flat_map(str::bytes).filter(|b| *b == b'\n');
    after.saturating_sub(within.count() as u64 + 1).max(1)
}

fn at(file: &str, line: u64, what: String) -> Finding {
    Finding::error("focus", what)
        .at(file, u32::try_from(line).unwrap_or(u32::MAX), 0)
        .help("a FOCUS export (https://focus.finops.org) has a row for each charge, and names of columns in its first line")
}

fn columns(file: &str, head: &StringRecord) -> Result<(Columns, String), Vec<Finding>> {
    let place = |name: &str| {
        let same = |h: &str| h.trim().trim_start_matches('\u{feff}') == name;
        head.iter().position(same)
    };
    let mut missing = Vec::new();
    let mut need = |name: &str| {
        place(name).unwrap_or_else(|| {
            missing.push(at(file, 1, format!("it has no column `{name}`")));
            0
        })
    };
    let column = match place("EffectiveCost") {
        Some(_) => "EffectiveCost",
        None => "BilledCost",
    };
    let columns = Columns {
        cost: need(column),
        currency: need("BillingCurrency"),
        from: need("ChargePeriodStart"),
        to: need("ChargePeriodEnd"),
        service: need("ServiceName"),
        resource: place("ResourceId"),
        name: place("ResourceName"),
        tags: place("Tags"),
    };
    match missing.is_empty() {
        true => Ok((columns, column.to_owned())),
        false => Err(missing),
    }
}

struct Reading<'a> {
    file: &'a str,
    columns: Columns,
    bill: Bill,
    /// Sum of the amounts, whatever their sign.
    weight: i128,
    /// Of charges, by service, resource and tag.
    places: BTreeMap<(String, String, String), usize>,
}

impl Reading<'_> {
    fn row(&mut self, row: &StringRecord) -> Result<(), String> {
        let c = &self.columns;
        let field = |i: usize| row.get(i).unwrap_or("").trim();
        let optional = |i: Option<usize>| i.map_or("", field);
        let cost = field(c.cost);
        let cost = Amount::parse(cost).ok_or_else(|| format!("`{}` is no amount", short(cost)))?;
        self.weight += cost.0.abs();
        if self.weight > MOST {
            return Err("with it the bill is of more than 10^12: that is no bill".into());
        }
        let moment = |i: usize| {
            let text = field(i);
            moment(text)
                .ok_or_else(|| format!("`{}` is no time such as 2026-11-01T00:00:00Z", short(text)))
        };
        let (from_s, to_s) = (moment(c.from)?, moment(c.to)?);
        if to_s <= from_s || to_s - from_s > MAX_PERIOD_S {
            return Err(
                "its charge period does not end after it begins, or is longer than ten years"
                    .into(),
            );
        }
        let currency = field(c.currency);
        if self.bill.rows > 0 && currency != self.bill.currency {
            let (here, before) = (short(currency), short(&self.bill.currency));
            return Err(format!(
                "its currency is {here}, and was {before} before: give a file for each"
            ));
        }
        if self.bill.rows == 0 {
            self.bill.currency = currency.to_owned();
        }
        let tag = tag(optional(c.tags));
        let key = (
            field(c.service).to_owned(),
            optional(c.resource).to_owned(),
            tag,
        );
        let name = optional(c.name).to_owned();
        self.charge(key, name)
            .periods
            .entry((from_s, to_s))
            .or_default()
            .add(cost);
        let bill = &mut self.bill;
        (bill.from_s, bill.to_s) = (bill.from_s.min(from_s), bill.to_s.max(to_s));
        bill.rows += 1;
        Ok(())
    }

    fn charge(&mut self, key: (String, String, String), name: String) -> &mut Charge {
        let full = self.places.len() >= MAX_CHARGES;
        let key = match full && !self.places.contains_key(&key) {
            true => (key.0, String::new(), String::new()),
            false => key,
        };
        // Of services there are few; those of a hostile file end in one charge.
        let key = match self.places.len() >= 2 * MAX_CHARGES && !self.places.contains_key(&key) {
            true => (self.file.to_owned(), String::new(), String::new()),
            false => key,
        };
        let charges = &mut self.bill.charges;
        let place = *self.places.entry(key.clone()).or_insert_with(|| {
            let (service, resource, tag) = key;
            charges.push(Charge {
                service,
                resource,
                name,
                tag,
                periods: BTreeMap::new(),
            });
            charges.len() - 1
        });
        &mut charges[place]
    }
}

fn moment(text: &str) -> Option<u64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_second()).ok()
}

/// The value of the tag `plimsoll`.
fn tag(json: &str) -> String {
    let all: Option<BTreeMap<String, serde_json::Value>> = serde_json::from_str(json).ok();
    let value = all.as_ref().and_then(|t| t.get("plimsoll")?.as_str());
    value.unwrap_or("").to_owned()
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
