//! Answers in Prometheus' form. Written as text: an answer may have hundreds of thousands of values.

use past::promql::{Answer, Line, Steps, Value, is_there};
use serde_json::json;
use std::fmt::Write;

pub fn error(kind: &str, why: &str) -> String {
    json!({ "status": "error", "errorType": kind, "error": why }).to_string()
}

pub fn data(data: &serde_json::Value) -> String {
    json!({ "status": "success", "data": data }).to_string()
}

pub fn range(answer: Answer, steps: Steps) -> String {
    let lines = match answer.value {
        Value::Vector(lines) => lines,
        // The same for every step: one line without labels.
        Value::Scalar(values) => vec![Line {
            name: None,
            labels: Vec::new(),
            values,
        }],
    };
    let mut out = begin("matrix");
    out.push('[');
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        metric(&mut out, line);
        out.push_str(",\"values\":[");
        let there = line.values.iter().zip(steps.all());
        for (i, (value, at)) in there.filter(|(v, _)| is_there(**v)).enumerate() {
            if i > 0 {
                out.push(',');
            }
            point(&mut out, at, *value);
        }
        out.push_str("]}");
    }
    out.push(']');
    end(out, &answer.warnings)
}

pub fn instant(answer: &Answer, at_ms: i64) -> String {
    let lines = match &answer.value {
        Value::Vector(lines) => lines,
        Value::Scalar(values) => {
            let mut out = begin("scalar");
            point(&mut out, at_ms, values.first().copied().unwrap_or(f64::NAN));
            return end(out, &answer.warnings);
        }
    };
    let mut out = begin("vector");
    out.push('[');
    let there = |l: &Line| {
        Some((
            l.values.first().copied().filter(|v| is_there(*v))?,
            l.clone(),
        ))
    };
    for (i, (value, line)) in lines.iter().filter_map(there).enumerate() {
        if i > 0 {
            out.push(',');
        }
        metric(&mut out, &line);
        out.push_str(",\"value\":");
        point(&mut out, at_ms, value);
        out.push('}');
    }
    out.push(']');
    end(out, &answer.warnings)
}

fn begin(kind: &str) -> String {
    format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"{kind}\",\"result\":")
}

fn end(mut out: String, warnings: &[String]) -> String {
    out.push('}');
    if !warnings.is_empty() {
        let _ = write!(out, ",\"warnings\":{}", json!(warnings));
    }
    out.push('}');
    out
}

fn metric(out: &mut String, line: &Line) {
    let mut labels = serde_json::Map::new();
    if let Some(name) = &line.name {
        labels.insert("__name__".into(), name.as_str().into());
    }
    let owned = |l: &(String, String)| (l.0.clone(), l.1.as_str().into());
    labels.extend(line.labels.iter().map(owned));
    let _ = write!(out, "{{\"metric\":{}", serde_json::Value::Object(labels));
}

fn point(out: &mut String, at_ms: i64, value: f64) {
    let _ = match at_ms % 1000 {
        0 => write!(out, "[{},\"", at_ms / 1000),
        _ => write!(out, "[{},\"", at_ms as f64 / 1000.0),
    };
    let _ = match value {
        v if v.is_nan() => write!(out, "NaN\"]"),
        v if v.is_infinite() => write!(out, "{}Inf\"]", if v > 0.0 { '+' } else { '-' }),
        v => write!(out, "{v}\"]"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_texts_and_numbers_have_no_exponent() {
        let mut out = String::new();
        for (at, v) in [
            (1000, 1e21),
            (1500, f64::NAN),
            (0, -0.5),
            (0, f64::NEG_INFINITY),
        ] {
            point(&mut out, at, v);
        }
        assert_eq!(
            out,
            "[1,\"1000000000000000000000\"][1.5,\"NaN\"][0,\"-0.5\"][0,\"-Inf\"]"
        );
    }
}
