//! Prometheus' text format, version 0.0.4. Labels are routes, arms, instances and resources: all from bounded tables.

pub mod openmetrics;
mod text;

#[cfg(test)]
mod tests;

use crate::collect::Stats;
use crate::probes::ProbeNote;
use crate::totals::Totals;
use base::buckets::BOUNDS;
use base::{InstanceIx, Names, ResourceIx, RouteIx, Window};
use std::collections::BTreeMap;
pub use text::Page;

/// The content type to answer with.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Plimsoll's own process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    pub cpu_s: f64,
    pub rss_bytes: f64,
    /// Seconds since 1970; everything is counted from then on.
    pub started_s: f64,
}

impl Process {
    /// Reads `/proc/self`; zeros where it cannot.
    pub fn read() -> Process {
        let proc = crate::probes::Proc::host();
        let total = crate::probes::cpu::read_process(&proc, std::process::id()).map(|t| t.0);
        let rss = proc
            .read("self/status")
            .and_then(|s| crate::probes::memory::kilobytes(&s, "VmRSS"));
        Process {
            cpu_s: total.unwrap_or(0.0),
            rss_bytes: rss.unwrap_or(0.0),
            started_s: proc
                .read("self/stat")
                .zip(proc.read("stat"))
                .and_then(|(own, all)| started(&own, &all))
                .unwrap_or(0.0),
        }
    }
}

/// The boot (of `/proc/stat`), and the ticks from then until this process began (of `/proc/self/stat`).
fn started(own: &str, all: &str) -> Option<f64> {
    let ticks: f64 = own.rsplit(") ").next()?.split(' ').nth(19)?.parse().ok()?;
    let boot = all.lines().find_map(|l| l.strip_prefix("btime "))?;
    let boot: f64 = boot.parse().ok()?;
    Some(boot + ticks / rustix::param::clock_ticks_per_second() as f64)
}

/// Everything that is shown.
pub struct View<'a> {
    pub totals: &'a Totals,
    /// With traces beside the buckets, which OpenMetrics alone allows.
    pub exemplars: bool,
    pub stats: &'a Stats,
    pub notes: &'a [ProbeNote],
    pub in_flight: &'a [(InstanceIx, u32)],
    /// The newest closed window, about eleven seconds old.
    pub window: Option<&'a Window>,
    pub names: &'a Names,
    pub process: Process,
}

