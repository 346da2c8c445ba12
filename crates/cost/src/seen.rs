//! What happened in a stretch of time, as prices are shared by it: requests, and the use of resources.

use base::{Discipline, ResourceInfo, RouteInfo, Window};
use model::Fit;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteSeen {
    pub name: String,
    pub service: String,
    /// That ended in the stretch.
    pub requests: f64,
    /// Requests by the share of their life that lies in the stretch: what demands are multiplied by.
    pub life: f64,
}

/// Use of one resource, in resource-seconds (or bytes).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    pub capacity: f64,
    /// As a probe saw it; `None`: no probe sees it.
    pub busy: Option<f64>,
    /// Of that, what no request causes.
    pub background: f64,
    /// As the fitted demands tell it, by route.
    pub demanded: Vec<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub seconds: f64,
    pub routes: Vec<RouteSeen>,
    pub columns: BTreeMap<String, Column>,
}

/// Sums up windows that follow each other; `fit`: what is known of demands so far.
pub fn seen(
    routes: &[RouteInfo],
    resources: &[ResourceInfo],
    windows: &[Arc<Window>],
    fit: Option<&Fit>,
) -> Seen {
    let routes = summed(routes, windows);
    let seconds = windows.len() as f64 * base::window::WINDOW_S;
    let flows = |r: &&ResourceInfo| r.discipline != Discipline::Level;
    let columns = resources.iter().enumerate().filter(|(_, r)| flows(r));
    let columns = columns.map(|(k, info)| {
        let mut column = measured(k, windows);
        if let Some(fit) = fit {
            learned(&mut column, fit, &info.name, &routes, seconds);
        }
        column.demanded.resize(routes.len(), 0.0);
        (info.name.clone(), column)
    });
    Seen {
        seconds,
        columns: columns.collect(),
        routes,
    }
}

fn summed(routes: &[RouteInfo], windows: &[Arc<Window>]) -> Vec<RouteSeen> {
    let named = |r: &RouteInfo| RouteSeen {
        name: r.name.clone(),
        service: r.service.clone(),
        ..RouteSeen::default()
    };
    let mut all: Vec<RouteSeen> = routes.iter().map(named).collect();
    for cell in windows.iter().flat_map(|w| &w.requests) {
        if let Some(r) = cell.key.route.get().and_then(|r| all.get_mut(r)) {
            r.requests += f64::from(cell.ends);
            r.life += cell.life.max(0.0);
        }
    }
    all
}

/// What probes saw. Seconds in which they were silent are taken to be like the others.
fn measured(k: usize, windows: &[Arc<Window>]) -> Column {
    let (mut busy, mut capacity, mut background, mut spoke) = (0.0, 0.0, 0.0, 0.0);
    for w in windows {
        let mut cells = w
            .resources
            .iter()
            .filter(|c| c.resource.get() == Some(k))
            .peekable();
        spoke += f64::from(u8::from(cells.peek().is_some()));
        for c in cells {
            busy += c.busy.max(0.0);
            capacity += c.capacity.unwrap_or(0.0).max(0.0) * base::window::WINDOW_S;
            background += c.background.unwrap_or(0.0).max(0.0);
        }
    }
    if spoke == 0.0 {
        return Column::default();
    }
    let scale = windows.len() as f64 / spoke;
    Column {
        busy: Some(busy * scale),
        capacity: capacity * scale,
        background: background * scale,
        demanded: Vec::new(),
    }
}

/// What the model says of the resource, where it knows it.
fn learned(column: &mut Column, fit: &Fit, name: &str, routes: &[RouteSeen], seconds: f64) {
    let Some(k) = fit.resources.iter().position(|r| r.info.name == name) else {
        return;
    };
    let r = &fit.resources[k];
    if column.capacity <= 0.0 {
        column.capacity = r.capacity.max(0.0) * seconds;
    }
    if column.background <= 0.0 {
        column.background = r.background.max(0.0) * seconds;
    }
    let demand = |route: &RouteSeen| {
        let i = fit.routes.iter().position(|f| f.info.name == route.name)?;
        let alongside = r.alongside.get(i).copied().unwrap_or(0.0);
        Some(route.life * (fit.demand[i][k].mean + alongside).max(0.0))
    };
    column.demanded = routes.iter().map(|r| demand(r).unwrap_or(0.0)).collect();
}
