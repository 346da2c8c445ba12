//! The streams: two buckets as `nats kv` makes them, with lifetimes, and numbers that are never given out again; one of jobs; one of
//! events, and one of what is done to topics, of which nothing is taken out but their beginnings.

use super::{Options, subject};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most bytes of all leases.
const LEASES: u64 = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kv,
    Jobs,
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
    let bucket = |name: &str, size: u64| made(options, Kind::Kv, name, size);
    [bucket("values", options.size), bucket("leases", LEASES)]
}

/// Of jobs, where they are there.
pub fn of_jobs(options: &Options) -> Option<Bucket> {
    Some(made(options, Kind::Jobs, "jobs", options.jobs?))
}

/// Of topics, where they are there: a log, as that of events is.
pub fn of_topics(options: &Options) -> Option<Bucket> {
    Some(made(options, Kind::Events, "topics", options.topics?))
}

/// Of events, where they are there.
pub fn of_events(options: &Options) -> Option<Bucket> {
    Some(made(options, Kind::Events, "events", options.events?))
}

fn made(options: &Options, kind: Kind, name: &str, size: u64) -> Bucket {
    Bucket {
        name: format!("{}_{name}", options.prefix),
        kind,
        size,
        replicas: options.replicas,
    }
}

impl Bucket {
    pub fn stream(&self) -> String {
        match self.kind {
            Kind::Kv => format!("KV_{}", self.name),
            Kind::Jobs | Kind::Events => self.name.clone(),
        }
    }

    fn subjects(&self) -> String {
        match self.kind {
            Kind::Kv => format!("$KV.{}.>", self.name),
            Kind::Jobs | Kind::Events => format!("{}.>", self.name),
        }
    }

    /// The oldest version of a server that has what it needs: values with a lifetime and reads of many at once, and for jobs many
    /// messages that are stored all or none.
    pub fn oldest(&self) -> [u32; 2] {
        match self.kind {
            Kind::Kv | Kind::Events => [2, 11],
            Kind::Jobs => [2, 12],
        }
    }

    /// Where a key of it is.
    pub fn subject(&self, key: &str) -> String {
        subject::subject(&self.name, key)
    }

    pub fn config(&self) -> Value {
        let mut config = json!({
            "name": self.stream(),
            "description": "Plimsoll",
            "subjects": [self.subjects()],
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
        });
        if self.kind == Kind::Events {
            config["deny_delete"] = json!(true);
            return config;
        }
        config["max_msgs_per_subject"] = json!(1);
        config["allow_direct"] = json!(true);
        config["allow_rollup_hdrs"] = json!(true);
        config["allow_msg_ttl"] = json!(true);
        config["allow_atomic"] = json!(self.kind == Kind::Jobs);
        // Numbers begin with the present microsecond: should the stream be lost and made anew, they go on above those that it gave out.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        config["first_seq"] = json!(now.unwrap_or_default().as_micros() as u64);
        config
    }

    /// What a stream's config must have and has not.
    pub fn unfit(&self, config: &Value) -> Option<&'static str> {
        let is = |key: &str| config[key] == true;
        let most = |key: &str| config[key].as_i64().filter(|n| *n > 0);
        let last = (
            most("max_msgs_per_subject") == Some(1),
            "max_msgs_per_subject 1",
        );
        // Of jobs and events nothing may go by itself.
        let keeps = [
            (config["retention"] == "limits", "retention `limits`"),
            (config["discard"] == "new", "discard `new`"),
            (most("max_age").is_none(), "max_age 0"),
        ];
        let wanted = match self.kind {
            Kind::Kv => vec![
                last,
                (is("allow_direct"), "allow_direct"),
                (is("allow_msg_ttl"), "allow_msg_ttl"),
                (
                    !is("deny_delete"),
                    "the right to delete messages (deny_delete)",
                ),
            ],
            Kind::Jobs => {
                let purges = !is("deny_delete") && !is("deny_purge");
                let right = "the right to delete and purge messages (deny_delete, deny_purge)";
                let own = [
                    last,
                    (is("allow_atomic"), "allow_atomic"),
                    (is("allow_msg_ttl"), "allow_msg_ttl"),
                    (purges, right),
                ];
                [&own[..], &keeps].concat()
            }
            Kind::Events => {
                let each = most("max_msgs_per_subject").is_none();
                [&[(each, "max_msgs_per_subject -1")][..], &keeps].concat()
            }
        };
        let lacking = wanted.into_iter().find(|(has, _)| !has);
        lacking.map(|(_, what)| what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made is fit, and each of the changes to it is named.
    fn names_each(bucket: &Bucket, changes: &[(&str, Value)]) {
        let made = bucket.config();
        assert_eq!(bucket.unfit(&made), None);
        for (key, value) in changes {
            let mut config = made.clone();
            config[*key] = value.clone();
            let lack = bucket.unfit(&config);
            assert!(lack.is_some_and(|l| l.contains(key)), "{key}: {lack:?}");
        }
    }

    #[test]
    fn what_it_makes_is_fit_and_each_lack_is_named() {
        let options = Options {
            url: String::new(),
            ca: None,
            prefix: "p".into(),
            replicas: 3,
            size: 7,
            jobs: Some(8),
            events: Some(9),
            topics: Some(10),
        };
        let [values, leases] = of(&options);
        let [jobs, events, topics] =
            [of_jobs(&options), of_events(&options), of_topics(&options)].map(Option::unwrap);
        for (bucket, name, size) in [
            (&values, "KV_p_values", 7),
            (&leases, "KV_p_leases", LEASES),
            (&jobs, "p_jobs", 8),
            (&events, "p_events", 9),
            (&topics, "p_topics", 10),
        ] {
            let config = bucket.config();
            assert_eq!(
                (&config["name"], &config["max_bytes"]),
                (&json!(name), &json!(size))
            );
            assert_eq!(config["num_replicas"], json!(3));
        }
        let keys = [
            ("max_msgs_per_subject", json!(5)),
            ("allow_direct", json!(false)),
            ("allow_msg_ttl", json!(null)),
            ("deny_delete", json!(true)),
        ];
        names_each(&values, &keys);
        names_each(&leases, &keys);
        let lossy = [
            ("retention", json!("workqueue")),
            ("discard", json!("old")),
            ("max_age", json!(1)),
        ];
        names_each(&jobs, &lossy);
        names_each(&events, &lossy);
        let of_jobs = [
            ("max_msgs_per_subject", json!(-1)),
            ("allow_atomic", json!(null)),
            ("allow_msg_ttl", json!(false)),
            ("deny_purge", json!(true)),
            ("deny_delete", json!(true)),
        ];
        names_each(&jobs, &of_jobs);
        names_each(&events, &[("max_msgs_per_subject", json!(1))]);
    }
}
