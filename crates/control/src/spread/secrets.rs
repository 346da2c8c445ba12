//! Whether an operation has a secret written out in it, in what it sets or in what it replaces. Such a one stays on its node.

use config::Op;
use serde_json::Value;

/// Keys whose text is a secret, wherever they stand.
const KEYS: [&str; 8] = [
    "password",
    "postgres",
    "redis",
    "routing_key",
    "secret",
    "secrets",
    "token",
    "tokens",
];
/// The same beyond routes and services, where they mean something else.
const ELSEWHERE: [&str; 4] = ["durable", "headers", "shared", "url"];

/// A reference (`{ env: NAME }`) is none.
pub fn carries(op: &Op) -> bool {
    let plain = ["routes", "services"];
    let secret = Secret {
        elsewhere: !op.path.first().is_some_and(|k| plain.contains(&k.as_str())),
    };
    let named = op.path.iter().any(|k| secret.is(k));
    let values = op.value.iter().chain(&op.base);
    values.into_iter().any(|v| secret.written(v, named))
}

struct Secret {
    elsewhere: bool,
}

impl Secret {
    fn is(&self, key: &str) -> bool {
        KEYS.contains(&key) || (self.elsewhere && ELSEWHERE.contains(&key))
    }

    /// `named`: under a key of a secret.
    fn written(&self, value: &Value, named: bool) -> bool {
        match value {
            Value::String(text) => named || config::mask(text) != *text,
            Value::Array(items) => items.iter().any(|v| self.written(v, named)),
            Value::Object(map) => map.iter().any(|(key, v)| {
                let reference = named && matches!(key.as_str(), "env" | "file");
                !reference && self.written(v, named || self.is(key))
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn op(path: &str, value: Value, base: Value) -> Op {
        Op {
            path: path.split('.').map(String::from).collect(),
            value: Some(value),
            base: Some(base),
        }
    }

    #[test]
    fn a_secret_is_seen_in_what_is_set_and_in_what_was_there() {
        let plain = json!({ "ttl": "10s", "shared": "true", "headers": ["x-a"] });
        assert!(!carries(&op("routes.a.cache", plain.clone(), Value::Null)));
        assert!(carries(&op("export.otlp", plain.clone(), Value::Null)));
        let by_name = json!({ "token": { "env": "TOKEN" } });
        assert!(!carries(&op("alerts.a", by_name, Value::Null)));
        let token = json!({ "token": "abc" });
        assert!(carries(&op("alerts.a", token.clone(), Value::Null)));
        assert!(carries(&op("routes.a", plain, token)));
        assert!(carries(&op("alerts.a.token", json!("abc"), Value::Null)));
        let url = json!(["postgres://u:pw@h/d"]);
        assert!(carries(&op("resources.db.anything", url, Value::Null)));
    }
}
