//! The console's questions about caches, put to the gateway.

use crate::wire::outward::Outward;
use base::Finding;
use console::{AskPurge, AskWhy};
use gateway::Gateway;
use gateway::request::cache::{Purge, What, Why};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Clone)]
pub struct Caches {
    pub gateway: Arc<Mutex<Option<Gateway>>>,
    pub outward: Outward,
}

impl Caches {
    fn ask<T>(&self, question: impl FnOnce(&Gateway) -> T) -> Result<T, Vec<Finding>> {
        let gateway = self.gateway.lock().unwrap_or_else(|e| e.into_inner());
        let gone = || vec![Finding::error("cache-stopping", "Plimsoll is stopping")];
        gateway.as_ref().map(question).ok_or_else(gone)
    }
}

/// How long a purge waits until other nodes can hear of it, and how often that is looked at.
const TOLD: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);

impl Caches {
    /// `None`: nothing is shared with other nodes.
    fn told_to_nodes(&self) -> Result<Option<&'static str>, Vec<Finding>> {
        let until = Instant::now() + TOLD;
        loop {
            match self.ask(Gateway::untold)? {
                None => return Ok(None),
                Some(0) => return Ok(Some("told")),
                Some(_) if Instant::now() >= until => return Ok(Some("waiting")),
                Some(_) => std::thread::sleep(LOOK),
            }
        }
    }
}

impl console::Caches for Caches {
    fn purge(&self, ask: &AskPurge) -> Result<Value, Vec<Finding>> {
        let purge = purge(ask).map_err(|f| vec![f])?;
        let n = self.ask(|g| g.purge(&purge))?;
        let outward = self.outward.pass_on(&purge);
        let nodes = self.told_to_nodes()?;
        Ok(json!({ "purged": n, "hard": purge.hard, "outward": outward, "nodes": nodes }))
    }

    fn why(&self, ask: &AskWhy) -> Result<Value, Vec<Finding>> {
        let (host, target) = address(&ask.url).map_err(|f| vec![f])?;
        let mut headers: Vec<(&str, &str)> = Vec::new();
        for line in ask.headers.lines().filter(|l| !l.trim().is_empty()) {
            let Some((name, value)) = line.split_once(':') else {
                let what = format!("`{line}` is not a field");
                let bad = Finding::error("cache-header", what);
                return Err(vec![bad.help("write it like `Accept-Language: de`")]);
            };
            headers.push((name.trim(), value.trim()));
        }
        match &host {
            Some(host) => headers.push(("Host", host)),
            None if headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("host")) => {}
            None => {
                let bad = Finding::error("cache-address", format!("`{}` names no host", ask.url));
                return Err(vec![
                    bad.help("answers belong to a host: write `http://host/path`"),
                ]);
            }
        }
        self.ask(|g| told(&g.why("GET", &target, &headers)))
    }

    fn disks(&self) -> Result<Value, Vec<Finding>> {
        self.ask(|g| serde_json::to_value(g.disks()).unwrap_or_default())
    }

    fn shared(&self) -> Result<Value, Vec<Finding>> {
        self.ask(|g| serde_json::to_value(g.second_levels()).unwrap_or_default())
    }
}

fn purge(ask: &AskPurge) -> Result<Purge, Finding> {
    let (host, what) = match (&ask.url, &ask.prefix, &ask.group) {
        (Some(url), None, None) => {
            let (host, target) = address(url)?;
            (host, What::Url(target))
        }
        (None, Some(prefix), None) => {
            let (host, target) = address(prefix)?;
            (host, What::Prefix(target))
        }
        (None, None, Some(group)) => (None, What::Group(group.clone())),
        _ => {
            let what = "a purge names one of `url`, `prefix` and `group`";
            return Err(Finding::error("cache-purge", what));
        }
    };
    let host = host.or(ask.host.clone()).map(|h| h.to_lowercase());
    Ok(Purge {
        what,
        host,
        hard: ask.hard,
    })
}

/// Host, when one is named, and path with query.
fn address(url: &str) -> Result<(Option<String>, String), Finding> {
    let rest = url.strip_prefix("http://").or(url.strip_prefix("https://"));
    let (host, target) = match rest {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (Some(rest[..end].to_owned()), &rest[end..])
        }
        None => (None, url),
    };
    let target = target.split('#').next().unwrap_or("");
    match target {
        "" if host.is_some() => Ok((host, "/".into())),
        t if t.starts_with('/') => Ok((host, t.to_owned())),
        _ => {
            let bad = Finding::error("cache-address", format!("`{url}` is not an address"));
            Err(bad.help("write `/path?query` or `http://host/path?query`"))
        }
    }
}

fn told(why: &Why) -> Value {
    let variants = why.variants.iter().map(|v| {
        let vary = v.vary.iter().map(|(name, stored, asked)| {
            json!({ "name": name, "stored": stored, "asked": asked })
        });
        json!({
            "tier": v.tier, "status": v.status, "bytes": v.bytes, "age": v.age, "lifetime": v.lifetime, "by": v.by,
            "stale_while_revalidate": v.stale_while_revalidate, "stale_if_error": v.stale_if_error,
            "must_confirm": v.must_confirm, "never_stale": v.never_stale, "purged": v.purged, "invalid": v.invalid,
            "etag": v.etag, "last_modified": v.last_modified, "groups": v.groups, "fits": v.fits,
            "vary": vary.collect::<Vec<_>>(),
        })
    });
    json!({
        "route": why.route, "key": why.key, "verdict": why.verdict, "refused": why.refused,
        "variants": variants.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_host_or_none() {
        let of = |url: &str| address(url).map_err(|f| f.code);
        assert_eq!(of("/a?b#c"), Ok((None, "/a?b".into())));
        assert_eq!(of("http://h:1/a"), Ok((Some("h:1".into()), "/a".into())));
        assert_eq!(of("https://h"), Ok((Some("h".into()), "/".into())));
        assert!(of("a").is_err() && of("").is_err());
    }

    #[test]
    fn a_purge_names_one_thing() {
        let ask = |url: Option<&str>, group: Option<&str>| AskPurge {
            url: url.map(str::to_owned),
            prefix: None,
            group: group.map(str::to_owned),
            host: Some("H".into()),
            hard: true,
        };
        let one = purge(&ask(Some("/a"), None)).unwrap();
        let expected = Purge {
            what: What::Url("/a".into()),
            host: Some("h".into()),
            hard: true,
        };
        assert_eq!(one, expected);
        assert!(purge(&ask(Some("/a"), Some("g"))).is_err() && purge(&ask(None, None)).is_err());
    }
}
