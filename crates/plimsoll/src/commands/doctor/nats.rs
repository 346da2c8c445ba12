//! The durable engine: reachable, fit for what it is used for, and whether what it acknowledges outlives a power cut.

use super::{Check, Grade, clock};
use crate::wire::{engines, streams, topics};
use config::Config;
use serde_json::Value;
use std::time::Duration;
use store::embedded::CopyOf;
use store::nats::{Nats, Settings, Stored};
use store::{Embedded, Log, MAX_VALUE};

/// Longest wait for a monitoring port.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a monitoring port may answer, bytes.
const PAGE: u64 = 4 << 20;

/// What one server says on its monitoring port of when it syncs; `Err`: why that is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitored {
    pub at: String,
    pub told: Result<Synced, String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Synced {
    pub server: String,
    pub always: bool,
    pub interval: Duration,
}

pub fn checks(config: &Config, durable: bool) -> Vec<Check> {
    let wrong = |text: String| vec![Check::new("engine", Grade::Wrong, text)];
    let options = match engines::durable::options(config) {
        Ok(options) => options,
        Err(f) => return wrong(f.to_string()),
    };
    let monitored: Vec<Monitored> = config.engines.monitors.iter().map(|at| ask(at)).collect();
    match Nats::open_to_look(&options).and_then(|nats| nats.settings()) {
        Ok(settings) => {
            let mut all = judge(&settings, &monitored, config.engines.replicas, durable);
            all.extend(followed(config, &settings));
            all
        }
        Err(e) => wrong(e.to_string()),
    }
}

/// A file of this node that is the copy of a stream.
struct Followed {
    about: &'static str,
    file: &'static str,
    /// What it has, which is this node's own where it is no copy, and how many.
    held: &'static str,
    holds: fn(&Embedded) -> Result<u64, store::Error>,
    /// How to go on with what is its own; empty: not with this file.
    keep: &'static str,
}

const EVENTS: Followed = Followed {
    about: "events",
    file: streams::FILE,
    held: "events",
    holds: |file| Ok(file.ends()?.last),
    keep: "keep them here with `streams: { shared: false }`, or ",
};
const TOPICS: Followed = Followed {
    about: "topics",
    file: topics::FILE,
    held: "jobs",
    holds: Embedded::jobs_held,
    keep: "",
};

/// Whether this node's files can be read on from what JetStream has.
fn followed(config: &Config, settings: &Settings) -> Vec<Check> {
    let mut checks = Vec::new();
    for (of, shared) in [
        (EVENTS, config.shares_streams()),
        (TOPICS, config.shares_topics()),
    ] {
        let file = config.data_dir.join(of.file);
        if !shared || !file.exists() {
            continue;
        }
        let copy =
            Embedded::open_read_only(&file).and_then(|s| Ok((s.copy_of()?, (of.holds)(&s)?)));
        let stream = format!("{}_{}", config.engines.prefix, of.about);
        let there = settings.buckets.iter().find(|b| b.stream == stream);
        checks.push(match copy {
            Ok((copy, holds)) => same(&of, there, copy, holds),
            Err(e) => Check::new(of.about, Grade::Wrong, e.to_string()),
        });
    }
    checks
}

fn applied(copy: Option<&CopyOf>) -> u64 {
    copy.map_or(0, |c| c.reached.seq)
}

