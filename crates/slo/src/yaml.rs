//! YAML as people write it: block style, one line for each value. Text that could be taken for anything else is in
//! quotes; a JSON string is a YAML string.

use serde_json::Value;

/// Columns for each level.
const STEP: usize = 2;

/// One document, with a newline at its end.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(_) | Value::Array(_) if !empty(value) => block(&mut out, value, 0),
        _ => out = scalar(value) + "\n",
    }
    out
}

fn empty(value: &Value) -> bool {
    value.as_object().is_some_and(|m| m.is_empty())
        || value.as_array().is_some_and(|l| l.is_empty())
}

fn block(out: &mut String, value: &Value, depth: usize) {
    let indent = " ".repeat(depth * STEP);
    match value {
        Value::Object(map) => {
            for (key, v) in map {
                out.push_str(&format!("{indent}{}:", text(key)));
                below(out, v, depth + 1);
            }
        }
        Value::Array(list) => {
            for v in list {
                let mut item = String::new();
                match v {
                    Value::Object(_) | Value::Array(_) if !empty(v) => {
                        block(&mut item, v, depth + 1);
                        // The first line of the item stands behind its dash.
                        item.replace_range(..(depth + 1) * STEP, "");
                    }
                    _ => item = scalar(v) + "\n",
                }
                out.push_str(&format!("{indent}- {item}"));
            }
        }
        _ => out.push_str(&format!("{indent}{}\n", scalar(value))),
    }
}

/// What stands behind a key: on its line, or below it.
fn below(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(_) | Value::Array(_) if !empty(value) => {
            out.push('\n');
            block(out, value, depth);
        }
        _ => out.push_str(&format!(" {}\n", scalar(value))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(s) => text(s),
        other => other.to_string(),
    }
}

fn text(s: &str) -> String {
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'/';
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
    let word = matches!(
        s.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    match !word && s.bytes().next().is_some_and(first) && s.bytes().all(plain) {
        true => s.to_owned(),
        false => Value::from(s).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let value = json!({
            "plain": "route-home", "quoted": ["yes", "0.5", "a: b", "", "tab\t\"q\"", "1d"],
            "deep": [{ "a": { "b": [1, true, null] }, "c": {} }, [["x"]], []],
            "number": 0.001,
        });
        let text = write(&value);
        let (document, findings) = config::Document::parse("x.yaml", &text);
        assert!(findings.is_empty(), "{findings:?}\n{text}");
        // The config's reader takes every scalar as text.
        let read = document.root.to_json();
        assert_eq!(read["quoted"], value["quoted"], "{text}");
        assert_eq!(read["deep"][1], value["deep"][1], "{text}");
        assert_eq!(read["plain"], "route-home");
        assert!(text.contains("  - a:\n      b:\n"), "{text}");
    }
}
