//! The two buckets: streams as `nats kv` makes them, with lifetimes, bounds, and numbers that are never given out again.

use super::{Options, subject};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most bytes of all leases.
const LEASES: u64 = 16 << 20;

#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    /// Most bytes.
    size: u64,
    replicas: u32,
}

/// Of values, and of leases.
pub fn of(options: &Options) -> [Bucket; 2] {
    let bucket = |kind: &str, size: u64| Bucket {
        name: format!("{}_{kind}", options.prefix),
        size,
        replicas: options.replicas,
    };
    [bucket("values", options.size), bucket("leases", LEASES)]
}

impl Bucket {
    pub fn stream(&self) -> String {
        format!("KV_{}", self.name)
    }

    /// Where a key of it is.
    pub fn subject(&self, key: &str) -> String {
        subject::subject(&self.name, key)
    }

    /// Numbers begin with the present microsecond: should the stream be lost and made anew, they go on above those that it gave out.
    pub fn config(&self) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        json!({
            "name": self.stream(),
            "description": "Plimsoll",
            "subjects": [format!("$KV.{}.>", self.name)],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_consumers": -1,
            "max_msgs": -1,
            "max_msgs_per_subject": 1,
            "max_msg_size": -1,
            "max_bytes": self.size,
            "max_age": 0,
            "num_replicas": self.replicas,
            "duplicate_window": 120_000_000_000u64,
            "allow_direct": true,
            "allow_rollup_hdrs": true,
            "allow_msg_ttl": true,
            "first_seq": now.unwrap_or_default().as_micros() as u64,
        })
    }
}

/// What a stream's config must have and has not.
pub fn unfit(config: &Value) -> Option<&'static str> {
    let is = |key: &str| config[key] == true;
    if config["max_msgs_per_subject"] != 1 {
        return Some("max_msgs_per_subject 1");
    }
    if !is("allow_direct") {
        return Some("allow_direct");
    }
    if !is("allow_msg_ttl") {
        return Some("allow_msg_ttl");
    }
    if is("deny_delete") {
        return Some("the right to delete messages (deny_delete)");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_makes_is_fit_and_each_lack_is_named() {
        let options = Options {
            url: String::new(),
            ca: None,
            prefix: "p".into(),
            replicas: 3,
            size: 7,
        };
        let [values, leases] = of(&options);
        let config = values.config();
        assert_eq!((unfit(&config), unfit(&leases.config())), (None, None));
        assert_eq!(config["name"], "KV_p_values");
        assert_eq!(
            (&config["num_replicas"], &config["max_bytes"]),
            (&json!(3), &json!(7))
        );
        for (key, value) in [
            ("max_msgs_per_subject", json!(5)),
            ("allow_direct", json!(false)),
            ("allow_msg_ttl", json!(null)),
            ("deny_delete", json!(true)),
        ] {
            let mut config = config.clone();
            config[key] = value;
            assert!(unfit(&config).unwrap().contains(key), "{key}");
        }
    }
}
