//! Every call of the API, one line per member: the router and `openapi.json` are made from it.

use super::*;
use crate::Served;
use crate::access::Role;
use axum::middleware::map_response;
use axum::routing::{MethodRouter, get, post};

/// One method at one path.
pub struct Call {
    pub method: &'static str,
    pub path: &'static str,
    pub what: &'static str,
    /// Parameters of the path and the query; those of the query end with `?` when they may be left out.
    pub parameters: &'static [&'static str],
    /// An example of the body that it takes; names of what may be left out end with `?`, of what the example leaves out with `??`;
    /// `[60,null]`: it may be null as well.
    pub body: Option<&'static str>,
    pub role: Role,
    pub handler: fn() -> MethodRouter<Served>,
}

const fn read(
    path: &'static str,
    what: &'static str,
    parameters: &'static [&'static str],
    handler: fn() -> MethodRouter<Served>,
) -> Call {
    Call {
        method: "get",
        path,
        what,
        parameters,
        body: None,
        role: Role::Read,
        handler,
    }
}

const fn change(
    path: &'static str,
    what: &'static str,
    body: Option<&'static str>,
    handler: fn() -> MethodRouter<Served>,
) -> Call {
    Call {
        method: "post",
        path,
        what,
        parameters: &[],
        body,
        role: Role::Operate,
        handler,
    }
}

/// What only those may look at who may change it.
const fn inspect(
    path: &'static str,
    what: &'static str,
    parameters: &'static [&'static str],
    handler: fn() -> MethodRouter<Served>,
) -> Call {
    Call {
        role: Role::Operate,
        ..read(path, what, parameters, handler)
    }
}

/// A change that reaches beyond the gateway.
const fn beyond(
    path: &'static str,
    what: &'static str,
    body: Option<&'static str>,
    handler: fn() -> MethodRouter<Served>,
) -> Call {
    Call {
        role: Role::Admin,
        ..change(path, what, body, handler)
    }
}

