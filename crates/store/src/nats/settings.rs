//! What the server says of itself and of the streams. Whether it syncs each write it tells only on its monitoring port or to its
//! system account: not here.

use super::bucket::Bucket;
use super::conn::Conn;
use super::fault::{Fault, NO_STREAM};
use super::message;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub version: String,
    /// What is asked of it needs at least this version.
    pub too_old: Option<String>,
    /// The name of the server that was asked.
    pub server: String,
    /// Largest message, bytes.
    pub max_payload: usize,
    /// Buckets and streams that are there, and the names of those that are not made yet.
    pub buckets: Vec<Stored>,
    pub missing: Vec<String>,
    /// Bytes on disk of all streams of the account, and how many it may have; `None`: it has no limit.
    pub used: u64,
    pub limit: Option<u64>,
    /// By how many seconds its clock is ahead of ours, exact to half of `took`; it says so with a bucket only.
    pub ahead_s: Option<f64>,
    pub took: Duration,
}

/// How one bucket or stream is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub stream: String,
    pub in_memory: bool,
    /// It acknowledges before it has written: `persist_mode: async`.
    pub acks_early: bool,
    /// What its config must have for us and has not.
    pub lacks: Option<&'static str>,
    pub replicas: u64,
    /// Instead of refusing what is new when it is full, it throws away what is old.
    pub drops_old: bool,
    /// Values end at an age, whatever they say themselves.
    pub max_age: bool,
    /// `None`: it has no bound.
    pub max_bytes: Option<u64>,
    pub bytes: u64,
    /// When it was made, milliseconds since the Unix epoch; and the numbers of its first and its last message.
    pub born_ms: u64,
    pub first: u64,
    pub last: u64,
    /// Names of the servers that have it: the leader first.
    pub servers: Vec<String>,
    /// Those of them that do not follow.
    pub behind: Vec<String>,
}

pub async fn ask(conn: &Conn, wanted: &[Bucket]) -> Result<Settings, Fault> {
    let asked = SystemTime::now();
    let account = conn.account().await?;
    let mut took = asked.elapsed().unwrap_or_default();
    let (mut buckets, mut missing, mut ahead_s) = (Vec::new(), Vec::new(), None);
    for bucket in wanted {
        let asked = SystemTime::now();
        let info = match conn.stream(&bucket.stream()).await {
            Err(Fault::Said {
                code: NO_STREAM, ..
            }) => {
                missing.push(bucket.stream());
                continue;
            }
            info => info?,
        };
        took = asked.elapsed().unwrap_or_default();
        let ours = (asked + took / 2)
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        ahead_s = message::now_ms(&info).map(|theirs| theirs as f64 / 1e3 - ours.as_secs_f64());
        buckets.push(stored(bucket, &info));
    }
    let limit = account["limits"]["max_storage"].as_i64().unwrap_or(-1);
    Ok(Settings {
        version: conn.version.clone(),
        too_old: conn.too_old_for(wanted),
        server: conn.server.clone(),
        max_payload: conn.max_payload,
        buckets,
        missing,
        used: account["storage"].as_u64().unwrap_or(0),
        limit: u64::try_from(limit).ok(),
        ahead_s,
        took,
    })
}

fn stored(bucket: &Bucket, info: &Value) -> Stored {
    let (config, cluster) = (&info["config"], &info["cluster"]);
    let text = |v: &Value| v.as_str().unwrap_or("?").to_owned();
    let replicas = cluster["replicas"].as_array();
    let replicas: Vec<&Value> = replicas.into_iter().flatten().collect();
    let lags = |r: &&&Value| r["current"] != true || r["offline"] == true;
    let leader = cluster["leader"].as_str().map(str::to_owned);
    Stored {
        stream: bucket.stream(),
        in_memory: config["storage"] != "file",
        acks_early: config["persist_mode"] == "async",
        lacks: bucket.unfit(config),
        replicas: config["num_replicas"].as_u64().unwrap_or(1),
        drops_old: config["discard"] != "new",
        max_age: config["max_age"].as_u64().unwrap_or(0) > 0,
        max_bytes: config["max_bytes"]
            .as_i64()
            .and_then(|n| u64::try_from(n).ok()),
        bytes: info["state"]["bytes"].as_u64().unwrap_or(0),
        born_ms: info["created"]
            .as_str()
            .and_then(message::time_ms)
            .unwrap_or(0),
        first: info["state"]["first_seq"].as_u64().unwrap_or(0),
        last: info["state"]["last_seq"].as_u64().unwrap_or(0),
        servers: leader
            .into_iter()
            .chain(replicas.iter().map(|r| text(&r["name"])))
            .collect(),
        behind: (replicas.iter().filter(lags))
            .map(|r| text(&r["name"]))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, bucket};
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cluster_is_told_by_its_servers() {
        let info = json!({
            "config": { "storage": "file", "num_replicas": 3, "discard": "new", "max_bytes": 100, "max_age": 0 },
            "state": { "bytes": 7 },
            "cluster": { "leader": "a", "replicas": [
                { "name": "b", "current": true }, { "name": "c", "current": false, "lag": 9 },
            ] },
        });
        let [values, _] = bucket::of(&Options {
            url: String::new(),
            ca: None,
            prefix: "p".into(),
            replicas: 3,
            size: 7,
            jobs: None,
            events: None,
            topics: None,
        });
        let s = stored(&values, &info);
        assert_eq!((s.servers.len(), s.behind), (3, vec!["c".to_owned()]));
        assert_eq!((s.max_bytes, s.bytes, s.drops_old), (Some(100), 7, false));
        let odd = stored(&values, &json!({}));
        assert!(odd.in_memory && odd.drops_old && odd.servers.is_empty());
        assert!(odd.lacks.is_some() && !odd.acks_early);
    }
}