/// `holds`: how many events or jobs are in the file.
fn same(of: &Followed, there: Option<&Stored>, copy: Option<CopyOf>, holds: u64) -> Check {
    let wrong = |text: String| Check::new(of.about, Grade::Wrong, text);
    let good = |text: String| Check::new(of.about, Grade::Good, text);
    let file = of.file;
    let aside = format!("move {file} away (and its -wal and -shm)");
    match (there, copy) {
        (_, None) if holds > 0 => wrong(format!(
            "{file} holds {holds} {} of this node alone, which the others do not have: {}{aside}",
            of.held, of.keep
        )),
        (None, Some(_)) => wrong(format!(
            "{file} is the copy of a stream that is not there any more: name the NATS and the prefix that it is of, or {aside}"
        )),
        (Some(there), Some(copy)) if there.born_ms != copy.source => wrong(format!(
            "{file} is the copy of another stream than {}, or of one that was removed: name the NATS and the prefix that it is of, or {aside}",
            there.stream
        )),
        (Some(there), copy) if there.first > applied(copy.as_ref()) + 1 => wrong(format!(
            "{} begins with message {}, and {} were applied here: begin with a copy of another node's {file} (`plimsoll backup`)",
            there.stream,
            there.first,
            applied(copy.as_ref())
        )),
        (_, None) => good("nothing was followed yet".into()),
        (Some(there), Some(copy)) if there.last < copy.reached.seq => wrong(format!(
            "{} ends with message {}, and {} were applied here: it lost its end; bring it back as it was, or {aside} at every node",
            there.stream, there.last, copy.reached.seq
        )),
        (Some(there), Some(copy)) => good(format!(
            "{file} has {} of {} messages of {}",
            copy.reached.seq, there.last, there.stream
        )),
    }
}

fn ask(at: &str) -> Monitored {
    let fetched = || -> Result<Value, ureq::Error> {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        let mut answer = agent.get(format!("{at}/varz")).call()?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(PAGE)
            .read_to_string()?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    };
    Monitored {
        at: at.to_owned(),
        told: match fetched() {
            Ok(page) => synced(&page).ok_or_else(|| "it is no nats-server with JetStream".into()),
            Err(e) => Err(e.to_string()),
        },
    }
}

/// As `/varz` tells it.
fn synced(page: &Value) -> Option<Synced> {
    let config = page["jetstream"]["config"].as_object()?;
    let interval = config.get("sync_interval").and_then(Value::as_u64);
    Some(Synced {
        server: page["server_name"].as_str()?.to_owned(),
        always: config.get("sync_always").and_then(Value::as_bool) == Some(true),
        interval: Duration::from_nanos(interval.unwrap_or(0)),
    })
}

/// What its own settings mean for us.
pub fn judge(s: &Settings, monitored: &[Monitored], replicas: u32, durable: bool) -> Vec<Check> {
    let ms = 1e3 * s.took.as_secs_f64();
    let text = format!(
        "nats-server {} ({}), JetStream answers in {ms:.1} ms",
        s.version, s.server
    );
    let mut all = vec![match &s.too_old {
        None => Check::new("engine", Grade::Good, text),
        Some(needed) => {
            let text = format!("{text}: {needed} or later is needed, for jobs 2.12");
            Check::new("engine", Grade::Wrong, text)
        }
    }];
    all.push(keeps(s, monitored, replicas, durable));
    all.extend(s.buckets.iter().map(|b| bucket(b, replicas)));
    all.push(room(s));
    all.extend(s.ahead_s.map(|ahead_s| clock(ahead_s, s.took)));
    all
}

