//! What the gateway shows of itself beside the samples.

use crate::access::Lines;
use crate::acme::Standing;
use crate::attempt::limit;
use crate::attempt::mirror;
use crate::attempt::stateful;
use crate::gate::Kept;
use crate::listen::TOO_MANY;
use crate::request::business;
use crate::request::cache::{DiskGauge, Disks, SecondGauge};
use crate::request::identity::charges::{Charge, Charges};
use crate::request::{compress, identity, rate};
use crate::runtime::Gateway;
use crate::tally::{Decision, Tally};
use crate::upstream::health::{Members, State};
use base::{InstanceIx, RouteIx, Worth};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Plimsoll's connections to one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolGauge {
    pub instance: InstanceIx,
    pub name: String,
    /// `None`: not limited.
    pub size: Option<u32>,
    /// Carrying an attempt; the others of `open` are idle.
    pub busy: u32,
    pub open: u32,
    /// Attempts that wait for one now.
    pub waiting: u32,
    /// Time waited since the start, seconds: of those whose wait has ended.
    pub waited_s: f64,
    pub connects: u64,
    pub connect_failures: u64,
    pub health: State,
    pub usable: bool,
}

/// The concurrency limit of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitGauge {
    pub service: Arc<str>,
    pub limit: limit::core::Limit,
    pub counts: limit::Counts,
}

/// The rate limit of one route.
#[derive(Clone, Debug, PartialEq)]
pub struct RateGauge {
    pub route: RouteIx,
    pub refused: u64,
    pub would_refuse: u64,
}

/// Requests of one tenant; those that are not listed are one.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantGauge {
    pub tenant: String,
    pub requests: u64,
}

/// Bytes of one route's answers.
#[derive(Clone, Debug, PartialEq)]
pub struct CompressGauge {
    pub route: String,
    /// Before they were compressed, and after.
    pub came: u64,
    pub sent: u64,
    /// Of answers that would have been; an estimate.
    pub left: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Gauges {
    pub generation: u64,
    /// Client connections of each thread.
    pub connections: Vec<u32>,
    /// Connections closed at once because there were as many as may be.
    pub turned_away: u64,
    /// Samples lost to full rings.
    pub dropped: u64,
    pub open: Vec<(RouteIx, u32)>,
    pub pools: Vec<PoolGauge>,
    pub limits: Vec<LimitGauge>,
    pub rates: Vec<RateGauge>,
    /// Numbers of the business, by route.
    pub business: Vec<Worth>,
    /// By route.
    pub compressed: Vec<CompressGauge>,
    /// Of caches, by route.
    pub disks: Vec<DiskGauge>,
    /// What is shared of caches with other nodes, by route.
    pub second: Vec<SecondGauge>,
    /// By name.
    pub tenants: Vec<TenantGauge>,
    /// Of the access log.
    pub lines: Lines,
    /// What came of copies, by route.
    pub mirrors: Vec<mirror::Counts>,
    /// Whether instances keep sessions in their memory, by route.
    pub stateful: Vec<stateful::Finding>,
    /// Of the certificate that is got from an authority.
    pub certificate: Option<Standing>,
    /// What gates have decided, by name.
    pub decisions: Vec<Decision>,
}

impl Gateway {
    pub fn gauges(&self) -> Gauges {
        let shared = &self.shared;
        let snapshot = shared.current.load_full();
        let now = shared.clock.now();
        let pools = snapshot.instances.iter().map(|(service, index, i)| {
            let members = Members::of(&shared.kept, service);
            PoolGauge {
                instance: i.ix,
                name: format!("{}/{}", i.service, i.address),
                size: i.pool.size(),
                busy: i.pool.busy.load(Relaxed),
                open: i.pool.open.load(Relaxed),
                waiting: i.pool.waiting.load(Relaxed),
                waited_s: i.pool.waited_ns.load(Relaxed) as f64 / 1e9,
                connects: i.pool.connects.load(Relaxed),
                connect_failures: i.pool.connect_failures.load(Relaxed),
                health: members.state(*index).unwrap_or_default(),
                usable: members.usable(*index, now),
            }
        });
        let mut limits: Vec<LimitGauge> = Vec::new();
        for service in &snapshot.services {
            if !limits.iter().any(|l| l.service == service.name) {
                let limiter = shared.kept.get(&service.name, limit::Limiter::default);
                limits.push(LimitGauge {
                    service: service.name.clone(),
                    limit: limiter.limit(service.config.limit),
                    counts: limiter.counts(),
                });
            }
        }
        let rates = snapshot.routes().filter_map(|r| {
            let counts = shared.kept.find::<rate::Counts>(&r.name)?;
            Some(RateGauge {
                route: r.ix,
                refused: counts.refused.load(Relaxed),
                would_refuse: counts.would_refuse.load(Relaxed),
            })
        });
        let mut tenants: Vec<TenantGauge> = (shared.kept.all::<identity::Requests>().iter())
            .map(|r| TenantGauge {
                tenant: r.tenant.clone(),
                requests: r.count.load(Relaxed),
            })
            .collect();
        tenants.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        Gauges {
            business: self.business(),
            compressed: compressed(&shared.kept),
            disks: Disks::of(&shared.kept).gauges(),
            second: shared.second.gauges(),
            tenants,
            generation: snapshot.number,
            connections: shared.loads.iter().map(|l| l.load(Relaxed)).collect(),
            turned_away: shared.clients.turned_away.get(TOO_MANY),
            dropped: self.dropped(),
            open: self.open_requests(),
            pools: pools.collect(),
            limits,
            rates: rates.collect(),
            lines: shared.access.lines(),
            mirrors: self.mirrors(),
            stateful: self.stateful(),
            certificate: shared
                .acme
                .lock()
                .unwrap_or_else(|e| e.into_inner())
                .clone(),
            decisions: Tally::all(&shared.kept),
        }
    }