/// One page of metrics.
pub fn render(v: &View<'_>) -> String {
    let mut p = Page::default();
    let route = |r: RouteIx| v.names.routes.name(r).unwrap_or_else(|| "none".into());
    let instance = |i: InstanceIx| v.names.instances.name(i).unwrap_or_else(|| "none".into());
    let resource = |k: ResourceIx| v.names.resources.name(k).unwrap_or_else(|| "none".into());

    p.family(
        "plimsoll_requests_total",
        "counter",
        "Requests answered, by route, arm and status class.",
    );
    for (k, n) in &v.totals.requests {
        let class = status(k.class);
        let labels = [
            ("route", &*route(k.route)),
            ("arm", arm(k.arm)),
            ("status", &class),
        ];
        p.row("", &labels, *n as f64);
    }
    p.family(
        "plimsoll_request_duration_seconds",
        "histogram",
        "Time from the request's first byte to the answer's last.",
    );
    for ((r, a), l) in &v.totals.latency {
        let name = route(*r);
        let mut sum = 0;
        for (i, n) in l.buckets().enumerate() {
            sum += n;
            let le = BOUNDS.get(i).map_or("+Inf".to_owned(), f64::to_string);
            let labels = [("route", &*name), ("arm", arm(*a)), ("le", &le)];
            let exemplar = v.totals.exemplars.get(&(*r, *a, i as u8));
            let exemplar = exemplar.filter(|_| v.exemplars);
            p.row_of("_bucket", &labels, sum as f64, exemplar);
        }
        let labels = [("route", &*name), ("arm", arm(*a))];
        p.row("_sum", &labels, l.sum);
        p.row("_count", &labels, l.count() as f64);
    }
    p.family(
        "plimsoll_refused_total",
        "counter",
        "Requests that Plimsoll itself refused.",
    );
    for (r, n) in &v.totals.refused {
        p.row("", &[("route", &*route(*r))], *n as f64);
    }
    p.family(
        "plimsoll_behind_total",
        "counter",
        "Exchanges that no client waited for: jobs and events that were delivered, answers that a cache fetched anew.",
    );
    for (r, n) in &v.totals.behind {
        p.row("", &[("route", &*route(*r))], *n as f64);
    }
    p.family(
        "plimsoll_calls_total",
        "counter",
        "Requests of a route that requests of another caused, as traces tell.",
    );
    for ((parent, child), n) in &v.totals.calls {
        let labels = [("parent", &*route(*parent)), ("route", &*route(*child))];
        p.row("", &labels, *n as f64);
    }
    p.family(
        "plimsoll_attempts_total",
        "counter",
        "Tries against instances.",
    );
    p.row("", &[], v.totals.attempts as f64);
    p.family(
        "plimsoll_upstream_errors_total",
        "counter",
        "Tries that failed, by reason.",
    );
    for ((r, f), n) in &v.totals.failures {
        p.row(
            "",
            &[("route", &*route(*r)), ("reason", f.label())],
            *n as f64,
        );
    }
    p.family(
        "plimsoll_attempts_in_flight",
        "gauge",
        "Tries under way at each instance.",
    );
    for (i, n) in v.in_flight {
        p.row("", &[("instance", &*instance(*i))], f64::from(*n));
    }
    if let Some(w) = v.window {
        let mut flying: BTreeMap<RouteIx, f64> = BTreeMap::new();
        for c in &w.requests {
            *flying.entry(c.key.route).or_default() += c.in_flight_s;
        }
        p.family(
            "plimsoll_requests_in_flight",
            "gauge",
            "Mean number of requests under way in the newest closed window.",
        );
        for (r, n) in flying {
            p.row("", &[("route", &*route(r))], n);
        }
        type Value = fn(&base::ResourceCell) -> Option<f64>;
        let kinds: [(&str, &str, Value); 4] = [
            (
                "plimsoll_resource_busy",
                "Use of each resource per second, in its own unit.",
                |c| Some(c.busy),
            ),
            (
                "plimsoll_resource_capacity",
                "What each resource offers per second.",
                |c| c.capacity,
            ),
            (
                "plimsoll_resource_utilisation_ratio",
                "Busy divided by capacity.",
                |c| c.capacity.filter(|x| *x > 0.0).map(|x| c.busy / x),
            ),
            (
                "plimsoll_resource_waiting",
                "Mean number of waiters.",
                |c| c.waiting,
            ),
        ];
        for (name, help, value) in kinds {
            p.family(name, "gauge", help);
            for c in &w.resources {
                if let Some(x) = value(c) {
                    let labels = [
                        ("resource", &*resource(c.resource)),
                        ("instance", &*instance(c.instance)),
                    ];
                    p.row("", &labels, x);
                }
            }
        }
    }
    // A probe has several things to say at times: one row per probe, so that labels stay few.
    let mut blind: BTreeMap<&str, f64> = BTreeMap::new();
    for n in v.notes {
        *blind.entry(n.probe).or_default() += f64::from(u8::from(n.blind));
    }
    p.family(
        "plimsoll_probe_blind",
        "gauge",
        "Things that a probe cannot see now.",
    );
    for (probe, n) in blind {
        p.row("", &[("probe", probe)], n);
    }
    let s = v.stats;
    let own: [(&str, &str, &str, f64); 8] = [
        (
            "plimsoll_samples_total",
            "counter",
            "Samples taken by telemetry.",
            s.samples as f64,
        ),
        (
            "plimsoll_samples_dropped_total",
            "counter",
            "Samples lost because a ring was full.",
            s.dropped as f64,
        ),
        (
            "plimsoll_samples_late_total",
            "counter",
            "Requests that ended after their window had closed.",
            s.late as f64,
        ),
        (
            "plimsoll_telemetry_cpu_seconds_total",
            "counter",
            "CPU time of the telemetry thread, probes included.",
            s.cpu_ns as f64 / 1e9,
        ),
        (
            "plimsoll_telemetry_sample_cpu_seconds_total",
            "counter",
            "CPU time spent on samples alone.",
            s.sample_cpu_ns as f64 / 1e9,
        ),
        (
            "process_cpu_seconds_total",
            "counter",
            "CPU time of this process.",
            v.process.cpu_s,
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory of this process.",
            v.process.rss_bytes,
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "When this process started, in seconds since 1970.",
            v.process.started_s,
        ),
    ];
    for (name, kind, help, value) in own {
        p.family(name, kind, help);
        p.row("", &[], value);
    }
    p.finish()
}

/// As the label `status` has it.
pub fn status(class: u8) -> String {
    match class {
        0 => "none".to_owned(),
        class => format!("{class}xx"),
    }
}

/// As the label `arm` has it.
pub fn arm(a: base::Arm) -> &'static str {
    match a.0 {
        0 => "base",
        1 => "canary",
        _ => "other",
    }
}
