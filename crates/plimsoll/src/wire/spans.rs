//! Spans wired to the rest: the receiver on control's runtime, and what they tell as a probe of telemetry.

use crate::exit::Failure;
use crate::wire::start::{listener, secret};
use crate::wire::traces::Kept;
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::trace::SpanIds;
use base::{Names, RouteIx, Window};
use config::Config;
use config::sections::Otlp;
use otlp::{Counts, Evidence, Keeper, Options, Probed, Receiver};
use socket2::Socket;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use telemetry::probes::{Probe, Reading};
use telemetry::prometheus::Page;
use tokio::runtime::Handle;

/// Listens where `otlp` says; `inherited` are sockets of the process before.
pub fn start(
    otlp: &Otlp,
    inherited: &[Socket],
    ids: Arc<SpanIds>,
    clock: Clock,
    runtime: &Handle,
    keeper: Option<Arc<Kept>>,
) -> Result<Receiver, Failure> {
    let addresses = otlp.http.into_iter().chain(otlp.grpc);
    let options = Options {
        listeners: addresses
            .map(|at| listen(at, inherited))
            .collect::<Result<_, _>>()?,
        token: (otlp.token.as_ref().map(|t| secret("otlp.token", t))).transpose()?,
        ids,
        clock,
        keeper: keeper.map(|k| k as Arc<dyn Keeper>),
    };
    Ok(Receiver::start(runtime, options)?)
}

fn listen(at: SocketAddr, inherited: &[Socket]) -> Result<TcpListener, Failure> {
    listener(
        at,
        inherited,
        "spans cannot be taken at",
        "set `otlp.http` and `otlp.grpc` to free addresses; `ss -ltnp` shows who has them",
    )
}

/// What spans tell, as telemetry reads it.
pub struct SpanProbe {
    pub evidence: Arc<Mutex<Evidence>>,
    pub names: Names,
    pub config: Arc<ArcSwap<Config>>,
}

impl SpanProbe {
    fn evidence(&self) -> MutexGuard<'_, Evidence> {
        lock(&self.evidence)
    }
}

fn lock(evidence: &Mutex<Evidence>) -> MutexGuard<'_, Evidence> {
    evidence.lock().unwrap_or_else(|e| e.into_inner())
}

impl Probe for SpanProbe {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let evidence = self.evidence();
        r.traced = evidence.traced(&self.names);
        for note in evidence.notes(&self.names) {
            match note.blind {
                true => r.blind("otlp", note.about, note.text),
                false => r.note("otlp", note.about, note.text),
            }
        }
    }

    fn close(&mut self, window: &mut Window) {
        let config = self.config.load();
        let service = |route: RouteIx| {
            let name = self.names.routes.name(route)?;
            Some(config.route(&name)?.to.clone())
        };
        self.evidence()
            .fill(window, &self.names, service, probed(&config));
    }
}

/// Databases of these kinds tell of their own time.
fn probed(config: &Config) -> Probed {
    let is_on = |probe: &str| !config.probes_off.iter().any(|off| off == probe);
    let mut all = config.resources.iter();
    Probed {
        postgres: is_on("postgres") && all.clone().any(|r| r.postgres.is_some()),
        redis: is_on("redis") && all.any(|r| r.redis.is_some()),
    }
}

/// What became of the spans, as metrics.
pub fn page(evidence: &Mutex<Evidence>) -> String {
    let c: Counts = lock(evidence).counts;
    let mut page = Page::default();
    page.family(
        "plimsoll_otlp_spans_total",
        "counter",
        "Spans: received, tied to a request, without one, sent twice, too late, rejected.",
    );
    for (fate, n) in [
        ("received", c.spans),
        ("joined", c.joined),
        ("orphan", c.orphans),
        ("repeated", c.repeated),
        ("late", c.late),
        ("rejected", c.rejected),
    ] {
        page.row("", &[("fate", fate)], n as f64);
    }
    page.family(
        "plimsoll_otlp_left_out_total",
        "counter",
        "Attempts in which a clock jumped, traces with too many spans, attempts of too many routes.",
    );
    for (why, n) in [
        ("clock", c.jumps),
        ("spans", c.cut),
        ("routes", c.routes_over),
    ] {
        page.row("", &[("why", why)], n as f64);
    }
    page.finish()
}
