//! The part of `bench/diagnosis.md` that is made of the rows.

use super::kept::Kept;
use super::{tables, targets};
use std::fmt::Write;
use std::path::Path;

const BEGIN: &str = "<!-- from here on written by `cargo xtask bench diagnosis` -->";
const END: &str = "<!-- until here -->";

/// All tables; `wanted` is every scenario and seed that there should be, `notes` what went wrong in this run.
pub fn tables(rows: &[Kept], wanted: &[(String, u64)], notes: &[String]) -> String {
    let seen: Vec<Kept> = rows.iter().filter(|k| !k.row.is_null()).cloned().collect();
    let mut out = targets::table(&seen) + "\n";
    tables::answers(&mut out, &seen);
    tables::machines(&mut out, &seen);
    tables::named(&mut out, &seen);
    tables::lines(&mut out, &seen);
    tables::estimates(&mut out, &seen);
    let _ = writeln!(out, "\n{}", missing(rows, wanted));
    for note in notes {
        let _ = writeln!(out, "\n{note}");
    }
    out
}

/// What there is no row of, or no line.
fn missing(rows: &[Kept], wanted: &[(String, u64)]) -> String {
    let mut all = Vec::new();
    for (scenario, seed) in wanted {
        let found = rows
            .iter()
            .find(|k| k.scenario == *scenario && k.seed == *seed);
        let parts = match found {
            Some(k) => k.missing(),
            None => Kept::new(scenario, *seed).missing(),
        };
        if !parts.is_empty() {
            all.push(format!("{scenario}, seed {seed}: {}", parts.join(", ")));
        }
    }
    match all.is_empty() {
        true => "Nothing is missing.".into(),
        false => format!("Not measured yet, by scenario: {}.", all.join("; ")),
    }
}

/// The page with the tables in their place.
fn placed(page: &str, tables: &str) -> Result<String, String> {
    let (before, rest) = page
        .split_once(BEGIN)
        .ok_or(format!("it has no `{BEGIN}`"))?;
    let (_, after) = rest.split_once(END).ok_or(format!("it has no `{END}`"))?;
    Ok(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        tables.trim()
    ))
}

pub fn write(path: &Path, tables: &str) -> Result<(), String> {
    let named = |e: String| format!("{}: {e}", path.display());
    let page = std::fs::read_to_string(path).map_err(|e| named(e.to_string()))?;
    let page = placed(&page, tables).map_err(named)?;
    std::fs::write(path, page).map_err(|e| named(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("# Words\n\n{BEGIN}\nold\n{END}\n\nMore words\n");
        let new = placed(&page, "new\n").unwrap();
        assert_eq!(
            new,
            format!("# Words\n\n{BEGIN}\n\nnew\n\n{END}\n\nMore words\n")
        );
        assert_eq!(placed(&new, "new").unwrap(), new);
        assert!(placed("nothing", "new").is_err());
    }

    #[test]
    fn rows_that_are_missing_are_named() {
        let wanted = vec![
            ("lock".to_owned(), 1),
            ("pool".to_owned(), 2),
            ("done".to_owned(), 2),
        ];
        let mut done = Kept::new("done", 2);
        done.row = json!({ "asks": "constraint" });
        let said = missing(&[done], &wanted);
        assert_eq!(
            said,
            "Not measured yet, by scenario: lock, seed 1: watch, line, lifted, runner-up; pool, seed 2: watch."
        );
        assert_eq!(missing(&[], &[]), "Nothing is missing.");
    }
}
