//! Whether an answer of the API is what `openapi.json` says. Stricter than JSON Schema: a field that is not told is a mistake.

use serde_json::Value;

/// `target`: as it was asked for, with its query. Answers other than 200 are held against the schema of errors.
pub fn check(
    document: &Value,
    method: &str,
    target: &str,
    status: u16,
    body: &Value,
) -> Result<(), String> {
    let path = target.split('?').next().unwrap_or(target);
    let paths = document["paths"].as_object().ok_or("no paths")?;
    let fitting = || paths.iter().find(|(template, _)| fits(template, path));
    let operation = match paths.get_key_value(path).or_else(fitting) {
        Some((_, methods)) => &methods[method],
        None => return Err(format!("{path} is not in the document")),
    };
    let responses = &operation["responses"];
    let response = match &responses[status.to_string()] {
        Value::Null => resolve(document, &responses["default"]),
        told => resolve(document, told),
    };
    let contents = response["content"].as_object().ok_or("no content")?;
    let held = contents
        .values()
        .map(|c| is(document, &c["schema"], body, path));
    let wrong: Vec<String> = held
        .map(Result::err)
        .collect::<Option<_>>()
        .unwrap_or_default();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{method} {target}, {status}: {}",
            wrong.join("; or ")
        )),
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (all, asked): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let pairs = all.iter().zip(&asked);
    all.len() == asked.len() && pairs.into_iter().all(|(t, p)| t.starts_with('{') || t == p)
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(&Value::Null),
        None => schema,
    }
}

/// `at`: where it stands, for messages.
fn is(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolve(document, schema);
    if !schema.is_object() {
        return Err(format!("{at}: there is no such schema"));
    }
    let short: String = value.to_string().chars().take(200).collect();
    let not = |what: &str| Err(format!("{at}: {short} is not {what}"));
    if let Some(any) = schema["anyOf"].as_array() {
        let wrong = any.iter().map(|s| is(document, s, value, at));
        let wrong: Option<Vec<String>> = wrong.map(Result::err).collect();
        return wrong.map_or(Ok(()), |w| Err(w.join("; nor ")));
    }
    let kind = schema["type"].as_str();
    let right = match kind {
        None => true,
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => return Err(format!("{at}: the kind {other} is not known")),
    };
    if !right {
        return not(kind.unwrap_or_default());
    }
    if schema["minimum"].as_i64() == Some(0) && value.as_i64().is_some_and(|n| n < 0) {
        return not("0 or more");
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        return not(&schema["const"].to_string());
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|all| !all.contains(value))
    {
        return not(&format!("one of {}", schema["enum"]));
    }
    match value {
        Value::Array(all) if kind == Some("array") => array(document, schema, all, at),
        Value::Object(_) if kind == Some("object") => object(document, schema, value, at),
        _ => Ok(()),
    }
}

fn array(document: &Value, schema: &Value, all: &[Value], at: &str) -> Result<(), String> {
    if let Some(each) = schema["prefixItems"].as_array() {
        if each.len() != all.len() {
            return Err(format!(
                "{at}: {} values instead of {}",
                all.len(),
                each.len()
            ));
        }
        let mut pairs = each.iter().zip(all).enumerate();
        return pairs.try_for_each(|(i, (s, v))| is(document, s, v, &format!("{at}[{i}]")));
    }
    let mut all = all.iter().enumerate();
    all.try_for_each(|(i, v)| is(document, &schema["items"], v, &format!("{at}[{i}]")))
}

fn object(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        if value.get(name).is_none() {
            return Err(format!("{at}: `{name}` is missing"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let told = schema["properties"].get(name);
        let Some(told) = told.or(schema.get("additionalProperties")) else {
            return Err(format!("{at}: `{name}` is not in the document"));
        };
        is(document, told, inner, &format!("{at}.{name}"))?;
    }
    Ok(())
}