pub const CALLS: &[Call] = &[
    read("/api/v1/openapi.json", "This document", &[], || {
        get(openapi::document)
    }),
    read(
        "/api/v1/status",
        "What is in service, what is wrong, and how far learning is",
        &[],
        || get(status),
    ),
    read(
        "/api/v1/probes",
        "What the probes have to say, what they cannot see included",
        &[],
        || get(probes),
    ),
    read(
        "/api/v1/mirrors",
        "What came of comparing services by copies of requests",
        &[],
        || get(mirrors),
    ),
    read(
        "/api/v1/stateful",
        "Which routes keep sessions in the memory of their instances: verdict, evidence, confidence, and what to do",
        &[],
        || get(stateful),
    ),
    read(
        "/api/v1/agents",
        "The agents of other hosts: their age, their clock, and what they see",
        &[],
        || get(agents),
    ),
    read(
        "/api/v1/engines",
        "The engines that several nodes share: where, what is wrong, and which loops run where; null: none is",
        &[],
        || get(engines),
    ),
    read(
        "/api/v1/replicas",
        "Databases with replicas: how far each is and how old what it shows may be, and who answers the reads of each route",
        &[],
        || get(replicas),
    ),
    read(
        "/api/v1/quotas",
        "What is counted in days and months: the period, how many keys, and which of those that this node knows have used most",
        &[],
        || get(quotas),
    ),
    read(
        "/api/v1/export",
        "How sending metrics and traces to a collector stands; null: nothing is sent",
        &[],
        || get(export),
    ),
    read(
        "/api/v1/certificate",
        "How the certificate stands that is got from an authority; null: none is",
        &[],
        || get(certificate),
    ),
    read(
        "/api/v1/past",
        "What is remembered of counts and latencies, and why it is not stored, if it is not",
        &[],
        || get(past),
    ),
    read(
        "/api/v1/diagnosis",
        "The constraint, the load line, and all they rest on",
        &[],
        || get(diagnosis),
    ),
    read(
        "/api/v1/slos",
        "Every objective: how it stands, and its error budget",
        &[],
        || get(slos::slos),
    ),
    read(
        "/api/v1/alerts",
        "Alerts that fire, then the last ones that ended",
        &[],
        || get(slos::alerts),
    ),
    read(
        "/api/v1/cost",
        "What requests cost by route, service, resource, tenant or user, idle apart: parts that sum to the bill, in micro-dollars",
        &["by?", "window?"],
        || get(cost::report),
    ),
    read(
        "/api/v1/cost/anomalies",
        "Hours in which a request cost something unusual, why, and what was changed in that minute",
        &[],
        || get(cost::anomalies),
    ),
    read(
        "/api/v1/cost/units",
        "What one order (or another number of the business) costs by day or hour, its trend with an interval, and why it differs",
        &["of?", "each?", "window?"],
        || get(cost::units),
    ),
    read(
        "/allocation/compute",
        "The same costs in the shape of OpenCost",
        &[
            "window",
            "aggregate?",
            "step?",
            "accumulate?",
            "includeIdle?",
        ],
        || get(cost::allocation),
    ),
    read(
        "/api/v1/business",
        "Numbers of the business that answers told, by route: sums in millionths, and how many answers did not tell them",
        &["window?"],
        || get(business::numbers),
    ),
    read(
        "/api/v1/advice",
        "Proposals, best first, and what is refused and why",
        &[],
        || get(advice),
    ),
    read(
        "/api/v1/whatif",
        "The load line before and after a change",
        &["q"],
        || get(whatif),
    ),
    read(
        "/api/v1/traffic",
        "Requests from outside over the last seconds",
        &["last_s?"],
        || get(traffic),
    ),
    read(
        "/api/v1/routes",
        "Every route over the last minute",
        &[],
        || get(routes),
    ),
    read(
        "/api/v1/routes/{name}/traffic",
        "One route over the last seconds",
        &["name", "last_s?"],
        || get(route_traffic),
    ),
    read(
        "/api/v1/routes/{name}/heat",
        "How long one route's answers took over the last seconds, by time and latency",
        &["name", "last_s?"],
        || get(route_heat),
    ),
    read(
        "/api/v1/traces",
        "Traces that are kept, newest first: of a route, with a status (503, 5xx, error), that took so long, since so many seconds; and how keeping them stands",
        &[
            "route?", "status?", "min_ms?", "since_s?", "limit?", "before?",
        ],
        || get(traces::list),
    ),
    read(
        "/api/v1/traces/{id}",
        "One trace: its spans in the order of reading, with self time and critical path, its log lines, and what is odd about it",
        &["id"],
        || get(traces::one),
    ),
    read(
        "/api/v1/statements",
        "Statements of databases that are looked into, without their values: what takes most time first",
        &[],
        || get(statements),
    ),
    read("/api/v1/topology", "Who calls whom", &[], || get(topology)),
    read(
        "/api/v1/instances",
        "The instances, as the gateway sees them",
        &[],
        || get(instances),
    ),
    read(
        "/api/v1/decisions",
        "What gates did out of the ordinary",
        &[],
        || get(decisions),
    ),
    read(
        "/api/v1/history",
        "The ledger, newest first",
        &["n?"],
        || get(history),
    ),
    read(
        "/api/v1/catalog",
        "Teams, services and whom to call for them, runbooks, and what is wrong with what is declared",
        &[],
        || get(catalog::all),
    ),
    read(
        "/api/v1/observed",
        "Requests of each route and calls between routes in the last 35 days, and for how much of that time Plimsoll looked",
        &[],
        || get(catalog::observed),
    ),
    read(
        "/api/v1/incidents",
        "Every incident, newest first, and how long each step takes",
        &[],
        || get(catalog::incidents),
    ),
    read(
        "/api/v1/incidents/{id}",
        "One incident, with what the ledger knows of its time and the draft of its postmortem",
        &["id"],
        || get(catalog::incident),
    ),
    read(
        "/api/v1/generations/{number}",
        "One generation: what came with it, who asked for it and why",
        &["number"],
        || get(generation),
    ),
    read("/api/v1/overlays", "The overlays in service", &[], || {
        get(overlays)
    }),
    read(
        "/api/v1/diff",
        "What the overlays change in the file",
        &[],
        || get(diff),
    ),
    read(
        "/api/v1/trials/{id}",
        "A trial, and how it stands while it is under way",
        &["id"],
        || get(trial),
    ),
    change(
        "/api/v1/try",
        "Try a proposal of the latest advice, by its id or number",
        Some(
            r#"{"which":"1","options?":{"share?":0.2,"who?":"ann","done??":false,"override_reason??":["it mends it",null]}}"#,
        ),
        || post(try_proposal),
    ),
    change(
        "/api/v1/rollback",
        "Take an overlay away, or withdraw a trial",
        Some(r#"{"overlay":"trial-1","who?":"ann"}"#),
        || post(rollback),
    ),
    read(
        "/api/v1/cache/why",
        "What a cache would do with a request, and why",
        &["url", "headers?"],
        || get(cache_why),
    ),
    change(
        "/api/v1/cache/purge",
        "Make stored answers stale, or take them out",
        Some(
            r#"{"prefix?":["/products/",null],"hard?":false,"url??":["/products/7",null],"group??":["products",null],"host??":["shop.example",null]}"#,
        ),
        || post(purge),
    ),
    read(
        "/api/v1/cache/disks",
        "How the parts of caches stand that are on disk, by route",
        &[],
        || get(cache_disks),
    ),
    read(
        "/api/v1/cache/shared",
        "How the caches stand that several nodes have together, by route",
        &[],
        || get(cache_shared),
    ),
    read(
        "/api/v1/jobs",
        "Each route's jobs: how many wait, how fast they are delivered, and why not faster",
        &[],
        || get(jobs::lanes),
    ),
    read(
        "/api/v1/jobs/cron",
        "Jobs by the calendar: when each was due last, and is due next",
        &[],
        || get(jobs::crons),
    ),
    change(
        "/api/v1/jobs/pause",
        "Accept a route's jobs, and deliver none",
        Some(r#"{"route":"orders"}"#),
        || post(jobs::pause),
    ),
    change(
        "/api/v1/jobs/resume",
        "Deliver a route's jobs again",
        Some(r#"{"route":"orders"}"#),
        || post(jobs::resume),
    ),
    change(
        "/api/v1/jobs/cancel",
        "Cancel a job that has not ended",
        Some(r#"{"job":"1f-6b0c4f"}"#),
        || post(jobs::cancel),
    ),
    change(
        "/api/v1/jobs/redrive",
        "Deliver a dead job again, or those of a route: all, or those with these texts in their reason and request; so many per second",
        Some(
            r#"{"job?":["1f-6b0c4f",null],"route?":["orders",null],"reason?":["status 422",null],"request?":["POST /orders",null],"rate?":[5,null]}"#,
        ),
        || post(jobs::redrive),
    ),
    change(
        "/api/v1/jobs/edit",
        "Deliver a dead job with another body (in base64), as a new job; the dead one is discarded",
        Some(r#"{"job":"1f-6b0c4f","body":"e30="}"#),
        || post(jobs::edit),
    ),
    change(
        "/api/v1/jobs/discard",
        "Cancel a dead job, or those of a route, for good",
        Some(
            r#"{"job?":["1f-6b0c4f",null],"route?":["orders",null],"reason?":["status 422",null],"request?":["POST /orders",null]}"#,
        ),
        || post(jobs::discard),
    ),
    read(
        "/api/v1/jobs/list",
        "Jobs of a route in one state",
        &["route", "state?", "after?", "limit?"],
        || get(jobs::list),
    ),
    read(
        "/api/v1/jobs/{id}",
        "One job, and what it was answered",
        &["id"],
        || get(jobs::show),
    ),
    inspect(
        "/api/v1/jobs/{id}/request",
        "The request that a job carries which has not ended or is dead: method and target, and the body in base64",
        &["id"],
        || get(jobs::request),
    ),
    read(
        "/api/v1/topics",
        "Each topic: what it holds, and how each of its subscriptions stands",
        &[],
        || get(topics::status),
    ),
    read(
        "/api/v1/topics/list",
        "Events of a subscription in one state: dead when none is named",
        &["topic", "subscription", "state?", "after?", "limit?"],
        || get(topics::list),
    ),
    change(
        "/api/v1/topics/pause",
        "Push no more events to a subscription; they are still taken",
        Some(r#"{"topic":"orders","subscription":"billing"}"#),
        || post(topics::pause),
    ),
    change(
        "/api/v1/topics/resume",
        "Push events to a subscription again, one that was disabled, too",
        Some(r#"{"topic":"orders","subscription":"billing"}"#),
        || post(topics::resume),
    ),
    change(
        "/api/v1/topics/redrive",
        "Deliver the dead events of a subscription again",
        Some(r#"{"topic":"orders","subscription":"billing"}"#),
        || post(topics::redrive),
    ),
    read(
        "/api/v1/streams",
        "Streams of events: how far subscriptions, projections and outboxes are, and what holds them; null: there are none",
        &[],
        || get(streams::standing),
    ),
    read(
        "/api/v1/streams/list",
        "Streams and how many events they have had",
        &["after?", "limit?"],
        || get(streams::list),
    ),
    read(
        "/api/v1/streams/read",
        "Events of a stream from a version on, or of all after a position",
        &["stream?", "from?", "back?", "limit?"],
        || get(streams::read),
    ),
    change(
        "/api/v1/streams/append",
        "Append one event by hand",
        Some(r#"{"stream":"orders","expected?":[0,null],"event":{"type":"order.placed"}}"#),
        || post(streams::append),
    ),
    change(
        "/api/v1/streams/replay",
        "Push everything after a position to a projection again",
        Some(r#"{"projection":"orders-view","from?":0,"rate?":[100,null]}"#),
        || post(streams::replay),
    ),
    read(
        "/api/v1/recording",
        "The recording under way, else the last one",
        &[],
        || get(recording),
    ),
    beyond(
        "/api/v1/recording",
        "Start a recording to a folder of this host",
        Some(r#"{"folder":"/tmp/rec","seconds?":[60,null],"bytes??":[1000000,null]}"#),
        || post(start_recording),
    ),
    beyond("/api/v1/recording/stop", "End the recording", None, || {
        post(stop_recording)
    }),
    read(
        "/api/v1/flights",
        "When requests were in a service, as it was taken down last: route, instance, and start and end in nanoseconds of the machine's monotonic clock; null: nothing was",
        &[],
        || get(flights),
    ),
    change(
        "/api/v1/flights",
        "Take down for some seconds when requests are in a service, for a profile of its processor",
        Some(r#"{"service":"shop","seconds":10}"#),
        || post(start_flights),
    ),
    change(
        "/api/v1/flights/stop",
        "End that before its time, or forget it where it is whole",
        Some(r#"{"id":1}"#),
        || post(stop_flights),
    ),
    read(
        "/api/v1/upgrade",
        "Which process this is, and how its last upgrade went",
        &[],
        || get(upgrade),
    ),
    beyond(
        "/api/v1/upgrade",
        "Hand the work over to a new binary",
        None,
        || post(start_upgrade),
    ),
];

/// What a call of the API takes.
pub fn role(method: &str, path: &str) -> Option<Role> {
    let is_it = |c: &&Call| c.method == method && is_of(c.path, path);
    CALLS.iter().find(is_it).map(|c| c.role)
}

/// Whether a path is one of a template, in which `{…}` is any segment.
fn is_of(template: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let fits = |t: &str| parts.next().is_some_and(|p| p == t || t.starts_with('{'));
    template.split('/').all(fits) && parts.next().is_none()
}

pub fn router() -> Router<Served> {
    let add = |router: Router<Served>, call: &Call| router.route(call.path, (call.handler)());
    let all = CALLS.iter().fold(Router::new(), add);
    all.layer(map_response(problem::told))
}
