//! What the gates have decided, what the limits hold, and what became of the access log's lines, as metrics.

use crate::wire::{disks, second};
use base::Worth;
use gateway::access::Lines;
use gateway::attempt::limit::core::{Limit, PERMIT};
use gateway::attempt::mirror::Counts as Mirror;
use gateway::attempt::stateful::{Finding as Stateful, Verdict};
use gateway::{CompressGauge, Decision, Gauges, LimitGauge, Standing, TenantGauge};
use telemetry::prometheus::Page;

pub fn page(gauges: &Gauges) -> String {
    let mut page = Page::default();
    decisions(&mut page, &gauges.decisions);
    limits(&mut page, &gauges.limits);
    compressed(&mut page, &gauges.compressed);
    tenants(&mut page, &gauges.tenants);
    lines(&mut page, &gauges.lines);
    mirrors(&mut page, &gauges.mirrors);
    stateful(&mut page, &gauges.stateful);
    certificate(&mut page, gauges.certificate.as_ref());
    disks::page(&mut page, &gauges.disks);
    second::page(&mut page, &gauges.second);
    business(&mut page, &gauges.business);
    page.finish()
}

/// One family: the gate, the route or service it belongs to, and what it did.
fn decisions(page: &mut Page, decisions: &[Decision]) {
    page.family(
        "plimsoll_gate_decisions_total",
        "counter",
        "What gates did out of the ordinary, by route or service.",
    );
    for d in decisions {
        let labels = [("gate", d.gate), ("of", &d.of), ("decision", d.what)];
        page.row("", &labels, d.count as f64);
    }
}

type Value = fn(&LimitGauge) -> Option<f64>;

/// Name, kind, help and value of each family of the concurrency limits.
const LIMITS: &[(&str, &str, &str, Value)] = &[
    (
        "plimsoll_limit_permits",
        "gauge",
        "What may be in flight, in average attempts; absent: nothing is known.",
        |l| match l.limit {
            Limit::None => None,
            Limit::Observe(n) | Limit::Enforce(n) => Some(n as f64 / PERMIT as f64),
        },
    ),
    (
        "plimsoll_limit_enforced",
        "gauge",
        "1: the limit acts; 0: it only counts.",
        |l| Some(f64::from(u8::from(matches!(l.limit, Limit::Enforce(_))))),
    ),
    (
        "plimsoll_limit_in_flight",
        "gauge",
        "Work in flight, in average attempts.",
        |l| Some(l.counts.in_flight as f64 / PERMIT as f64),
    ),
    (
        "plimsoll_limit_waiting",
        "gauge",
        "Attempts that wait for a permit.",
        |l| Some(l.counts.waiting as f64),
    ),
    (
        "plimsoll_limit_waited_total",
        "counter",
        "Attempts that had to wait.",
        |l| Some(l.counts.waited as f64),
    ),
    (
        "plimsoll_limit_refused_total",
        "counter",
        "Attempts refused: the queue was full, or the wait too long.",
        |l| Some(l.counts.refused as f64),
    ),
    (
        "plimsoll_limit_would_refuse_total",
        "counter",
        "Attempts that passed only because the limit does not act yet.",
        |l| Some(l.counts.would_refuse as f64),
    ),
    (
        "plimsoll_latency_limit_permits",
        "gauge",
        "What may be in flight by the latency of answers; absent: nothing is known, or none was needed.",
        |l| match l.counts.latency_limit {
            0 => None,
            n => Some(n as f64 / PERMIT as f64),
        },
    ),
    (
        "plimsoll_latency_limit_would_refuse_total",
        "counter",
        "Attempts that passed only because the limit by latency does not act.",
        |l| Some(l.counts.latency_would_refuse as f64),
    ),
];

fn limits(page: &mut Page, limits: &[LimitGauge]) {
    for (name, kind, help, value) in LIMITS {
        page.family(name, kind, help);
        for l in limits {
            if let Some(v) = value(l) {
                page.row("", &[("service", &l.service)], v);
            }
        }
    }
}

fn compressed(page: &mut Page, routes: &[CompressGauge]) {
    page.family(
        "plimsoll_compress_bytes_total",
        "counter",
        "Bytes of answers: into the encoders, out of them, and of answers that would have been compressed.",
    );
    for r in routes {
        for (what, bytes) in [("in", r.came), ("out", r.sent), ("would", r.left)] {
            page.row("", &[("route", &r.route), ("bytes", what)], bytes as f64);
        }
    }
}

/// At most as many labels as the configuration lists, and one for all others.
fn tenants(page: &mut Page, tenants: &[TenantGauge]) {
    page.family(
        "plimsoll_tenant_requests_total",
        "counter",
        "Requests by tenant; `other`: of those that are not listed.",
    );
    for t in tenants {
        page.row("", &[("tenant", &t.tenant)], t.requests as f64);
    }
}

