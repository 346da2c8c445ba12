//! Agents as one more probe of telemetry: what they say goes into the window of the second in which it happened.

use super::Shared;
use crate::message::Instance;
use base::{InstanceIx, Names, Nanos, ResourceCell, SignalCell, Window};
use config::Address;
use std::sync::Arc;
use telemetry::probes::{Probe, ProbeNote, Reading};

pub struct AgentProbe {
    pub(super) shared: Arc<Shared>,
    pub(super) names: Names,
}

impl Probe for AgentProbe {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn sample(&mut self, now: Nanos, in_flight: &dyn Fn(InstanceIx) -> u32) {
        self.shared.table().flying(now, in_flight);
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let mut table = self.shared.table();
        let instances = r.targets.instances.iter();
        let known = instances.filter_map(|t| match &t.address {
            Address::Ip(at) => {
                let instance = Instance {
                    service: t.service.clone(),
                    address: at.to_string(),
                };
                Some((instance, t.instance))
            }
            Address::Unix(_) => None,
        });
        table.known(known.collect());
        // Whom an agent sees is not out of sight.
        let seen = table.seen();
        r.notes
            .retain(|n| n.probe != "listeners" || !seen.contains(n.about.as_str()));
        let notes = table.notes(r.now).into_iter().map(|n| ProbeNote {
            probe: probe(&n.probe),
            about: n.about,
            text: n.text,
            blind: n.blind,
        });
        r.notes.extend(notes);
    }

    fn close(&mut self, w: &mut Window) {
        let second = self.shared.table().close(w.index);
        let name = |c: &ResourceCell| self.names.resources.name(c.resource).unwrap_or_default();
        w.resources
            .retain(|c| !second.withheld.contains(name(c).as_ref()));
        for (resource, instance, signal, value) in second.signals {
            let resource = self.names.resources.intern(&resource);
            if !resource.is_none() {
                w.signals.push(SignalCell {
                    resource,
                    instance,
                    signal,
                    value,
                });
            }
        }
        for (resource, instance, p) in second.cells {
            let resource = self.names.resources.intern(&resource);
            let ours = |c: &ResourceCell| c.resource == resource && c.instance == instance;
            if resource.is_none() || w.resources.iter().any(ours) {
                continue;
            }
            w.resources.push(ResourceCell {
                resource,
                instance,
                busy: p.busy,
                capacity: p.capacity,
                waiting: p.waiting,
                level: p.level,
                background: p.background,
            });
        }
    }
}

/// Agents run probes that are known here.
fn probe(name: &str) -> &'static str {
    let all = config::schema::PROBES.iter().copied();
    all.into_iter().find(|p| *p == name).unwrap_or("agent")
}
