//! A generation compiled for the path: immutable, swapped as a whole. What must survive it is in `Kept`.

use crate::access::{self, Keeping, Rules};
use crate::attempt::split::{Parts, Split, arm_of, who_asks};
use crate::exchange::Head;
use crate::gate::{Kept, Making, Moment};
use crate::hash::{hash, mix};
use crate::jobs::{self, Jobs};
use crate::proxy_protocol;
use crate::replicas::changes;
use crate::request::cache::Changes;
use crate::request::trace::{arm_of_caller, spans};
use crate::retry::Hinge;
use crate::ring::{ATTEMPT, DELIVERY, REQUEST, Ring};
use crate::route::{BadPath, Matcher, Question};
use crate::tls::stamps;
use crate::topics::Subscriber;
use crate::upstream::discover::Found;
use crate::upstream::link::Link;
use crate::upstream::{Instance, Service};
use base::trace::SpanIds;
use base::{Arm, Names, RouteIx};
use config::sections::{Database, ServiceTls};
use config::{Address, Config, Generation};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// One route on one arm, ready to be passed.
pub struct Route {
    pub ix: RouteIx,
    pub name: Arc<str>,
    /// Of its path, such as `/products/{id}`.
    pub template: Box<str>,
    pub arm: Arm,
    pub request: Ring,
    /// In its place when a job is delivered.
    pub delivery: Ring,
    /// `None`: it takes no jobs.
    pub asynchronous: Option<Arc<config::sections::Async>>,
    pub attempt: Ring,
    pub hinge: Hinge,
    pub service: Arc<Service>,
    /// gRPC-Web is translated.
    pub grpc_web: bool,
    /// A request that takes longer is kept as a trace.
    pub slow: Duration,
}

impl Route {
    /// The ring that is passed once.
    pub fn once(&self, is_job: bool) -> &Ring {
        match is_job {
            true => &self.delivery,
            false => &self.request,
        }
    }
}

struct Side {
    matcher: Matcher,
    routes: Vec<Arc<Route>>,
    /// By the place of the route: the services that share its users.
    splits: HashMap<usize, Shared>,
    /// By the place of the route: where those of its requests go that change nothing.
    reads: HashMap<usize, (Option<bool>, Arc<Route>)>,
    /// Header with the user's name.
    user: Option<String>,
}

struct Shared {
    parts: Parts,
    /// One for each part.
    routes: Vec<Arc<Route>>,
}

impl Side {
    fn takes_jobs(&self) -> bool {
        self.routes.iter().any(|r| r.asynchronous.is_some())
    }

    /// The route at `ix`, to the service that answers this user.
    fn route(&self, ix: usize, head: &Head<'_>, client: IpAddr) -> Option<&Arc<Route>> {
        let main = self.routes.get(ix)?;
        if !self.reads.is_empty()
            && let Some((writes, reads)) = self.reads.get(&ix)
            && !changes(*writes, head)
        {
            return Some(reads);
        }
        if self.splits.is_empty() {
            return Some(main);
        }
        let Some(shared) = self.splits.get(&ix) else {
            return Some(main);
        };
        let named = self.user.as_deref().and_then(|name| head.get(name));
        let who = named.filter(|v| !v.is_empty()).map(hash);
        let part = who.or_else(|| who_asks(head, client)).map(mix);
        let part = part.and_then(|who| shared.parts.of(who));
        Some(part.map_or(main, |i| &shared.routes[i]))
    }
}

pub struct Snapshot {
    pub number: u64,
    pub limits: config::sections::Limits,
    /// `None`: no peer speaks the PROXY protocol.
    pub(crate) proxy_protocol: Option<proxy_protocol::Rules>,
    /// What Plimsoll calls itself in `Via`.
    pub via: Option<Box<str>>,
    /// `None`: no access log.
    pub access: Option<Arc<Rules>>,
    /// `None`: no requests are kept as traces.
    pub keeping: Option<Keeping>,
    pub http2: config::sections::Http2,
    /// For requests, and for responses (whose bodies are not limited).
    pub request_limits: http1::Limits,
    pub response_limits: http1::Limits,
    /// A service that the canary changes is here twice; its instances are the same.
    pub services: Vec<Arc<Service>>,
    /// Every instance once, with its service and its place in it.
    pub instances: Vec<(Arc<Service>, usize, Arc<Instance>)>,
    base: Side,
    canary: Option<Canary>,
    /// Of the jobs, where any route takes some.
    resource: Option<Arc<Route>>,
    /// To whom events are pushed.
    subscribers: Vec<Arc<Subscriber>>,
}

