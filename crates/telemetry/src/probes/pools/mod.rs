//! Plimsoll's own upstream pools and the workers of its jobs, exact: their owner hands the numbers in. Resources
//! `pool.<service>` and `pool.<service>.jobs.<route>`.

use super::{PoolGauge, Probe, Reading};

pub struct Pools;

/// A pool without a limit cannot run out: it is not a resource.
pub fn limited(pools: &[PoolGauge]) -> impl Iterator<Item = (&PoolGauge, f64)> {
    pools
        .iter()
        .filter_map(|p| p.size.filter(|s| *s > 0.0).map(|s| (p, s)))
}

impl Probe for Pools {
    fn name(&self) -> &'static str {
        "pools"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        for (p, size) in limited(&targets.pools) {
            let name = match p.detail.as_str() {
                "" => format!("pool.{}", p.service),
                detail => format!("pool.{}.{detail}", p.service),
            };
            if let Some(c) = r.cell(&name, p.instance, p.in_use, Some(size)) {
                c.waiting = Some(p.waiting);
                c.background = Some(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::Targets;
    use base::{InstanceIx, Names, Nanos};

    #[test]
    fn only_limited_pools_are_resources() {
        let pool = |size| PoolGauge {
            service: "shop".into(),
            detail: String::new(),
            instance: InstanceIx(1),
            in_use: 3.0,
            waiting: 2.0,
            size,
        };
        let targets = Targets {
            pools: vec![pool(Some(4.0)), pool(None)],
            ..Targets::default()
        };
        let names = Names::default();
        let mut r = Reading::new(Nanos::ZERO, &targets, &names);
        Pools.read(&mut r);
        assert_eq!(r.cells.len(), 1);
        let c = r.cells[0];
        assert_eq!((c.busy, c.capacity, c.waiting), (3.0, Some(4.0), Some(2.0)));
    }

    #[test]
    fn workers_of_jobs_have_the_name_of_their_route() {
        let targets = Targets {
            pools: vec![PoolGauge {
                service: "shop".into(),
                detail: "jobs.mail".into(),
                instance: InstanceIx::NONE,
                in_use: 2.0,
                waiting: 40.0,
                size: Some(2.0),
            }],
            ..Targets::default()
        };
        let names = Names::default();
        let mut r = Reading::new(Nanos::ZERO, &targets, &names);
        Pools.read(&mut r);
        let name = names.resources.name(r.cells[0].resource);
        assert_eq!(name.as_deref(), Some("pool.shop.jobs.mail"));
    }
}
