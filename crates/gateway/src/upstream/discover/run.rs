//! Asks for every name when it is due, and has the snapshot made anew when an answer has changed.

use super::Found;
use super::core::{Answer, Known, News};
use super::hosts;
use super::lookup::{Kind, ask};
use crate::looks::Looks;
use crate::runtime::Shared;
use crate::tally::Tally;
use base::Nanos;
use config::Config;
use config::sections::HostName;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::JoinSet;

/// How often it is looked at what is due.
const LOOK: Duration = Duration::from_millis(100);
/// How long what /etc/hosts says holds.
const HOSTS: Duration = Duration::from_secs(10);
/// Names that are asked for at once.
const AT_ONCE: usize = 64;

const COUNTS: &[&str] = &["same", "changed", "failed"];

pub(crate) fn start(control: &tokio::runtime::Handle, shared: &Arc<Shared>) {
    control.spawn(run(Arc::downgrade(shared)));
}

/// One name on its way through the answers.
struct Name {
    known: Known,
    tally: Arc<Tally>,
}

/// Ends when the gateway does.
async fn run(shared: Weak<Shared>) {
    let mut names: BTreeMap<HostName, Name> = BTreeMap::new();
    let mut looks = Looks::every(LOOK, shared);
    while let Some(shared) = looks.next().await {
        let config = shared.generation().base.clone();
        let wanted = wanted(&config);
        names.retain(|name, _| wanted.contains(name));
        for name in &wanted {
            names.entry(name.clone()).or_insert_with(|| Name {
                known: Known::default(),
                tally: Tally::of(&shared.kept, "dns", &name.to_string(), COUNTS),
            });
        }
        let now = shared.clock.now();
        let due = names.iter().filter(|(_, one)| one.known.due <= now);
        let mut asked = JoinSet::new();
        for name in due.map(|(name, _)| name.clone()).take(AT_ONCE) {
            let server = config.nameserver;
            asked.spawn(async move { (look_up(&name.host, server).await, name) });
        }
        let mut changed = false;
        while let Some(told) = asked.join_next().await {
            if let Ok(((answers, why), name)) = told
                && let Some(one) = names.get_mut(&name)
            {
                changed |= one.learn(&name, answers, &why, shared.clock.now()) == News::Changed;
            }
        }
        let found: Found = (names.iter())
            .map(|(name, one)| (name.clone(), at_port(&one.known, name.port)))
            .collect();
        shared.set_found(found, changed);
    }
}

/// In order, and each once.
fn wanted(config: &Config) -> Vec<HostName> {
    let mut all: Vec<_> = (config.services.iter())
        .flat_map(|s| s.names.iter().cloned())
        .collect();
    all.sort();
    all.dedup();
    all
}

fn at_port(known: &Known, port: u16) -> Vec<SocketAddr> {
    let all = known.addresses().into_iter();
    all.map(|ip| SocketAddr::new(ip, port)).collect()
}

impl Name {
    fn learn(
        &mut self,
        name: &HostName,
        answers: [Option<Answer>; 2],
        why: &str,
        now: Nanos,
    ) -> News {
        let failed_before = self.known.fails();
        let news = self.known.learn(answers, now);
        self.tally.add(news as usize);
        match news {
            News::Failed if !failed_before => {
                let known = self.known.addresses().len();
                tracing::warn!(%name, why, known, "a name cannot be resolved; what was known of it stays");
            }
            News::Changed => {
                let addresses = self.known.addresses();
                tracing::info!(%name, ?addresses, "the addresses of a name have changed");
            }
            News::Same if failed_before => tracing::info!(%name, "a name can be resolved again"),
            _ => {}
        }
        news
    }
}

/// Both kinds of address, and why one of them failed.
async fn look_up(host: &str, server: Option<SocketAddr>) -> ([Option<Answer>; 2], String) {
    let file = |path| std::fs::read_to_string(path).unwrap_or_default();
    let local = hosts::in_hosts(&file("/etc/hosts"), host);
    if !local.is_empty() {
        let of = |v4: bool| Answer {
            addresses: (local.iter().filter(|a| a.is_ipv4() == v4).copied())
                .collect::<Vec<IpAddr>>(),
            ttl: HOSTS,
        };
        return ([Some(of(true)), Some(of(false))], String::new());
    }
    let servers = match server {
        Some(server) => vec![server],
        None => hosts::servers(&file("/etc/resolv.conf")),
    };
    let (v4, v6) = tokio::join!(ask(&servers, host, Kind::V4), ask(&servers, host, Kind::V6));
    let why = [&v4, &v6].iter().find_map(|a| a.as_ref().err().cloned());
    (
        [v4.ok(), v6.ok()],
        why.unwrap_or_else(|| "it has no address".into()),
    )
}