struct Canary {
    split: Split,
    spans: Arc<SpanIds>,
    side: Side,
}

impl Canary {
    /// A call stays on the arm of the request that caused it: what a change costs is measured to the last hop.
    fn arm(&self, head: &Head<'_>, client: IpAddr) -> Arm {
        arm_of_caller(&self.spans, head).unwrap_or_else(|| arm_of(&self.split, head, client))
    }
}

impl Snapshot {
    pub(crate) fn compile(
        generation: &Generation,
        names: &Names,
        kept: &Kept,
        moment: Moment,
        found: &Found,
    ) -> Snapshot {
        let mut services = Vec::new();
        let made = Made {
            names,
            kept,
            moment,
            found,
        };
        let mut side = |config: &Config, arm| side(config, arm, &mut services, &made);
        let base = side(&generation.base, Arm::BASE);
        let canary = generation.canary.as_ref().map(|c| {
            let side = side(&c.config, Arm::CANARY);
            Canary {
                split: Split::new(&c.overlay, c.share),
                spans: spans(kept),
                side,
            }
        });
        let hook = generation.base.purge_hook.as_ref();
        (kept.get("cache", Changes::default)).set(hook.is_some_and(|h| h.on_change));
        let subscribers = Subscriber::all(&generation.base.topics, |r| {
            let service = find(&generation.base, &r.to, &services, &made);
            let ix = names.routes.intern(&r.name);
            compiled(
                r,
                ix,
                Arm::BASE,
                &service,
                &generation.base,
                &services,
                &made,
            )
        });
        let limits = generation.base.limits.clone();
        let access = generation.base.access_log.clone().map(|config| {
            let hasher = access::hasher(kept);
            Arc::new(Rules { config, hasher })
        });
        let keeping = Keeping::of(&generation.base, kept);
        let request_limits = http1::Limits {
            head: limits.head,
            headers: limits.headers,
            body: limits.body,
            ..http1::Limits::default()
        };
        Snapshot {
            number: generation.number,
            proxy_protocol: (generation.base.proxy_protocol.as_ref())
                .map(|p| proxy_protocol::Rules::new(p, kept)),
            via: generation.base.via.as_deref().map(Into::into),
            access,
            keeping,
            response_limits: request_limits.clone().unbounded_body(),
            request_limits,
            limits,
            http2: generation.base.http2.clone(),
            instances: instances(&services),
            services,
            resource: base.takes_jobs().then(|| resource(&made)),
            subscribers,
            base,
            canary,
        }
    }

    /// The arm and the route of a request; no route when none takes it.
    pub fn find(
        &self,
        head: &Head<'_>,
        client: IpAddr,
    ) -> (Arm, Result<Option<&Arc<Route>>, BadPath>) {
        if let Some(resource) = &self.resource
            && head.path_and_query().starts_with(jobs::PREFIX.as_bytes())
        {
            return (Arm::BASE, Ok(Some(resource)));
        }
        let (arm, side) = match &self.canary {
            Some(canary) => match canary.arm(head, client) {
                Arm::BASE => (Arm::BASE, &self.base),
                arm => (arm, &canary.side),
            },
            None => (Arm::BASE, &self.base),
        };
        let found = side.matcher.find(&Question {
            method: std::str::from_utf8(head.method_name()).unwrap_or(""),
            host: head.host().unwrap_or(b""),
            path: head.path_and_query(),
            has: |name: &str, value: &str| has(head, name, value),
        });
        let route = found.map(|ix| ix.and_then(|ix| side.route(ix, head, client)));
        (arm, route)
    }

    /// To whom events are pushed.
    pub fn subscribers(&self) -> &[Arc<Subscriber>] {
        &self.subscribers
    }

    pub fn subscriber(&self, lane: &str) -> Option<&Arc<Subscriber>> {
        self.subscribers.iter().find(|s| *s.lane == *lane)
    }

    /// Over which the events of a lane go to a service. No client's request finds it.
    pub(crate) fn way(&self, lane: &str) -> Option<&Arc<Route>> {
        self.subscriber(lane)?.route.as_ref()
    }