/// Whether what was acknowledged is still there after a power cut. Never called durable on a guess.
fn keeps(s: &Settings, monitored: &[Monitored], replicas: u32, durable: bool) -> Check {
    let about = "durability";
    let lacking = s.buckets.iter().find_map(|b| {
        let lack = if b.in_memory {
            "is stored in memory; remove it, and Plimsoll makes it on disk".to_owned()
        } else if b.acks_early {
            "acknowledges before it writes (`persist_mode: async`); remove it, and Plimsoll makes it anew".to_owned()
        } else if b.replicas < u64::from(replicas) {
            format!(
                "is on {} server(s), and `engines.replicas` says {replicas}, which only holds when it is made: `nats stream edit --replicas {replicas}`",
                b.replicas
            )
        } else {
            return None;
        };
        Some(format!("not durable: {} {lack}", b.stream))
    });
    if let Some(text) = lacking {
        return Check::new(about, Grade::Wrong, text);
    }
    let told = || monitored.iter().filter_map(|m| m.told.as_ref().ok());
    if let Some(lazy) = told().find(|t| !t.always) {
        let text = format!(
            "not durable: {} syncs its disk every {} s, and a power cut takes what came since, on several servers at once too; set \
             `sync_interval: always` in `jetstream`",
            lazy.server,
            lazy.interval.as_secs()
        );
        return Check::new(about, Grade::Wrong, text);
    }
    let needed = s.buckets.iter().flat_map(|b| &b.servers);
    let unknown = needed.clone().find(|n| !told().any(|t| t.server == **n));
    let failed = (monitored.iter()).find_map(|m| Some((&m.at, m.told.as_ref().err()?)));
    let why = match (unknown, failed) {
        (None, _) if needed.clone().count() > 0 && s.missing.is_empty() => {
            let many = s.buckets.iter().map(|b| b.servers.len()).min().unwrap_or(0);
            let text =
                format!("durable: stored on {many} server(s), each with `sync_interval: always`");
            return Check::new(about, Grade::Good, text);
        }
        (_, Some((at, why))) => format!("{at} does not answer ({why})"),
        (Some(server), None) => {
            format!("no monitoring port of `{server}` is named in `engines.monitors`")
        }
        (None, None) => format!(
            "{} not made yet: Plimsoll does that when it starts",
            match s.missing.as_slice() {
                [one] => format!("{one} is"),
                many => format!("{} are", many.join(", ")),
            }
        ),
    };
    let grade = if durable { Grade::Wrong } else { Grade::Note };
    let text = format!(
        "unknown, so it is not called durable: {why}; without `sync_interval: always` minutes are lost"
    );
    Check::new(about, grade, text)
}

fn bucket(b: &Stored, replicas: u32) -> Check {
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    let of = &b.stream;
    let wrong = |text: String| Check::new("bucket", Grade::Wrong, text);
    if b.drops_old || b.max_age {
        let how = match b.drops_old {
            true => "throws away what is oldest when it is full: set discard to `new`",
            false => "has a max_age, and forgets what is older, whatever it is: set it to 0",
        };
        return wrong(format!("{of} {how} (`nats stream edit`)"));
    }
    if let Some(lacks) = b.lacks {
        return wrong(format!(
            "{of} lacks {lacks}: Plimsoll does not use it so (`nats stream edit`)"
        ));
    }
    if !b.behind.is_empty() {
        let behind = b.behind.join(", ");
        return wrong(format!("{of}: {behind} does not follow; look at its log"));
    }
    let Some(most) = b.max_bytes else {
        let text = format!("{of} has no max_bytes: it grows until the disk is full; set one");
        return Check::new("bucket", Grade::Note, text);
    };
    let text = format!(
        "{of}: {:.1} of {:.0} MiB, {} replica(s)",
        mib(b.bytes),
        mib(most),
        b.replicas
    );
    if b.bytes * 10 > most * 9 {
        return wrong(format!("{text}: raise max_bytes before writes are refused"));
    }
    if b.replicas != u64::from(replicas) {
        let text = format!(
            "{text}, and `engines.replicas` says {replicas}: that only holds when a bucket is made (`nats stream edit`)"
        );
        return Check::new("bucket", Grade::Note, text);
    }
    Check::new("bucket", Grade::Good, text)
}