/// Lines of the access log; nothing while there never was one.
fn lines(page: &mut Page, lines: &Lines) {
    if *lines == Lines::default() {
        return;
    }
    page.family(
        "plimsoll_access_log_lines_total",
        "counter",
        "Lines of the access log: written, lost to a full ring, lost to a file that could not be written.",
    );
    for (fate, count) in [
        ("written", lines.written),
        ("dropped", lines.dropped),
        ("failed", lines.failed),
    ] {
        page.row("", &[("fate", fate)], count as f64);
    }
}

/// What came of copies; nothing where nobody makes any.
fn mirrors(page: &mut Page, mirrors: &[Mirror]) {
    if mirrors.is_empty() {
        return;
    }
    page.family(
        "plimsoll_mirror_copies_total",
        "counter",
        "Copies of requests: compared, without an answer of the other service or of the own one, left out to stay in bounds.",
    );
    for m in mirrors {
        let fates = [
            ("compared", m.compared),
            ("other-unanswered", m.unanswered[0]),
            ("own-unanswered", m.unanswered[1]),
            ("left-out", m.left_out),
        ];
        for (fate, count) in fates {
            let labels = [("route", m.route.as_str()), ("to", &m.to), ("fate", fate)];
            page.row("", &labels, count as f64);
        }
    }
    page.family(
        "plimsoll_mirror_differences_total",
        "counter",
        "Compared copies whose answers differ: between the services, and (noise) between two answers of the own one.",
    );
    for m in mirrors {
        for (between, counts) in [("services", m.differ), ("noise", m.noise)] {
            for (part, count) in ["status", "headers", "body"].into_iter().zip(counts) {
                let labels = [
                    ("route", m.route.as_str()),
                    ("to", &m.to),
                    ("part", part),
                    ("between", between),
                ];
                page.row("", &labels, count as f64);
            }
        }
    }
}

/// Whether instances keep sessions in their memory; nothing where nobody looks.
fn stateful(page: &mut Page, findings: &[Stateful]) {
    if findings.is_empty() {
        return;
    }
    page.family(
        "plimsoll_stateful_probes_total",
        "counter",
        "Requests asked again of two instances: compared, without an answer that says anything, left out to stay in bounds.",
    );
    for f in findings {
        let fates = [
            ("compared", f.compared),
            ("void", f.void),
            ("left-out", f.left_out),
        ];
        for (fate, count) in fates {
            let labels = [
                ("route", f.route.as_str()),
                ("service", &f.service),
                ("fate", fate),
            ];
            page.row("", &labels, count as f64);
        }
    }
    page.family(
        "plimsoll_stateful_confidence",
        "gauge",
        "That instances keep sessions of the route in their memory, 0 to 1.",
    );
    for f in findings {
        let labels = [("route", f.route.as_str()), ("service", &f.service)];
        page.row("", &labels, f.confidence);
    }
    page.family(
        "plimsoll_stateful",
        "gauge",
        "1: instances keep sessions of the route in their memory, surely enough to say so.",
    );
    for f in findings {
        let labels = [("route", f.route.as_str()), ("service", &f.service)];
        page.row("", &labels, f64::from(f.verdict == Verdict::KeepsState));
    }
}

/// Of the certificate that is got from an authority; nothing where none is.
fn certificate(page: &mut Page, standing: Option<&Standing>) {
    let Some(standing) = standing else {
        return;
    };
    page.family(
        "plimsoll_certificate_end_timestamp_seconds",
        "gauge",
        "End of the certificate in service; 0: there is none.",
    );
    page.row("", &[], standing.until.unwrap_or(0) as f64);
    page.family(
        "plimsoll_certificate_failing",
        "gauge",
        "1: the last try to get a new one failed.",
    );
    page.row("", &[], f64::from(u8::from(standing.wrong.is_some())));
}

type Number = fn(&Worth) -> f64;

/// Name, help and value of each family of the business. Labels are names in the config, and bounded by it.
const BUSINESS: &[(&str, &str, Number)] = &[
    (
        "plimsoll_business_value_total",
        "Sum of the numbers above 0 that answers told, in the unit that the config gives.",
        |b| b.added_micro as f64 / 1e6,
    ),
    (
        "plimsoll_business_taken_back_total",
        "Sum of those below 0, such as refunds, without their sign.",
        |b| b.taken_micro as f64 / 1e6,
    ),
];