    /// Whether a connection begins with who is behind it.
    pub fn is_introduced(&self, ends: &proxy_protocol::Ends) -> bool {
        let rules = self.proxy_protocol.as_ref();
        rules.is_some_and(|rules| rules.expects(ends))
    }

    /// The routes of the base.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.base.routes.iter()
    }
}

fn instances(services: &[Arc<Service>]) -> Vec<(Arc<Service>, usize, Arc<Instance>)> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for service in services {
        for (i, instance) in service.instances.iter().enumerate() {
            if seen.insert(instance.ix) {
                all.push((service.clone(), i, instance.clone()));
            }
        }
    }
    all
}

/// Any line of that name counts, not only the first. An empty value: any.
pub(crate) fn has(head: &Head<'_>, name: &str, value: &str) -> bool {
    let mut found = false;
    head.each(|n, v| {
        found |=
            n.eq_ignore_ascii_case(name.as_bytes()) && (value.is_empty() || v == value.as_bytes());
    });
    found
}

/// What a snapshot is made of beside the configuration.
struct Made<'a> {
    names: &'a Names,
    kept: &'a Kept,
    moment: Moment,
    /// Where instances are that are given by name.
    found: &'a Found,
}

fn side(config: &Config, arm: Arm, services: &mut Vec<Arc<Service>>, made: &Made<'_>) -> Side {
    let zone = config.zone.as_deref();
    for config in &config.services {
        if !services.iter().any(|s| s.config == *config) {
            services.push(Arc::new(service(config, zone, made)));
        }
    }
    let route = |r: &config::Route, ix| {
        let service = find(config, &r.to, services, made);
        compiled(r, ix, arm, &service, config, services, made)
    };
    let (mut routes, mut splits, mut reads) = (Vec::new(), HashMap::new(), HashMap::new());
    for r in &config.routes {
        let ix = made.names.routes.intern(&r.name);
        let main = route(r, ix);
        if !r.split.is_empty() {
            let parts = Parts::new(r.split.iter().map(|(to, share)| (to.as_str(), *share)));
            let part = |(to, _): &(String, f64)| match *to == r.to {
                true => main.clone(),
                false => route(&part_of(r, to), ix),
            };
            let parts_of = r.split.iter().map(part).collect();
            splits.insert(
                routes.len(),
                Shared {
                    parts,
                    routes: parts_of,
                },
            );
        }
        if let Some(to) = &r.reads {
            let mut part = part_of(r, &to.to);
            part.deadline = to.deadline.clone().unwrap_or(part.deadline);
            reads.insert(routes.len(), (r.writes, route(&part, ix)));
        }
        routes.push(main);
    }
    Side {
        reads,
        matcher: Matcher::new(&config.routes),
        routes,
        splits,
        user: config.identity.as_ref().and_then(|i| i.user.clone()),
    }
}

/// The service of this name.
fn find(config: &Config, name: &str, services: &[Arc<Service>], made: &Made<'_>) -> Arc<Service> {
    let wanted = config.service(name);
    let found = wanted.and_then(|w| services.iter().find(|s| s.config == *w).cloned());
    // A checked configuration has no route to nowhere; were there one, it would answer 503.
    found.unwrap_or_else(|| {
        let nowhere = config::Service::named(name);
        Arc::new(service(&nowhere, config.zone.as_deref(), made))
    })
}

fn compiled(
    r: &config::Route,
    ix: RouteIx,
    arm: Arm,
    service: &Arc<Service>,
    config: &Config,
    services: &[Arc<Service>],
    made: &Made<'_>,
) -> Arc<Route> {
    let mirror = (r.mirror.as_ref()).map(|m| find(config, &m.to, services, made));
    let making = Making {
        route: r,
        ix,
        arm,
        service,
        mirror: mirror.as_ref(),
        kept: made.kept,
        identity: &config.identity,
        sessions: &config.sessions,
        replications: &config.replications,
        topics: &config.topics,
        traced: config.otlp.as_ref().map_or(0.0, |o| o.sample),
        moment: made.moment,
    };
    let takes_jobs = r.asynchronous.is_some() || config::sections::of_lane(&r.name).is_some();
    Arc::new(Route {
        ix: making.ix,
        name: r.name.as_str().into(),
        template: r.matcher.path.to_string().into(),
        arm,
        request: Ring::new(REQUEST, &making),
        delivery: match takes_jobs {
            true => Ring::new(DELIVERY, &making),
            false => Ring::of(Vec::new()),
        },
        asynchronous: r.asynchronous.clone().map(Arc::new),
        attempt: Ring::new(ATTEMPT, &making),
        hinge: Hinge::make(&making),
        service: making.service.clone(),
        grpc_web: r.grpc_web,
        slow: config.slow(Some(r)),
    })
}

