//! Who calls whom: services and the databases behind them, in layers from the outside in.

use super::Control;
use base::Class;
use config::Config;
use model::Fit;
use serde::Serialize;
use std::collections::BTreeMap;

/// Services and resources that are shown at most; a picture of more tells nothing.
const NODES: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Service,
    Resource,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    pub name: String,
    pub kind: Kind,
    /// 0: asked from outside.
    pub layer: usize,
    /// Requests from outside per second; 0 for what others ask only.
    pub entry_rate: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    pub from: String,
    pub to: String,
    /// Requests per second; `None`: declared (`depends_on`), or not counted.
    pub rate: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Topology {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    /// More nodes than are shown.
    pub left_out: usize,
}

impl Control {
    /// As declared, and as seen once something has been learned.
    pub fn topology(&self) -> Topology {
        let config = self.generation().base;
        topology(&config, self.view().fit.as_deref())
    }
}

fn topology(config: &Config, fit: Option<&Fit>) -> Topology {
    let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
    let mut edges: BTreeMap<(String, String), Option<f64>> = BTreeMap::new();
    let node = |name: &str, kind| Node {
        name: name.to_owned(),
        kind,
        layer: 0,
        entry_rate: 0.0,
    };
    for s in &config.services {
        nodes.insert(s.name.clone(), node(&s.name, Kind::Service));
        for d in &s.depends_on {
            edges.insert((s.name.clone(), d.clone()), None);
        }
    }
    if let Some(fit) = fit {
        seen(fit, &mut nodes, &mut edges, &node);
    }
    let left_out = nodes.len().saturating_sub(NODES);
    while nodes.len() > NODES {
        nodes.pop_last();
    }
    edges.retain(|(from, to), _| from != to && nodes.contains_key(from) && nodes.contains_key(to));
    // As many rounds as there can be layers; a circle of calls ends with them.
    for _ in 0..nodes.len() {
        for (from, to) in edges.keys() {
            let below = nodes[from].layer + 1;
            if let Some(n) = nodes
                .get_mut(to)
                .filter(|n| n.layer < below && below < NODES)
            {
                n.layer = below;
            }
        }
    }
    compact(&mut nodes);
    Topology {
        nodes: nodes.into_values().collect(),
        edges: (edges.into_iter())
            .map(|((from, to), rate)| Edge { from, to, rate })
            .collect(),
        left_out,
    }
}

/// What the model has seen: calls between the services of routes, and databases that routes use.
fn seen(
    fit: &Fit,
    nodes: &mut BTreeMap<String, Node>,
    edges: &mut BTreeMap<(String, String), Option<f64>>,
    node: &dyn Fn(&str, Kind) -> Node,
) {
    for (p, parent) in fit.routes.iter().enumerate() {
        let from = &parent.info.service;
        if let Some(n) = nodes.get_mut(from) {
            n.entry_rate += parent.entry_rate;
        }
        for (c, child) in fit.routes.iter().enumerate() {
            let calls = fit.calls.get(p).and_then(|r| r.get(c)).copied();
            let rate = calls.unwrap_or(0.0) * parent.rate;
            if rate > 0.0 {
                let edge = edges.entry((from.clone(), child.info.service.clone()));
                let sum = edge.or_default();
                *sum = Some(sum.unwrap_or(0.0) + rate);
            }
        }
        for (k, resource) in fit.resources.iter().enumerate() {
            let used = fit.demand.get(p).and_then(|r| r.get(k));
            if is_behind(&resource.info) && used.is_some_and(|d| d.mean > 0.0) {
                let name = &resource.info.name;
                nodes
                    .entry(name.clone())
                    .or_insert_with(|| node(name, Kind::Resource));
                edges.entry((from.clone(), name.clone())).or_default();
            }
        }
    }
}

/// A database, a store or a third party: something that stands on its own.
fn is_behind(info: &base::ResourceInfo) -> bool {
    info.name.starts_with("db.") || info.class == Class::Dependency
}

/// Layers without a node are left out.
fn compact(nodes: &mut BTreeMap<String, Node>) {
    let mut layers: Vec<usize> = nodes.values().map(|n| n.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    for n in nodes.values_mut() {
        n.layer = layers.iter().position(|l| *l == n.layer).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let checked = config::check_text("p.yaml", text);
        checked.config.unwrap()
    }

    #[test]
    fn what_depends_lies_deeper_and_a_circle_ends() {
        let text = "listen: 127.0.0.1:1\nservices:\n  web: { instances: [127.0.0.1:2], depends_on: [api] }\n  \
                    api: { instances: [127.0.0.1:3], depends_on: [stock] }\n  stock: { instances: [127.0.0.1:4] }\n\
                    routes: { all: { match: '/{path...}', to: web } }\n";
        let t = topology(&config(text), None);
        let layers: Vec<_> = t.nodes.iter().map(|n| (n.name.as_str(), n.layer)).collect();
        assert_eq!(layers, [("api", 1), ("stock", 2), ("web", 0)]);
        let circle = text.replace(
            "stock: { instances: [127.0.0.1:4]",
            "stock: { instances: [127.0.0.1:4], depends_on: [web]",
        );
        let t = topology(&config(&circle), None);
        assert!(t.nodes.iter().all(|n| n.layer < 3), "{t:?}");
    }
}
