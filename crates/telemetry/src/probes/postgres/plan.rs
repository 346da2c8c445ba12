//! What a generic plan says of a missing index.

use serde_json::Value;

/// A scan of a whole table under a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct SeqScan {
    pub table: String,
    pub filter: String,
}

/// Depth of a plan that is read; deeper ones are nobody's work.
const DEPTH: usize = 64;

/// The filtered sequential scans of an `EXPLAIN (FORMAT JSON)`.
pub fn scans(plan: &Value) -> Vec<SeqScan> {
    let mut found = Vec::new();
    walk(&plan[0]["Plan"], 0, &mut found);
    found
}

fn walk(node: &Value, depth: usize, found: &mut Vec<SeqScan>) {
    if depth > DEPTH {
        return;
    }
    let text = |key: &str| node[key].as_str();
    if let ("Seq Scan", Some(table), Some(filter)) = (
        text("Node Type").unwrap_or_default(),
        text("Relation Name"),
        text("Filter"),
    ) {
        found.push(SeqScan {
            table: table.to_owned(),
            filter: filter.to_owned(),
        });
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, depth + 1, found);
    }
}

/// Those of `columns` that the filter compares in a way that a B-tree serves, equalities first.
pub fn indexable(filter: &str, columns: &[String]) -> Vec<String> {
    let rank = |c: &String| compared(filter, c);
    let mut found: Vec<(u8, &String)> =
        columns.iter().filter_map(|c| Some((rank(c)?, c))).collect();
    found.sort_by_key(|f| f.0);
    found.into_iter().map(|f| f.1.clone()).collect()
}

/// 0: compared for equality, 1: as a range, `None`: not at all, or inside a call or an OR.
fn compared(filter: &str, column: &str) -> Option<u8> {
    if filter.contains(" OR ") {
        return None;
    }
    let mut from = 0;
    while let Some(at) = filter[from..].find(column).map(|i| i + from) {
        from = at + column.len();
        let before = filter[..at].trim_end_matches('"');
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '\'');
        let opens = before.trim_end_matches('(');
        let called = opens.len() < before.len() && opens.ends_with(word);
        let after = filter[from..].trim_start_matches('"');
        if before.ends_with(word) || after.starts_with(word) || called {
            continue;
        }
        match operator(after) {
            "=" => return Some(0),
            "<" | ">" | "<=" | ">=" => return Some(1),
            _ => {}
        }
    }
    None
}

/// The operator that follows a column, past its closing bracket and its cast.
fn operator(after: &str) -> &str {
    let mut rest = after.trim_start();
    loop {
        let past = rest.trim_start_matches(')');
        let past = match past.strip_prefix("::") {
            Some(cast) => cast.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
            None => past,
        };
        if past.len() == rest.len() {
            break;
        }
        rest = past;
    }
    let rest = rest.trim_start();
    let end = rest
        .find(|c: char| {
            !matches!(
                c,
                '=' | '<' | '>' | '!' | '~' | '*' | '@' | '&' | '|' | '?' | '#'
            )
        })
        .unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scans_are_found_wherever_they_are() {
        let scan = json!({ "Node Type": "Seq Scan", "Relation Name": "orders", "Filter": "(customer = $1)" });
        let plan = json!([{ "Plan": { "Node Type": "Limit", "Plans": [
            { "Node Type": "Seq Scan", "Relation Name": "small" },
            { "Node Type": "Gather", "Plans": [scan] },
        ] } }]);
        let found = scans(&plan);
        assert_eq!(found.len(), 1, "one without a condition needs every row");
        assert_eq!(found[0].table, "orders");
        assert!(scans(&json!("nonsense")).is_empty());
    }

    #[test]
    fn only_comparisons_that_an_index_serves_count() {
        let columns: Vec<String> = ["id", "customer", "at", "name"].map(String::from).into();
        let of = |filter: &str| indexable(filter, &columns).join(",");
        assert_eq!(of("(customer = $1)"), "customer");
        assert_eq!(of("((at > $2) AND (customer = $1))"), "customer,at");
        assert_eq!(of("((name)::text = ($1)::text)"), "name");
        assert_eq!(of("(customer = ANY ($1))"), "customer");
        assert_eq!(of("(\"customer\" <= $1)"), "customer");
        for none in [
            "(name ~~ $1)",
            "(lower((name)::text) = $1)",
            "(customer <> $1)",
            "((customer = $1) OR (id = $2))",
            "(customer_id = $1)",
            "",
        ] {
            assert_eq!(of(none), "", "{none}");
        }
    }
}
