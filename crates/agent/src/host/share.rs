//! What a host leaves to the instances on it: cores that others use are not theirs. Pure.

use crate::host::meter::Rates;
use std::collections::BTreeMap;

/// Weight of the newest second: the rest of a minute smooths it.
const NEWEST: f64 = 0.05;
/// Cores below which a use is noise.
const IDLE: f64 = 1e-3;

#[derive(Debug, Default)]
pub struct Shares {
    smooth: BTreeMap<String, f64>,
}

impl Shares {
    fn smooth(&mut self, key: &str, value: f64) -> f64 {
        let s = self.smooth.entry(key.to_owned()).or_insert(value);
        *s += NEWEST * (value - *s);
        *s
    }

    /// Takes the host's row out, and lowers the capacity of each instance's CPU to its part of what the host leaves:
    /// in proportion to what they use, so that all of them are full at the same time. Nothing is changed while the
    /// host's background is not known.
    pub fn apply(&mut self, mut all: Vec<Rates>) -> Vec<Rates> {
        let at = all.iter().position(|r| r.resource == "cpu.host");
        let host = at.map(|i| all.swap_remove(i));
        all.retain(|r| r.resource != "cpu.plimsoll");
        let is_cpu = |r: &&mut Rates| r.instance.is_some() && r.resource.starts_with("cpu.");
        let Some(host) = host else { return all };
        let (Some(cores), Some(background)) = (host.capacity, host.background) else {
            return all;
        };
        let left = (cores - self.smooth("host", background)).max(0.0);
        let key = |r: &Rates| format!("{:?}", r.instance);
        let uses: Vec<f64> = all
            .iter_mut()
            .filter(is_cpu)
            .map(|r| self.smooth(&key(r), r.busy).max(IDLE))
            .collect();
        let sum: f64 = uses.iter().sum();
        for (r, used) in all.iter_mut().filter(is_cpu).zip(uses) {
            let part = left * used / sum;
            r.capacity = Some(r.capacity.map_or(part, |c| c.min(part)));
        }
        let present: Vec<String> = all.iter().map(key).collect();
        self.smooth
            .retain(|k, _| k == "host" || present.contains(k));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Instance;

    fn cpu(service: &str, busy: f64, capacity: f64) -> Rates {
        Rates {
            resource: format!("cpu.{service}"),
            instance: Some(Instance {
                service: service.into(),
                address: "10.0.0.2:1".into(),
            }),
            busy,
            capacity: Some(capacity),
            ..Rates::default()
        }
    }
    fn host(busy: f64, background: Option<f64>) -> Rates {
        Rates {
            resource: "cpu.host".into(),
            busy,
            background,
            capacity: Some(4.0),
            ..Rates::default()
        }
    }
    fn capacities(all: Vec<Rates>) -> Vec<f64> {
        let all = Shares::default().apply(all);
        all.iter().filter_map(|r| r.capacity).collect()
    }

    #[test]
    fn what_others_use_is_not_there_and_the_rest_is_shared_by_use() {
        let alone = vec![host(2.0, Some(1.0)), cpu("a", 1.0, 4.0)];
        assert_eq!(capacities(alone), [3.0]);
        let two = vec![cpu("a", 1.0, 4.0), cpu("b", 0.5, 4.0), host(2.5, Some(1.0))];
        assert_eq!(capacities(two), [2.0, 1.0]);
        let quota = vec![host(2.0, Some(1.0)), cpu("a", 0.4, 0.5)];
        assert_eq!(capacities(quota), [0.5]);
        let unknown = vec![host(2.0, None), cpu("a", 1.0, 4.0)];
        assert_eq!(capacities(unknown), [4.0]);
    }
}