    /// A tally beside those of the gates, shown with them.
    pub fn tally(&self, gate: &'static str, names: &'static [&'static str]) -> Arc<Tally> {
        Tally::of(&self.shared.kept, gate, "all", names)
    }

    /// Numbers of the business, by route and name.
    pub fn business(&self) -> Vec<Worth> {
        business::gauges(&self.shared.kept)
    }

    /// What came of copies, by route.
    pub fn mirrors(&self) -> Vec<mirror::Counts> {
        let all = self.shared.kept.all::<mirror::Mirrored>();
        let mut all: Vec<_> = all.iter().map(|m| m.counts()).collect();
        all.sort_by(|a, b| (&a.route, &a.to).cmp(&(&b.route, &b.to)));
        all
    }

    /// Whether instances keep sessions in their memory, by route where that is looked at.
    pub fn stateful(&self) -> Vec<stateful::Finding> {
        let all = self.shared.kept.all::<stateful::Watched>();
        let mut all: Vec<_> = all.iter().map(|w| w.finding()).collect();
        all.sort_by(|a, b| a.route.cmp(&b.route));
        all
    }

    /// Requests by route and who asked, since the last time; none where `identity` has no `costs`.
    pub fn take_charges(&self) -> Vec<Charge> {
        let all = self.shared.kept.all::<Charges>();
        all.iter().flat_map(|c| c.take()).collect()
    }

    /// Samples lost to full rings.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    /// Attempts at each instance, those that wait for a connection included. Cheap enough to ask often.
    pub fn in_flight(&self) -> Vec<(InstanceIx, u32)> {
        let snapshot = self.shared.current.load();
        let all = snapshot.instances.iter().map(|(_, _, i)| {
            let n = i.pool.busy.load(Relaxed) + i.pool.waiting.load(Relaxed);
            (i.ix, n)
        });
        all.collect()
    }

    /// By route, requests that have been open for longer than `Options::long`, as of the last second.
    /// Upgrades and event streams are not among them.
    pub fn long_open(&self) -> Vec<(RouteIx, u32)> {
        let mut sum = BTreeMap::new();
        for thread in &self.shared.long_open {
            for (route, n) in thread.lock().unwrap_or_else(|e| e.into_inner()).iter() {
                *sum.entry(*route).or_default() += n;
            }
        }
        sum.into_iter().collect()
    }
}

fn compressed(kept: &Kept) -> Vec<CompressGauge> {
    let mut all: Vec<CompressGauge> = (kept.all::<compress::Bytes>().iter())
        .map(|b| CompressGauge {
            route: b.route.clone(),
            came: b.came.load(Relaxed),
            sent: b.sent.load(Relaxed),
            left: b.left.load(Relaxed),
        })
        .collect();
    all.sort_by(|a, b| a.route.cmp(&b.route));
    all
}