/// The route of the job resource: one gate, which answers.
fn resource(made: &Made<'_>) -> Arc<Route> {
    let route = config::Route::named(".plimsoll/jobs");
    let service = Arc::new(service(&config::Service::named(&route.name), None, made));
    let making = Making {
        route: &route,
        ix: RouteIx::NONE,
        arm: Arm::BASE,
        service: &service,
        mirror: None,
        kept: made.kept,
        identity: &None,
        sessions: &[],
        replications: &[],
        topics: &[],
        traced: 0.0,
        moment: made.moment,
    };
    Arc::new(Route {
        ix: making.ix,
        name: route.name.as_str().into(),
        template: jobs::PREFIX.into(),
        arm: making.arm,
        request: Ring::of(vec![jobs::gate(made.kept.get("jobs", Jobs::default))]),
        delivery: Ring::of(Vec::new()),
        asynchronous: None,
        attempt: Ring::of(Vec::new()),
        hinge: Hinge::make(&making),
        service: service.clone(),
        grpc_web: false,
        slow: Duration::MAX,
    })
}

/// The route to another of its services. Its cache, budgets and counts are its own.
fn part_of(r: &config::Route, to: &str) -> config::Route {
    config::Route {
        name: format!("{}@{to}", r.name),
        to: to.to_owned(),
        mirror: None,
        ..r.clone()
    }
}

fn service(config: &config::Service, zone: Option<&str>, made: &Made<'_>) -> Service {
    let name: Arc<str> = config.name.as_str().into();
    let instance = |address: &Address| {
        let full = format!("{name}/{address}");
        let ix = made.names.instances.intern(&full);
        let instance = made
            .kept
            .get(&full, || Instance::new(ix, name.clone(), address.clone()));
        instance.pool.set_size(config.pool.size);
        instance
    };
    let is_near = |written: String| {
        let told = config.zones.iter().find(|(place, _)| *place == written);
        told.is_some_and(|(_, its)| Some(its.as_str()) == zone)
    };
    let from = |written: &str| {
        let told = config
            .reads_from
            .iter()
            .find(|(place, _)| *place == written);
        told.map_or(Database::PRIMARY, |(_, from)| from).to_owned()
    };
    let place = |a: Address, written: String| (a, is_near(written.clone()), from(&written));
    let mut addresses: Vec<_> = (config.instances.iter())
        .map(|a| place(Address::Ip(*a), a.to_string()))
        .collect();
    for name in &config.names {
        let found = made.found.get(name).into_iter().flatten();
        addresses.extend(found.map(|a| place(Address::Ip(*a), name.to_string())));
    }
    for path in &config.sockets {
        let socket = Address::Unix(path.clone());
        let written = socket.to_string();
        addresses.push(place(socket, written));
    }
    let mut seen = HashSet::new();
    addresses.retain(|(a, ..)| seen.insert(a.clone()));
    let mut near: Vec<bool> = addresses.iter().map(|(_, near, _)| *near).collect();
    if near.iter().all(|n| *n == near[0]) {
        near.clear();
    }
    let mut reads_from = Vec::new();
    if !config.reads_from.is_empty() {
        reads_from.extend(addresses.iter().map(|(_, _, from)| from.clone()));
    }
    Service {
        reads_from,
        instances: addresses.iter().map(|(a, ..)| instance(a)).collect(),
        near,
        name: name.clone(),
        config: config.clone(),
        link: link(config, made.kept),
    }
}

/// The same as before, as long as the configuration and the files of it are.
fn link(config: &config::Service, kept: &Kept) -> Option<Arc<Link>> {
    let files = stamps(config.tls.iter().flat_map(ServiceTls::files));
    let of = (&config.name, &config.tls, config.protocol, &config.names);
    let name = || format!("{of:?} {files:?}");
    match Link::make(config) {
        Ok(link) => link.map(|link| kept.get(&name(), || link)),
        // It was good when the configuration was taken: connections fail, and say so.
        Err(finding) => {
            tracing::error!("{finding}");
            let broken = Link::broken(finding.what);
            Some(kept.get(&name(), || broken))
        }
    }
}
