//! What the terminal is: colours only for people who look at them.

use std::io::IsTerminal;

/// Standard output is a terminal and NO_COLOR is not set.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// A table with these headings; it fits the terminal's width.
pub fn table(headings: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_header(headings.iter().copied());
    table
}

/// A JSON list of names in words.
pub fn list(names: &serde_json::Value) -> String {
    let all: Vec<&str> = names.as_array().map_or(Vec::new(), |a| {
        a.iter().filter_map(|n| n.as_str()).collect()
    });
    if all.is_empty() {
        "none".into()
    } else {
        all.join(", ")
    }
}

/// Width for pages of text: the terminal's, else a common one.
pub fn width() -> u16 {
    comfy_table::Table::new()
        .width()
        .unwrap_or(crate::show::page::WIDTH)
}
