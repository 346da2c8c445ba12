//! What answers look like: the words of `shapes/*.json` as JSON Schema.
//!
//! Those files are one table. A key is a call (`get /api/v1/routes`) or the name of a shape (`Route`), a value is a shape:
//!
//! | written | means |
//! |---|---|
//! | `"text"`, `"number"`, `"integer"`, `"whole"`, `"flag"`, `"null"`, `"any"` | a value of that kind; `whole` is an integer from 0 |
//! | `"'page'"` | this text and no other |
//! | `"Route"` | what stands under that name |
//! | `"number or null: seconds"` | one of several; after the colon, what it is |
//! | `["text"]`, `["whole", "text"]` | any number of the one; exactly these |
//! | `{ "a": …, "b?": …, "*": …, "+": "Route" }` | fields; one that may be missing; any others; all those of another shape |

use serde_json::{Map, Value, json};
use std::sync::LazyLock;

const FILES: &[&str] = &[
    include_str!("../shapes/carried.json"),
    include_str!("../shapes/control.json"),
    include_str!("../shapes/learned.json"),
    include_str!("../shapes/prometheus.json"),
    include_str!("../shapes/promised.json"),
    include_str!("../shapes/seen.json"),
];

/// By the name of a shape, or of a call.
static ALL: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let read = |text: &&str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    FILES.iter().flat_map(read).collect()
});

/// What a call answers; `None`: the table has no line for it.
pub fn answer(method: &str, path: &str) -> Option<Value> {
    ALL.get(&format!("{method} {path}")).map(schema)
}

/// Every shape that has a name.
pub fn named() -> Map<String, Value> {
    let names = ALL.iter().filter(|(name, _)| is_name(name));
    names
        .map(|(name, shape)| (name.clone(), schema(shape)))
        .collect()
}

/// Every call that the table has.
#[cfg(test)]
pub fn calls() -> std::collections::BTreeSet<String> {
    ALL.keys().filter(|k| k.contains(' ')).cloned().collect()
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
}

fn schema(shape: &Value) -> Value {
    match shape {
        Value::String(words) => one_of(words),
        Value::Array(all) => match all.as_slice() {
            [each] => json!({ "type": "array", "items": schema(each) }),
            all => {
                let (each, n): (Vec<Value>, _) = (all.iter().map(schema).collect(), all.len());
                json!({ "type": "array", "prefixItems": each, "minItems": n, "maxItems": n })
            }
        },
        Value::Object(fields) => object(fields),
        _ => json!({}),
    }
}

fn object(fields: &Map<String, Value>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    let mut out = json!({ "type": "object" });
    for (name, shape) in fields {
        match (name.as_str(), name.strip_suffix('?')) {
            ("*", _) => out["additionalProperties"] = schema(shape),
            ("+", _) => {
                let of = shape.as_str().and_then(|name| ALL.get(name));
                let other = of.map(schema).unwrap_or_default();
                properties.extend(other["properties"].as_object().cloned().unwrap_or_default());
                required.extend(other["required"].as_array().cloned().unwrap_or_default());
            }
            (_, Some(name)) => drop(properties.insert(name.to_owned(), schema(shape))),
            (name, None) => {
                properties.insert(name.to_owned(), schema(shape));
                required.push(name.into());
            }
        }
    }
    out["properties"] = properties.into();
    out["required"] = required.into();
    out
}

fn one_of(words: &str) -> Value {
    let (kinds, about) = match words.split_once(": ") {
        Some((kinds, about)) => (kinds, Some(about)),
        None => (words, None),
    };
    let kinds: Vec<&str> = kinds.split(" or ").collect();
    let texts: Vec<&str> = kinds.iter().filter_map(|k| quoted(k)).collect();
    let mut out = match kinds.as_slice() {
        [only] => kind(only),
        _ if texts.len() == kinds.len() => json!({ "type": "string", "enum": texts }),
        all => json!({ "anyOf": all.iter().map(|k| kind(k)).collect::<Vec<_>>() }),
    };
    if let Some(about) = about {
        out["description"] = about.into();
    }
    out
}

fn quoted(word: &str) -> Option<&str> {
    word.strip_prefix('\'')?.strip_suffix('\'')
}

fn kind(word: &str) -> Value {
    match (word, quoted(word)) {
        (_, Some(text)) => json!({ "const": text }),
        ("text", _) => json!({ "type": "string" }),
        ("flag", _) => json!({ "type": "boolean" }),
        ("whole", _) => json!({ "type": "integer", "minimum": 0 }),
        ("number" | "integer" | "null", _) => json!({ "type": word }),
        (name, _) if is_name(name) => json!({ "$ref": format!("#/components/schemas/{name}") }),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn words_become_a_schema() {
        let shape = json!({ "a": "number or null: seconds", "b?": ["text"], "c": "'x' or 'y'", "*": "any" });
        let expected = json!({
            "type": "object",
            "properties": {
                "a": { "anyOf": [{ "type": "number" }, { "type": "null" }], "description": "seconds" },
                "b": { "type": "array", "items": { "type": "string" } },
                "c": { "type": "string", "enum": ["x", "y"] },
            },
            "required": ["a", "c"],
            "additionalProperties": {},
        });
        assert_eq!(schema(&shape), expected);
        let pair = json!({ "type": "array", "prefixItems": [{ "$ref": "#/components/schemas/Route" }, { "type": "integer", "minimum": 0 }],
            "minItems": 2, "maxItems": 2 });
        assert_eq!(schema(&json!(["Route", "whole"])), pair);
    }

    /// Each file is JSON, each name stands in one of them, and each word is known.
    #[test]
    fn the_table_is_whole() {
        let mut names = BTreeSet::new();
        for file in FILES {
            let all: Map<String, Value> = serde_json::from_str(file).unwrap();
            for (name, shape) in &all {
                assert!(names.insert(name.clone()), "twice: {name}");
                words(shape, &mut |word| {
                    let known = ["text", "number", "integer", "whole", "flag", "null", "any"];
                    let is =
                        known.contains(&word) || quoted(word).is_some() || ALL.contains_key(word);
                    assert!(is, "`{word}` in {name}");
                });
            }
        }
    }

    fn words(shape: &Value, each: &mut impl FnMut(&str)) {
        match shape {
            Value::String(text) => {
                let kinds = text.split(": ").next().unwrap();
                kinds.split(" or ").for_each(each);
            }
            Value::Array(all) => all.iter().for_each(|s| words(s, each)),
            Value::Object(all) => all.values().for_each(|s| words(s, each)),
            other => panic!("{other} is no shape"),
        }
    }
}
