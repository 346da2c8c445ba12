//! What the probes tell of every station, put into the windows.

use crate::stations::{Copy, Ticks};
use crate::world::{See, Seen, StationKind, World};
use base::{InstanceIx, ResourceCell, ResourceIx, Window};

/// `first[station]`: its copies begin there in `copies`.
pub fn add(windows: &mut [Window], world: &World, copies: &[Copy], first: &[usize], seen: &Seen) {
    for (s, station) in world.stations.iter().enumerate() {
        let Some(column) = world.column(s) else {
            continue;
        };
        let n = station.service.map_or(1, |i| world.services[i].1);
        for i in 0..n {
            let mut ticks = Ticks::new(seen.tick_s);
            for (w, r) in windows.iter_mut().zip(&copies[first[s] + i].readings) {
                let mut cell = ResourceCell {
                    resource: ResourceIx(column as u16),
                    instance: match station.service {
                        Some(_) => InstanceIx(i as u16),
                        None => InstanceIx::NONE,
                    },
                    busy: 0.0,
                    capacity: (station.see == See::All).then_some(station.kind.capacity()),
                    waiting: None,
                    level: None,
                    background: None,
                };
                if let StationKind::Level { each, .. } = station.kind {
                    cell.level = Some(station.background / n as f64 + each * r.held);
                } else if station.see == See::All {
                    cell.busy = ticks.counted(r.busy);
                    cell.background = seen.background.then_some(r.background);
                }
                let queues = matches!(station.kind, StationKind::Line(_) | StationKind::Slots(_));
                cell.waiting = (queues && seen.waiters).then_some(r.waiting);
                w.resources.push(cell);
            }
        }
    }
}
