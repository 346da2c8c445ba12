//! Plimsoll's own upstream pools, exact: their owner hands the numbers in. Resource `pool.<service>`.

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
            if let Some(c) = r.cell(
                &format!("pool.{}", p.service),
                p.instance,
                p.in_use,
                Some(size),
            ) {
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
}