/// Numbers of the business; nothing where no route declares one.
fn business(page: &mut Page, all: &[Worth]) {
    for (name, help, value) in BUSINESS {
        page.family(name, "counter", help);
        for b in all {
            let labels = [("route", &*b.route), ("metric", &b.name), ("unit", &b.unit)];
            page.row("", &labels, value(b));
        }
    }
    page.family(
        "plimsoll_business_answers_total",
        "counter",
        "Answers that were to tell such a number: that did, without it, with something else, and those that could not be read.",
    );
    for b in all {
        for (told, n) in past::metric::TOLD.into_iter().zip(b.told()) {
            let labels = [
                ("route", &*b.route),
                ("metric", &b.name),
                ("unit", &b.unit),
                ("told", told),
            ];
            page.row("", &labels, n as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::attempt::limit::Counts;

    #[test]
    fn every_decision_and_every_limit_is_a_row_and_without_any_there_is_nothing() {
        let one = Decision {
            gate: "breaker",
            of: "shop".into(),
            what: "refused",
            count: 3,
        };
        let limit = LimitGauge {
            service: "shop".into(),
            limit: Limit::Observe(12_500),
            counts: Counts {
                in_flight: 1500,
                would_refuse: 2,
                latency_limit: 20_000,
                latency_would_refuse: 7,
                ..Counts::default()
            },
        };
        let mut page = Page::default();
        decisions(&mut page, &[one]);
        limits(&mut page, &[limit]);
        let lost = Lines {
            dropped: 2,
            ..Lines::default()
        };
        lines(&mut page, &lost);
        let acme = TenantGauge {
            tenant: "acme".into(),
            requests: 4,
        };
        tenants(&mut page, &[acme]);
        let product = CompressGauge {
            route: "product".into(),
            came: 100,
            sent: 9,
            left: 0,
        };
        compressed(&mut page, &[product]);
        let mirror = Mirror {
            route: "product".into(),
            to: "next".into(),
            compared: 40,
            differ: [1, 0, 9],
            noise: [0, 0, 8],
            ..Mirror::default()
        };
        mirrors(&mut page, &[mirror]);
        let cart = Stateful {
            route: "cart".into(),
            service: "shop".into(),
            verdict: Verdict::KeepsState,
            confidence: 0.9995,
            at_most: 1.0,
            evidence: Default::default(),
            example: Some((200, 401)),
            compared: 30,
            void: 1,
            left_out: 2,
        };
        stateful(&mut page, &[cart]);
        let revenue = Worth {
            route: "buy".into(),
            name: "revenue".into(),
            unit: "usd".into(),
            added_micro: 19_990_000,
            taken_micro: 500_000,
            unread: 2,
            ..Worth::default()
        };
        business(&mut page, &[revenue]);
        let text = page.finish();
        for row in [
            "plimsoll_gate_decisions_total{gate=\"breaker\",of=\"shop\",decision=\"refused\"} 3",
            "plimsoll_limit_permits{service=\"shop\"} 12.5",
            "plimsoll_limit_enforced{service=\"shop\"} 0",
            "plimsoll_limit_in_flight{service=\"shop\"} 1.5",
            "plimsoll_limit_would_refuse_total{service=\"shop\"} 2",
            "plimsoll_latency_limit_permits{service=\"shop\"} 20",
            "plimsoll_latency_limit_would_refuse_total{service=\"shop\"} 7",
            "plimsoll_tenant_requests_total{tenant=\"acme\"} 4",
            "plimsoll_compress_bytes_total{route=\"product\",bytes=\"out\"} 9",
            "plimsoll_access_log_lines_total{fate=\"dropped\"} 2",
            "plimsoll_mirror_copies_total{route=\"product\",to=\"next\",fate=\"compared\"} 40",
            "plimsoll_mirror_differences_total{route=\"product\",to=\"next\",part=\"body\",between=\"noise\"} 8",
            "plimsoll_stateful_probes_total{route=\"cart\",service=\"shop\",fate=\"void\"} 1",
            "plimsoll_stateful_confidence{route=\"cart\",service=\"shop\"} 0.9995",
            "plimsoll_stateful{route=\"cart\",service=\"shop\"} 1",
            "plimsoll_business_value_total{route=\"buy\",metric=\"revenue\",unit=\"usd\"} 19.99",
            "plimsoll_business_taken_back_total{route=\"buy\",metric=\"revenue\",unit=\"usd\"} 0.5",
            "plimsoll_business_answers_total{route=\"buy\",metric=\"revenue\",unit=\"usd\",told=\"unread\"} 2",
        ] {
            assert!(text.lines().any(|l| l == row), "{row} is not in\n{text}");
        }
        let mut empty = Page::default();
        decisions(&mut empty, &[]);
        limits(&mut empty, &[]);
        tenants(&mut empty, &[]);
        compressed(&mut empty, &[]);
        lines(&mut empty, &Lines::default());
        mirrors(&mut empty, &[]);
        stateful(&mut empty, &[]);
        business(&mut empty, &[]);
        assert_eq!(empty.finish(), "");
    }
}
