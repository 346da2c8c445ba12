//! The two buckets: streams as `nats kv` makes them, with lifetimes, bounds, and numbers that are never given out again. And the stream of
//! events, of which nothing is taken out.

use super::{Options, subject};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most bytes of all leases.
const LEASES: u64 = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kv,
    Events,
}

#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    kind: Kind,
    /// Most bytes.
    size: u64,
    replicas: u32,
}

/// Of values, and of leases.
pub fn of(options: &Options) -> [Bucket; 2] {
    let bucket = |kind: &str, size: u64| Bucket {
        name: format!("{}_{kind}", options.prefix),
        kind: Kind::Kv,
        size,
        replicas: options.replicas,
    };
    [bucket("values", options.size), bucket("leases", LEASES)]
}

/// Of events, where the config asks for it.
pub fn events(options: &Options) -> Option<Bucket> {
    Some(Bucket {
        name: format!("{}_events", options.prefix),
        kind: Kind::Events,
        size: options.events?,
        replicas: options.replicas,
    })
}

impl Bucket {
    pub fn stream(&self) -> String {
        match self.kind {
            Kind::Kv => format!("KV_{}", self.name),
            Kind::Events => self.name.clone(),
        }
    }

    /// Where a key of it is.
    pub fn subject(&self, key: &str) -> String {
        subject::subject(&self.name, key)
    }

    pub fn config(&self) -> Value {
        match self.kind {
            Kind::Kv => self.keys(),
            Kind::Events => self.log(),
        }
    }

    fn log(&self) -> Value {
        json!({
            "name": self.stream(),
            "description": "Plimsoll",
            "subjects": [format!("{}.>", self.name)],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_consumers": -1,
            "max_msgs": -1,
            "max_msgs_per_subject": -1,
            "max_msg_size": -1,
            "max_bytes": self.size,
            "max_age": 0,
            "num_replicas": self.replicas,
            "duplicate_window": 120_000_000_000u64,
            "deny_delete": true,
        })
    }

    /// Numbers begin with the present microsecond: should the stream be lost and made anew, they go on above those that it gave out.
    fn keys(&self) -> Value {
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

    /// What a stream's config must have and has not.
    pub fn unfit(&self, config: &Value) -> Option<&'static str> {
        match self.kind {
            Kind::Kv => unfit(config),
            Kind::Events => unfit_events(config),
        }
    }
}

/// Every message is read by every node, also by those that come later.
fn unfit_events(config: &Value) -> Option<&'static str> {
    let has = |key: &str| config[key].as_i64().is_some_and(|n| n > 0);
    if config["discard"] != "new" {
        return Some("discard `new`");
    }
    if config["retention"] != "limits" {
        return Some("retention `limits`");
    }
    if has("max_msgs_per_subject") {
        return Some("max_msgs_per_subject -1");
    }
    if has("max_age") {
        return Some("max_age 0");
    }
    None
}

fn unfit(config: &Value) -> Option<&'static str> {
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
            events: Some(9),
        };
        let [values, leases] = of(&options);
        let config = values.config();
        assert_eq!(
            (values.unfit(&config), leases.unfit(&leases.config())),
            (None, None)
        );
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
            assert!(values.unfit(&config).unwrap().contains(key), "{key}");
        }
        let events = events(&options).unwrap();
        let config = events.config();
        assert_eq!(events.unfit(&config), None);
        assert_eq!(
            (&config["name"], &config["max_bytes"]),
            (&json!("p_events"), &json!(9))
        );
        for (key, value) in [
            ("discard", json!("old")),
            ("retention", json!("workqueue")),
            ("max_msgs_per_subject", json!(1)),
            ("max_age", json!(5)),
        ] {
            let mut config = config.clone();
            config[key] = value;
            assert!(events.unfit(&config).unwrap().contains(key), "{key}");
        }
    }
}
