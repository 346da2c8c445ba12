//! The streams: two buckets as `nats kv` makes them, with lifetimes, and one of jobs; with bounds, and numbers that are never given
//! out again.

use super::{Options, subject};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most bytes of all leases.
const LEASES: u64 = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kv,
    Jobs,
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

pub fn of_jobs(options: &Options) -> Bucket {
    Bucket {
        name: format!("{}_jobs", options.prefix),
        kind: Kind::Jobs,
        size: options.size,
        replicas: options.replicas,
    }
}

impl Bucket {
    pub fn stream(&self) -> String {
        match self.kind {
            Kind::Kv => format!("KV_{}", self.name),
            Kind::Jobs => self.name.clone(),
        }
    }

    fn subjects(&self) -> String {
        match self.kind {
            Kind::Kv => format!("$KV.{}.>", self.name),
            Kind::Jobs => format!("{}.>", self.name),
        }
    }

    /// The oldest version of a server that has what it needs: values with a lifetime and reads of many at once, and for jobs many
    /// messages that are stored all or none.
    pub fn oldest(&self) -> [u32; 2] {
        match self.kind {
            Kind::Kv => [2, 11],
            Kind::Jobs => [2, 12],
        }
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
            "subjects": [self.subjects()],
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
            "allow_msg_ttl": self.kind == Kind::Kv,
            "allow_atomic": self.kind == Kind::Jobs,
            "first_seq": now.unwrap_or_default().as_micros() as u64,
        })
    }

    /// What a stream's config must have and has not.
    pub fn unfit(&self, config: &Value) -> Option<&'static str> {
        match self.kind {
            Kind::Kv => unfit(config),
            Kind::Jobs => unfit_for_jobs(config),
        }
    }
}

/// Nothing that has not ended may ever go by itself.
fn unfit_for_jobs(config: &Value) -> Option<&'static str> {
    let is = |key: &str| config[key] == true;
    let some = |key: &str| config[key].as_i64().unwrap_or(0) > 0;
    if config["max_msgs_per_subject"] != 1 {
        return Some("max_msgs_per_subject 1");
    }
    if config["retention"] != "limits" {
        return Some("retention limits");
    }
    if config["discard"] != "new" {
        return Some("discard new");
    }
    if some("max_age") {
        return Some("max_age 0 (jobs must not end by their age)");
    }
    if !is("allow_atomic") {
        return Some("allow_atomic");
    }
    if is("deny_delete") || is("deny_purge") {
        return Some("the right to delete and purge messages (deny_delete, deny_purge)");
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
            jobs: false,
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

    #[test]
    fn a_stream_of_jobs_that_may_lose_some_is_refused() {
        let options = Options {
            url: String::new(),
            ca: None,
            prefix: "p".into(),
            replicas: 1,
            size: 7,
            jobs: false,
        };
        let jobs = of_jobs(&options);
        let config = jobs.config();
        assert_eq!(
            (jobs.unfit(&config), &config["name"]),
            (None, &json!("p_jobs"))
        );
        for (key, value) in [
            ("max_msgs_per_subject", json!(-1)),
            ("retention", json!("workqueue")),
            ("discard", json!("old")),
            ("max_age", json!(1)),
            ("allow_atomic", json!(null)),
            ("deny_purge", json!(true)),
        ] {
            let mut config = config.clone();
            config[key] = value;
            let lack = jobs.unfit(&config).unwrap();
            assert!(lack.contains(key.split('_').next_back().unwrap()), "{key}");
        }
    }
}
