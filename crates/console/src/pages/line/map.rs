//! Services and what is behind them, as a picture in layers; and their instances as a table.

use crate::pages::parts::headings;
use crate::{Instance, State};
use base::number::rate;
use control::api::{Kind, Node, Topology};
use maud::{Markup, html};
use model::Answer;
use std::collections::BTreeMap;

const WIDTH: usize = 168;
const HEIGHT: usize = 54;
const GAP_X: usize = 72;
const GAP_Y: usize = 18;
/// Characters of a name that fit.
const NAME: usize = 18;

/// Changes when an instance comes, goes or changes its state.
pub fn version(s: &State) -> String {
    let instances = s.path.instances();
    let usable = instances.iter().filter(|i| i.usable).count();
    format!("{usable}/{}", instances.len())
}

pub fn map(s: &State, answer: Option<&Answer>) -> Markup {
    let (topology, instances) = (s.control.topology(), s.path.instances());
    let binding = answer
        .and_then(|a| a.diagnosis.constraint.as_ref())
        .map(|c| c.resource.as_str());
    html! {
        div.scroll tabindex="0" role="region" aria-label="Who calls whom" { (picture(&topology, &instances, binding)) }
        @if topology.left_out > 0 { p.note { (topology.left_out) " more are not drawn." } }
        (table(&instances))
    }
}

struct Placed<'a> {
    node: &'a Node,
    x: usize,
    y: usize,
}

/// Each layer is a column, in the middle of the height.
fn place(t: &Topology) -> (Vec<Placed<'_>>, usize, usize) {
    let mut columns: BTreeMap<usize, Vec<&Node>> = BTreeMap::new();
    for n in &t.nodes {
        columns.entry(n.layer).or_default().push(n);
    }
    let most = columns.values().map(Vec::len).max().unwrap_or(0);
    let height = (most * (HEIGHT + GAP_Y)).max(HEIGHT + GAP_Y);
    let mut placed = Vec::new();
    for (c, nodes) in columns.values().enumerate() {
        let top = (height - nodes.len() * (HEIGHT + GAP_Y)) / 2 + GAP_Y / 2;
        for (r, node) in nodes.iter().enumerate() {
            let (x, y) = (GAP_X + c * (WIDTH + GAP_X), top + r * (HEIGHT + GAP_Y));
            placed.push(Placed { node, x, y });
        }
    }
    (placed, columns.len() * (WIDTH + GAP_X) + 2, height)
}

fn picture(t: &Topology, instances: &[Instance], binding: Option<&str>) -> Markup {
    let (placed, width, height) = place(t);
    let at = |name: &str| placed.iter().find(|p| p.node.name == name);
    html! {
        svg.map viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height)
            role="img" aria-label="Services in the order in which requests reach them" {
            @for p in placed.iter().filter(|p| p.node.entry_rate > 0.0) {
                (edge((0, height / 2), (p.x, p.y + HEIGHT / 2), Some(p.node.entry_rate)))
            }
            circle.source cx="5" cy=(height / 2) r="5" {}
            @for e in &t.edges {
                @if let (Some(a), Some(b)) = (at(&e.from), at(&e.to)) {
                    (edge((a.x + WIDTH, a.y + HEIGHT / 2), (b.x, b.y + HEIGHT / 2), e.rate))
                }
            }
            @for p in &placed { (node(p, instances, binding)) }
        }
    }
}

fn edge((x, y): (usize, usize), (to_x, to_y): (usize, usize), at: Option<f64>) -> Markup {
    let middle = (x + to_x) / 2;
    // Ten times the traffic is one step thicker.
    let width = at.map_or(1.0, |r| 1.0 + (1.0 + r).log10());
    html! {
        path.edge d={ "M" (x) " " (y) "C" (middle) " " (y) " " (middle) " " (to_y) " " (to_x) " " (to_y) } stroke-width=(format!("{width:.1}")) {
            @if let Some(r) = at { title { (rate(r)) } }
        }
    }
}

fn node(p: &Placed<'_>, instances: &[Instance], binding: Option<&str>) -> Markup {
    let name = &p.node.name;
    let (up, all) = count(name, instances);
    let bound =
        binding.is_some_and(|b| b == name || (p.node.kind == Kind::Service && of_service(b, name)));
    let (class, says) = match p.node.kind {
        Kind::Resource => ("node resource", "shared".to_owned()),
        Kind::Service if up < all => ("node down", format!("{up} of {all} up")),
        Kind::Service => ("node", format!("{all} up")),
    };
    let shown: String = match name.chars().count() > NAME {
        true => name.chars().take(NAME - 1).chain(['…']).collect(),
        false => name.clone(),
    };
    html! {
        g class=(class) transform={ "translate(" (p.x) " " (p.y) ")" } {
            title { (name) ", " (says) @if bound { ", the constraint is here" } }
            rect class=[bound.then_some("bound")] width=(WIDTH) height=(HEIGHT) rx="8" {}
            text.name x="14" y="23" { (shown) }
            text.says x="14" y="41" { (says) @if bound { " · constraint" } }
        }
    }
}

/// `lock.front.stock` belongs to `front`.
fn of_service(resource: &str, service: &str) -> bool {
    resource.split('.').nth(1) == Some(service)
}

fn count(service: &str, instances: &[Instance]) -> (usize, usize) {
    let mine = || instances.iter().filter(|i| i.service == service);
    (mine().filter(|i| i.usable).count(), mine().count())
}

fn table(instances: &[Instance]) -> Markup {
    let down = instances.iter().filter(|i| !i.usable).count();
    html! {
        details open[down > 0] {
            summary { (instances.len()) " instances" @if down > 0 { ", " strong { (down) " get no requests" } } }
            div.scroll tabindex="0" role="region" aria-label="Instances" {
                table {
                    (headings(&[("Service", false), ("Instance", false), ("State", false), ("Busy", true), ("Waiting", true)]))
                    tbody {
                        @for i in instances {
                            tr {
                                td { (i.service) } td { code { (i.address) } }
                                td { span class={ "chip " (if i.usable { "tone-ok" } else { "tone-over" }) } { (i.state) } }
                                td.n { (i.busy) } td.n { (i.waiting) }
                            }
                        }
                    }
                }
            }
        }
    }
}
