//! Costs as metrics. Labels are names in the config, and bounded by it.

use ::cost::Slot;
use telemetry::prometheus::Page;

pub fn page(ever: &Slot) -> String {
    let mut p = Page::default();
    p.family(
        "plimsoll_cost_dollars_total",
        "counter",
        "What resources cost by their prices while they were watched.",
    );
    for (resource, item) in &ever.items {
        p.row("", &[("resource", resource)], item.dollars);
    }
    p.family(
        "plimsoll_cost_idle_dollars_total",
        "counter",
        "Of that, what nothing used.",
    );
    for (resource, item) in &ever.items {
        p.row("", &[("resource", resource)], item.idle());
    }
    p.family(
        "plimsoll_cost_used_dollars_total",
        "counter",
        "Of that, what requests used.",
    );
    for route in ever.requests.keys() {
        p.row("", &[("route", route)], ever.used_by(route));
    }
    p.finish()
}
