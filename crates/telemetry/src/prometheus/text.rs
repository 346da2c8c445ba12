//! The lines of the format: `HELP` and `TYPE` once per family, then its rows.

use std::fmt::Write;

/// Families of metrics, one after the other.
#[derive(Default)]
pub struct Page {
    out: String,
    family: &'static str,
    /// Head of a family that has no row yet; families without rows are left out.
    head: String,
}

impl Page {
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        self.head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub fn row(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.row_of(suffix, labels, value, None);
    }

    /// A row with a trace that it counts, and the trace's value: for OpenMetrics only.
    pub fn row_of(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        value: f64,
        exemplar: Option<&(u128, f64)>,
    ) {
        self.out.push_str(&std::mem::take(&mut self.head));
        self.out.push_str(self.family);
        self.out.push_str(suffix);
        for (i, (key, v)) in labels.iter().enumerate() {
            self.out.push(if i == 0 { '{' } else { ',' });
            let _ = write!(self.out, "{key}=\"{}\"", escape(v));
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = write!(self.out, " {}", number(value));
        if let Some((trace, took)) = exemplar {
            let took = number(*took);
            let _ = write!(self.out, " # {{trace_id=\"{trace:032x}\"}} {took}");
        }
        self.out.push('\n');
    }

    pub fn finish(self) -> String {
        self.out
    }
}

fn escape(v: &str) -> String {
    v.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn number(v: f64) -> String {
    if v.is_nan() {
        "NaN".into()
    } else if v.is_infinite() {
        if v > 0.0 { "+Inf" } else { "-Inf" }.into()
    } else {
        v.to_string()
    }
}
