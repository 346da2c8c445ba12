//! The shared engine: reachable, fit for what it is used for, and how much of it outlives a crash.

use super::{Check, Grade, clock};
use crate::wire::engines;
use config::Config;
use store::redis::{Redis, Settings};

/// The oldest version whose commands are used.
const OLDEST: [u32; 2] = [6, 2];

pub fn checks(config: &Config, durable: bool) -> Vec<Check> {
    let wrong = |text: String| vec![Check::new("engine", Grade::Wrong, text)];
    let options = match engines::shared::options(config) {
        Ok(options) => options,
        Err(f) => return wrong(f.to_string()),
    };
    match Redis::open(&options).and_then(|redis| redis.settings()) {
        Ok(settings) => judge(&settings, durable),
        Err(e) => wrong(e.to_string()),
    }
}

/// What its own settings mean for us.
pub fn judge(s: &Settings, durable: bool) -> Vec<Check> {
    let ms = 1e3 * s.took.as_secs_f64();
    let mut all = vec![match fault(s) {
        Some(text) => Check::new("engine", Grade::Wrong, text),
        None => {
            let text = format!("redis {}, {}, answers in {ms:.1} ms", s.version, s.role);
            Check::new("engine", Grade::Good, text)
        }
    }];
    all.push(keeps(s, durable));
    all.push(memory(s));
    all.push(clock(s.ahead_s, s.took));
    all
}

fn fault(s: &Settings) -> Option<String> {
    let mut numbers = s.version.split('.').map(|n| n.parse().unwrap_or(0));
    let version = [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)];
    if version < OLDEST {
        return Some(format!(
            "redis {} is too old: 6.2 or later is needed",
            s.version
        ));
    }
    if s.is_cluster {
        return Some(
            "it is a cluster, which is not supported: name a single server or a primary".into(),
        );
    }
    (s.role != "master").then(|| format!("it is a {}: name the primary", s.role))
}

/// Whether what was acknowledged is still there after a power cut. Never called durable on a guess.
fn keeps(s: &Settings, durable: bool) -> Check {
    let is = |value: &Option<String>, what: &str| value.as_deref() == Some(what);
    let lost = match (&s.append_only, &s.append_fsync) {
        (None, _) | (_, None) => {
            "unknown: its user may not ask (allow +config|get), so it is not called durable"
        }
        _ if is(&s.append_only, "yes") && is(&s.append_fsync, "always") => {
            return Check::new(
                "durability",
                Grade::Good,
                "durable: appendonly yes, appendfsync always",
            );
        }
        _ if is(&s.append_only, "yes") && is(&s.append_fsync, "everysec") => {
            "not durable: with appendfsync everysec about the last second is lost"
        }
        _ if is(&s.append_only, "yes") => {
            "not durable: with appendfsync no the system decides what is lost"
        }
        _ if s.save.as_deref().is_some_and(|s| !s.is_empty()) => {
            "not durable: what came after the last snapshot is lost"
        }
        _ => "not durable: everything is lost when it ends",
    };
    let grade = if durable { Grade::Wrong } else { Grade::Note };
    let advice = "; enough for limits and leases, whose loss costs a burst; else set appendonly yes and appendfsync always";
    Check::new("durability", grade, format!("{lost}{advice}"))
}

fn memory(s: &Settings) -> Check {
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    if s.eviction != "noeviction" && s.memory_limit > 0 {
        let text = format!(
            "maxmemory-policy {} throws keys away when memory is full, leases and counters too: set noeviction",
            s.eviction
        );
        return Check::new("memory", Grade::Wrong, text);
    }
    match s.memory_limit {
        0 => Check::new(
            "memory",
            Grade::Note,
            "no maxmemory: it grows until the system ends it; set one",
        ),
        limit if s.memory_used * 10 > limit * 9 => {
            let text = format!(
                "{:.0} of {:.0} MiB are used: raise maxmemory before writes are refused",
                mib(s.memory_used),
                mib(limit)
            );
            Check::new("memory", Grade::Wrong, text)
        }
        limit => {
            let text = format!(
                "{:.0} of {:.0} MiB are used, and nothing is thrown away",
                mib(s.memory_used),
                mib(limit)
            );
            Check::new("memory", Grade::Good, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn good() -> Settings {
        Settings {
            version: "7.0.15".into(),
            role: "master".into(),
            is_cluster: false,
            append_only: Some("yes".into()),
            append_fsync: Some("always".into()),
            save: Some(String::new()),
            eviction: "noeviction".into(),
            memory_limit: 100 << 20,
            memory_used: 10 << 20,
            ahead_s: 0.001,
            took: Duration::from_millis(1),
        }
    }

    fn worst(s: &Settings, durable: bool) -> Grade {
        let all = judge(s, durable);
        all.iter().map(|c| c.grade).max().unwrap()
    }

    #[test]
    fn what_is_good_is_good_and_each_fault_is_seen() {
        assert_eq!(worst(&good(), true), Grade::Good);
        type Change = fn(&mut Settings);
        let faults: [(Change, Grade); 8] = [
            (|s| s.version = "6.0.16".into(), Grade::Wrong),
            (|s| s.role = "slave".into(), Grade::Wrong),
            (|s| s.is_cluster = true, Grade::Wrong),
            (|s| s.eviction = "allkeys-lru".into(), Grade::Wrong),
            (|s| s.memory_used = 95 << 20, Grade::Wrong),
            (|s| s.memory_limit = 0, Grade::Note),
            (|s| s.ahead_s = -1.0, Grade::Note),
            (|s| s.ahead_s = 3600.0, Grade::Wrong),
        ];
        for (change, grade) in faults {
            let mut s = good();
            change(&mut s);
            assert_eq!(worst(&s, false), grade, "{s:?}");
        }
    }

    #[test]
    fn only_what_is_synced_each_time_is_called_durable() {
        let faults: [(Option<&str>, Option<&str>); 5] = [
            (Some("yes"), Some("everysec")),
            (Some("yes"), Some("no")),
            (Some("no"), Some("always")),
            (None, None),
            (Some("yes"), None),
        ];
        for (only, fsync) in faults {
            let s = Settings {
                append_only: only.map(Into::into),
                append_fsync: fsync.map(Into::into),
                ..good()
            };
            assert_eq!(worst(&s, true), Grade::Wrong, "{s:?}");
            assert_eq!(worst(&s, false), Grade::Note, "{s:?}");
        }
    }
}
