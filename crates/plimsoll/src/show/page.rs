//! A page of text: labelled lines, lists and tables, fitted to a width.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::fmt::Write;

/// Width when the output is no terminal.
pub const WIDTH: u16 = 120;
/// Columns that a label takes.
const LABEL: usize = 12;

pub struct Page {
    text: String,
    width: u16,
}

impl Page {
    pub fn new(width: u16) -> Page {
        Page {
            text: String::new(),
            width: width.max(60),
        }
    }

    pub fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A label and its lines; nothing when there are none.
    pub fn labelled<T: AsRef<str>>(&mut self, label: &str, lines: impl IntoIterator<Item = T>) {
        let room = (self.width as usize).saturating_sub(LABEL);
        let wrapped = lines.into_iter().flat_map(|l| wrap(l.as_ref(), room));
        for (i, line) in wrapped.enumerate() {
            let label = if i == 0 { label } else { "" };
            let _ = writeln!(self.text, "{label:<LABEL$}{line}");
        }
    }

    /// A heading and a table; nothing without rows. Columns of `right` hold numbers.
    pub fn table(
        &mut self,
        heading: &str,
        columns: &[&str],
        right: &[usize],
        rows: Vec<Vec<String>>,
    ) {
        if rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(self.width);
        table.set_header(columns);
        table.add_rows(rows);
        for i in right {
            if let Some(c) = table.column_mut(*i) {
                c.set_cell_alignment(CellAlignment::Right);
            }
        }
        let _ = writeln!(self.text, "\n{heading}");
        for line in table.lines() {
            let _ = writeln!(self.text, " {}", line.trim_end());
        }
    }

    pub fn done(self) -> String {
        self.text
    }
}

/// Lines of at most `room` characters, broken between words; the first never holds less than one word.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let long = lines[last].chars().count() + 1 + word.chars().count() > room;
        if !lines[last].is_empty() && long {
            lines.push(format!("  {word}"));
            continue;
        }
        if !lines[last].is_empty() {
            lines[last].push(' ');
        }
        lines[last].push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_tables_fit() {
        assert_eq!(wrap("one two three", 8), ["one two", "  three"]);
        let mut page = Page::new(60);
        page.labelled("evidence", ["a".repeat(5), "b".into()]);
        page.table(
            "t",
            &["name", "n"],
            &[1],
            vec![vec!["word ".repeat(30), "12".into()]],
        );
        page.table("empty", &["name"], &[], vec![]);
        let text = page.done();
        assert!(
            text.starts_with("evidence    aaaaa\n            b\n\nt\n"),
            "{text}"
        );
        assert!(
            !text.contains("empty") && text.lines().all(|l| l.chars().count() <= 61),
            "{text}"
        );
    }
}