/// What the account and the messages have room for.
fn room(s: &Settings) -> Check {
    let need = MAX_VALUE + 1024;
    if s.max_payload < need {
        let text = format!(
            "max_payload is {} bytes: larger values are refused, though up to {MAX_VALUE} are taken elsewhere; set `max_payload: 2MB`",
            s.max_payload
        );
        return Check::new("limits", Grade::Note, text);
    }
    let Some(limit) = s.limit else {
        return Check::new("limits", Grade::Good, "the account has no limit of storage");
    };
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    let text = format!(
        "the account uses {:.0} of {:.0} MiB",
        mib(s.used),
        mib(limit)
    );
    match s.used * 10 > limit * 9 {
        true => Check::new("limits", Grade::Wrong, text + ": raise its max_storage"),
        false => Check::new("limits", Grade::Good, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stored(name: &str) -> Stored {
        Stored {
            stream: format!("KV_p_{name}"),
            in_memory: false,
            acks_early: false,
            lacks: None,
            replicas: 1,
            drops_old: false,
            max_age: false,
            max_bytes: Some(100 << 20),
            bytes: 1 << 20,
            born_ms: 5,
            first: 1,
            last: 9,
            servers: vec!["a".into()],
            behind: Vec::new(),
        }
    }

    fn good() -> Settings {
        Settings {
            version: "2.14.0".into(),
            too_old: None,
            server: "a".into(),
            max_payload: 2 << 20,
            buckets: vec![stored("values"), stored("leases"), stored("jobs")],
            missing: Vec::new(),
            used: 1 << 20,
            limit: Some(1 << 30),
            ahead_s: Some(0.001),
            took: Duration::from_millis(1),
        }
    }

    fn says(server: &str, always: bool) -> Monitored {
        Monitored {
            at: format!("http://{server}:8222"),
            told: Ok(Synced {
                server: server.into(),
                always,
                interval: Duration::from_secs(120),
            }),
        }
    }

    fn worst(s: &Settings, monitored: &[Monitored], durable: bool) -> Grade {
        let all = judge(s, monitored, 1, durable);
        all.iter().map(|c| c.grade).max().unwrap()
    }

    #[test]
    fn what_is_good_is_good_and_each_fault_is_seen() {
        let always = [says("a", true)];
        assert_eq!(worst(&good(), &always, true), Grade::Good);
        type Change = fn(&mut Settings);
        let faults: [(Change, Grade); 16] = [
            (|s| s.too_old = Some("2.12".into()), Grade::Wrong),
            (|s| s.buckets[2].in_memory = true, Grade::Wrong),
            (|s| s.buckets[2].acks_early = true, Grade::Wrong),
            (|s| s.buckets[2].lacks = Some("retention"), Grade::Wrong),
            (|s| s.buckets[2].replicas = 0, Grade::Wrong),
            (|s| s.missing = vec!["p_events".into()], Grade::Note),
            (|s| s.buckets[1].drops_old = true, Grade::Wrong),
            (|s| s.buckets[0].max_age = true, Grade::Wrong),
            (|s| s.buckets[0].max_bytes = None, Grade::Note),
            (|s| s.buckets[0].bytes = 99 << 20, Grade::Wrong),
            (|s| s.buckets[0].behind = vec!["b".into()], Grade::Wrong),
            (|s| s.buckets[0].replicas = 3, Grade::Note),
            (|s| s.max_payload = 1 << 20, Grade::Note),
            (|s| s.used = 1 << 30, Grade::Wrong),
            (|s| s.ahead_s = Some(-1.0), Grade::Note),
            (|s| s.ahead_s = Some(3600.0), Grade::Wrong),
        ];
        for (change, grade) in faults {
            let mut s = good();
            change(&mut s);
            assert_eq!(worst(&s, &always, false), grade, "{s:?}");
        }
    }

    #[test]
    fn only_what_every_server_syncs_each_time_is_called_durable() {
        let unknown = Monitored {
            told: Err("refused".into()),
            ..says("a", true)
        };
        // Not known: a note, unless durability is asked for.
        for monitored in [&[][..], &[says("b", true)], &[unknown]] {
            assert_eq!(worst(&good(), monitored, false), Grade::Note);
            assert_eq!(worst(&good(), monitored, true), Grade::Wrong);
        }
        // Known not to be: wrong either way.
        assert_eq!(worst(&good(), &[says("a", false)], false), Grade::Wrong);
        let mut memory = good();
        memory.buckets[0].in_memory = true;
        assert_eq!(worst(&memory, &[says("a", true)], false), Grade::Wrong);
        // Of three each must.
        let mut three = good();
        for b in &mut three.buckets {
            b.servers = vec!["a".into(), "b".into(), "c".into()];
        }
        let two = [says("a", true), says("b", true)];
        assert_eq!(worst(&three, &two, true), Grade::Wrong);
        let all = [two.as_slice(), &[says("c", true)]].concat();
        assert_eq!(worst(&three, &all, true), Grade::Good);
        let one_lazy = [two.as_slice(), &[says("c", false)]].concat();
        assert_eq!(worst(&three, &one_lazy, false), Grade::Wrong);
    }

    #[test]
    fn a_copy_of_something_else_is_seen() {
        let there = stored("events");
        let copy = |source, seq| CopyOf::new(source, seq);
        let grade = |there, copy, last| same(&EVENTS, there, copy, last).grade;
        assert_eq!(grade(Some(&there), Some(copy(5, 9)), 9), Grade::Good);
        assert_eq!(grade(Some(&there), Some(copy(5, 3)), 9), Grade::Good);
        assert_eq!(grade(Some(&there), None, 0), Grade::Good);
        let later = Stored {
            first: 5,
            ..there.clone()
        };
        assert_eq!(grade(Some(&later), Some(copy(5, 4)), 4), Grade::Good);
        for (there, copy, last) in [
            (Some(&later), Some(copy(5, 3)), 3),
            (Some(&later), None, 0),
            (Some(&there), Some(copy(5, 10)), 10),
            (Some(&there), Some(copy(6, 1)), 1),
            (None, Some(copy(5, 1)), 1),
            (Some(&there), None, 3),
        ] {
            let check = same(&TOPICS, there, copy, last);
            assert_eq!(check.grade, Grade::Wrong, "{}", check.text);
        }
    }

    #[test]
    fn jobs_of_this_node_alone_are_no_copy_of_topics() {
        use crate::commands::doctor::stores::tests::job;
        use store::{Bounds, Queue};
        let dir = tempfile::tempdir().unwrap();
        let text = "listen: 127.0.0.1:0\nengines: { durable: 'nats://h', topics: durable }\n\
                    services: { a: { instances: [127.0.0.1:1] } }\ntopics: { t: { subscriptions: { s: { pull: true } } } }\n\
                    state: { listen: 127.0.0.1:0, token: { file: /t } }\n";
        let mut config = config::check_text("p.yaml", text).config.unwrap();
        config.data_dir = dir.path().to_owned();
        let file = Embedded::open(dir.path().join(topics::FILE)).unwrap();
        let told = || {
            let all = followed(&config, &good());
            let [check] = &all[..] else { panic!("{all:?}") };
            (check.grade, check.text.clone())
        };
        assert_eq!(told().0, Grade::Good, "it is empty");
        file.enqueue(vec![job("topics/t/s", 1)], Bounds::NONE)
            .wait()
            .unwrap();
        let (grade, text) = told();
        assert_eq!(grade, Grade::Wrong);
        assert!(text.contains("holds 1 jobs of this node alone"), "{text}");
        assert!(!text.contains("streams:"), "{text}");
    }

    #[test]
    fn before_its_first_start_nothing_is_known() {
        // Of what is not there yet it is not known how durable it will be.
        let mut some = good();
        some.missing = vec!["p_jobs".into(), "p_events".into()];
        let checks = judge(&some, &[says("a", true)], 1, true);
        let says_so =
            |c: &Check| c.grade == Grade::Wrong && c.text.contains("p_jobs, p_events are");
        assert!(checks.iter().any(says_so), "{checks:?}");
        let none = Settings {
            buckets: Vec::new(),
            missing: vec!["KV_p_values".into()],
            ahead_s: None,
            ..good()
        };
        assert_eq!(worst(&none, &[says("a", true)], false), Grade::Note);
        assert_eq!(worst(&none, &[says("a", true)], true), Grade::Wrong);
    }

    #[test]
    fn a_monitoring_page_is_read() {
        let page = json!({ "server_name": "a", "jetstream": { "config": { "sync_interval": 120_000_000_000u64 } } });
        let lazy = synced(&page).unwrap();
        assert!(!lazy.always && lazy.interval == Duration::from_secs(120));
        let page =
            json!({ "server_name": "a", "jetstream": { "config": { "sync_always": true } } });
        assert!(synced(&page).unwrap().always);
        for odd in [json!(null), json!({ "server_name": "a", "jetstream": {} })] {
            assert_eq!(synced(&odd), None);
        }
    }
}
