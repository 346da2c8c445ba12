//! The metrics page as metrics of OTLP: the names of OpenMetrics (counters without `_total`), so that whoever exposes them to
//! Prometheus again gets the same page.

use super::message::{Attributes, Data, Metric, Point, Spread, Value};

/// From our own page in Prometheus' text format. Lines that cannot be read are left out.
pub fn from_text(page: &str) -> Vec<Metric> {
    let mut all: Vec<Family> = Vec::new();
    let mut help = "";
    for line in page.lines() {
        if let Some(said) = line.strip_prefix("# HELP ") {
            help = said.split_once(' ').map_or("", |s| s.1);
        } else if let Some(said) = line.strip_prefix("# TYPE ") {
            if let Some((name, kind)) = said.split_once(' ') {
                all.push(Family::new(name, kind, help));
            }
        } else if let (Some(family), Some(row)) = (all.last_mut(), row(line)) {
            family.add(row);
        }
    }
    let made = all.into_iter().map(Family::made);
    made.filter(|m| m.data.points() > 0).collect()
}

struct Family {
    name: String,
    kind: String,
    help: String,
    points: Vec<Point>,
    spreads: Vec<Spread>,
}

struct Row<'a> {
    name: &'a str,
    labels: Vec<(String, String)>,
    value: f64,
}

/// `name{labels} value`, perhaps with an exemplar behind it.
fn row(line: &str) -> Option<Row<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((key.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.split_whitespace().next()?;
    let value = value.replace("Inf", "inf").parse().ok()?;
    Some(Row {
        name,
        labels,
        value,
    })
}

/// Up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut all = text.char_indices();
    while let Some((i, c)) = all.next() {
        match c {
            '"' => return Some((out, text.get(i + 1..)?)),
            '\\' => match all.next()?.1 {
                'n' => out.push('\n'),
                c => out.push(c),
            },
            c => out.push(c),
        }
    }
    None
}

impl Family {
    fn new(name: &str, kind: &str, help: &str) -> Family {
        let short = match kind {
            "counter" => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        Family {
            name: short.into(),
            kind: kind.into(),
            help: help.into(),
            points: Vec::new(),
            spreads: Vec::new(),
        }
    }

    fn add(&mut self, mut row: Row<'_>) {
        if self.kind == "histogram" {
            let le = row.labels.iter().position(|(key, _)| key == "le");
            let le = le.map(|i| row.labels.remove(i).1);
            self.part(row, le);
        } else if row.value.is_finite() {
            self.points.push(Point {
                attributes: attributes(row.labels),
                value: row.value,
            });
        }
    }

    /// A line of a histogram: its buckets come first, in their order, then sum and count.
    fn part(&mut self, row: Row<'_>, le: Option<String>) {
        let attributes = attributes(row.labels);
        if self
            .spreads
            .last()
            .is_none_or(|s| s.attributes != attributes)
        {
            self.spreads.push(Spread {
                attributes,
                ..Spread::default()
            });
        }
        let Some(spread) = self.spreads.last_mut() else {
            return;
        };
        if let Some(le) = le {
            let before: u64 = spread.counts.iter().sum();
            spread
                .counts
                .push((row.value as u64).saturating_sub(before));
            if let Some(bound) = le.parse::<f64>().ok().filter(|b| b.is_finite()) {
                spread.bounds.push(bound);
            }
        } else if row.name.ends_with("_sum") {
            spread.sum = row.value;
        }
    }

    fn made(self) -> Metric {
        let whole = |s: &Spread| s.counts.len() == s.bounds.len() + 1;
        let data = match self.kind.as_str() {
            "counter" => Data::Sum(self.points),
            "histogram" => Data::Histogram(self.spreads.into_iter().filter(whole).collect()),
            _ => Data::Gauge(self.points),
        };
        Metric {
            unit: unit(&self.name),
            name: self.name,
            help: self.help,
            data,
        }
    }
}

fn attributes(labels: Vec<(String, String)>) -> Attributes {
    let named = |(key, value): (String, String)| (key.into(), Value::Text(value));
    labels.into_iter().map(named).collect()
}

/// What the name says of it.
fn unit(name: &str) -> &'static str {
    let ends = |end: &str| name.ends_with(end);
    match () {
        () if ends("_seconds") => "s",
        () if ends("_bytes") => "By",
        () if ends("_ratio") => "1",
        () => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_keep_their_names_kinds_and_labels() {
        let page = "# HELP a_total A thing.\n# TYPE a_total counter\na_total{x=\"1\",y=\"q\\\"}\\n\"} 2\na_total 3\n\
            # HELP t_seconds How long.\n# TYPE t_seconds histogram\nt_seconds_bucket{r=\"a\",le=\"0.1\"} 1\n\
            t_seconds_bucket{r=\"a\",le=\"+Inf\"} 4 # {trace_id=\"00\"} 0.2\nt_seconds_sum{r=\"a\"} 2.5\n\
            t_seconds_count{r=\"a\"} 4\nt_seconds_bucket{r=\"b\",le=\"0.1\"} 0\nt_seconds_bucket{r=\"b\",le=\"+Inf\"} 0\n\
            # HELP g_bytes G.\n# TYPE g_bytes gauge\ng_bytes NaN\ng_bytes{} 7\nrubbish\nopen{a=\"b\n";
        let all = from_text(page);
        let names: Vec<_> = all.iter().map(|m| (m.name.as_str(), m.unit)).collect();
        assert_eq!(names, [("a", ""), ("t_seconds", "s"), ("g_bytes", "By")]);
        assert_eq!(all[0].help, "A thing.");
        let Data::Sum(points) = &all[0].data else {
            panic!()
        };
        assert_eq!(points[0].attributes[1].1, Value::Text("q\"}\n".into()));
        assert_eq!((points[0].value, points[1].value), (2.0, 3.0));
        let Data::Histogram(spreads) = &all[1].data else {
            panic!()
        };
        assert_eq!((spreads.len(), &spreads[0].counts), (2, &vec![1, 3]));
        assert_eq!((&spreads[0].bounds, spreads[0].sum), (&vec![0.1], 2.5));
        assert_eq!(all[2].data.points(), 1, "what is no number is left out");
    }
}
