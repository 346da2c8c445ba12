//! The caches as their owner sees them: taking things out, and asking why.

use crate::exchange::{Head, ListHead};
use crate::request::cache::{
    DiskGauge, Disks, Marks, Purge, SecondGauge, Store, Tell, Why, explain,
};
use crate::runtime::Gateway;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

impl Gateway {
    /// Takes out of every route's cache what the purge names, and tells how many answers that were. Waits for
    /// disks.
    pub fn purge(&self, purge: &Purge) -> u64 {
        let now = self.shared.clock.now();
        let stores = self.shared.kept.all::<Store>();
        // First, or what was taken out would come back from there.
        self.shared.second.purged(purge);
        stores.iter().map(|s| s.purge(purge, now)).sum()
    }

    /// Changes that other nodes have not been told yet; `None`: no route's cache is shared.
    pub fn untold(&self) -> Option<usize> {
        self.shared.second.untold()
    }

    /// How the caches that several nodes have together stand, by route.
    pub fn second_levels(&self) -> Vec<SecondGauge> {
        self.shared.second.gauges()
    }

    /// Where the caches are that several nodes have together; set once, before traffic begins.
    pub fn set_second(&self, engine: Option<Arc<dyn store::SecondLevel>>) {
        if let Some(engine) = engine {
            self.shared.second.set_engine(engine);
        }
    }

    /// How the disks of caches stand, by route.
    pub fn disks(&self) -> Vec<DiskGauge> {
        Disks::of(&self.shared.kept).gauges()
    }

    /// Who is told of what unsafe requests change, where the configuration has a `purge_hook` with `on_change`. It is
    /// called on traffic threads and must not wait. Only the first call counts.
    pub fn tell_changes(&self, tell: Tell) {
        self.shared.changes.told_to(tell);
    }

    /// What the cache would do with a request now. `headers` may hold `Host`.
    pub fn why(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Why {
        let list = ListHead::new(method, target, headers);
        let head = Head::List(&list);
        let snapshot = self.shared.current.load();
        let (arm, found) = snapshot.find(&head, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let Ok(Some(route)) = found else {
            return Why {
                verdict: "no route takes the request".into(),
                ..Why::default()
            };
        };
        let kept = &self.shared.kept;
        let store = kept
            .find::<Store>(&route.name)
            .zip(kept.find::<Marks>("cache"));
        explain(&route.name, store, arm.0, &head, self.shared.clock.now())
    }
}
