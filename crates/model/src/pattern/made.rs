//! Windows made by hand, for the tests of patterns.

use super::{Pattern, Seen, find};
use crate::demand::{Options, Series, fit};
use base::window::CallCell;
use base::{
    Arm, Cell, CellKey, History, InstanceIx, ResourceCell, ResourceInfo, ResourceIx, RouteInfo,
    RouteIx, Window,
};
use std::sync::Arc;

pub struct Made {
    pub history: History,
}

impl Made {
    /// Routes with their services, and so many empty seconds.
    pub fn new(routes: &[(&str, &str)], seconds: u64) -> Made {
        let info = |(name, service): &(&str, &str)| RouteInfo {
            name: (*name).into(),
            service: (*service).into(),
            ..RouteInfo::default()
        };
        let empty = |index| {
            Arc::new(Window {
                index,
                ..Window::default()
            })
        };
        Made {
            history: History {
                routes: routes.iter().map(info).collect(),
                windows: (0..seconds).map(empty).collect(),
                ..History::default()
            },
        }
    }

    pub fn resource(&mut self, name: &str) {
        self.history.resources.push(ResourceInfo::from_name(name));
    }

    fn window(&mut self, t: usize) -> &mut Window {
        Arc::make_mut(&mut self.history.windows[t])
    }

    /// `n` more requests that begin and end in a second and take `s` seconds each.
    pub fn requests(&mut self, t: usize, route: usize, n: u32, s: f64) -> &mut Cell {
        add(&mut self.window(t).requests, key(route, None), n, s)
    }

    pub fn attempts(&mut self, t: usize, route: usize, instance: u16, n: u32, s: f64) -> &mut Cell {
        add(
            &mut self.window(t).attempts,
            key(route, Some(instance)),
            n,
            s,
        )
    }

    pub fn calls(&mut self, t: usize, parent: usize, child: usize, n: u32, s: f64) {
        self.window(t).calls.push(CallCell {
            parent: RouteIx(parent as u16),
            child: RouteIx(child as u16),
            count: n,
            seconds: f64::from(n) * s,
        });
    }

    pub fn told(&mut self, t: usize, resource: u16, busy: f64, capacity: f64, waiting: f64) {
        self.window(t).resources.push(ResourceCell {
            resource: ResourceIx(resource),
            instance: InstanceIx::NONE,
            busy,
            capacity: Some(capacity),
            waiting: Some(waiting),
            level: None,
            background: Some(0.0),
        });
    }
}

fn key(route: usize, instance: Option<u16>) -> CellKey {
    CellKey {
        route: RouteIx(route as u16),
        arm: Arm::BASE,
        instance: instance.map_or(InstanceIx::NONE, InstanceIx),
    }
}

fn add(cells: &mut Vec<Cell>, key: CellKey, n: u32, s: f64) -> &mut Cell {
    let at = cells.iter().position(|c| c.key == key).unwrap_or_else(|| {
        cells.push(Cell::new(key));
        cells.len() - 1
    });
    let c = &mut cells[at];
    c.arrivals += n;
    c.ends += n;
    c.life += f64::from(n);
    c.in_flight_s += f64::from(n) * s;
    c.seconds += f64::from(n) * s;
    c.seconds_sq += f64::from(n) * s * s;
    (0..n).for_each(|_| c.latency.record_secs(s));
    c
}

/// What they are diagnosed as.
pub fn diagnosed(made: &Made) -> crate::diagnose::Diagnosis {
    let fit = fit(&made.history, &Options::default()).expect("enough was made");
    crate::diagnose::diagnose(&fit, &Default::default())
}

/// What is found in them.
pub fn found(made: &Made) -> Vec<Pattern> {
    let fit = fit(&made.history, &Options::default()).expect("enough was made");
    let seen = Seen {
        history: &made.history,
        from: 0,
        series: &Series::new(&made.history, 0),
        fit: &fit,
    };
    find(&seen)
}
