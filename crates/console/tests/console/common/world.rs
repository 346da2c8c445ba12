//! What surrounds control: a config, windows of traffic, and a model that says what it is told.

use super::answer::{answer, premature};
use super::past::Kept;
use super::traces::Traces;
use base::{
    Arm, Cell, CellKey, Finding, History, InstanceIx, Learned, Objective, RouteInfo, RouteIx,
    Window,
};
use config::{Document, Generation, Op, Overlay};
use console::{Decision, Instance};
use control::policy::Budget;
use control::ports::{
    Budgets, Cancel, Comparison, Compose, Counsel, Learning, Mind, Publish, Reading, Wall, Windows,
};
use control::{Change, Effect, Proposal};
use cost::anomaly::Anomaly;
use cost::{By, Report, Slot, Span};
use model::Fit;
use serde_json::{Value, json};
use slo::{Alert, SloStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

/// Midnight of some day, seconds.
const NOW_S: u64 = 1_750_000_000;

pub struct World {
    pub routes: Vec<String>,
    /// Seconds of traffic that have been seen; the newest is the newest window.
    pub seconds: u64,
    /// `Some`: the model is not sure yet.
    pub learning: Option<Learning>,
    pub proposals: Vec<Proposal>,
    pub instances: Vec<Instance>,
    pub decisions: Vec<Decision>,
    /// Declared numbers of the business.
    pub business: Vec<past::Worth>,
    /// Left of error budgets; with any there is a policy.
    pub budgets: Vec<Budget>,
    /// How objectives stand, and their alerts.
    pub slos: Slos,
    pub costs: Costs,
    /// What is remembered.
    pub past: Kept,
    pub traces: Traces,
    /// Questions wait at it.
    pub gate: Option<Arc<Gate>>,
}

/// Counts who is inside, and lets nobody out before it is opened.
#[derive(Default)]
pub struct Gate {
    inside: Mutex<[usize; 2]>,
    open: (Mutex<bool>, Condvar),
}

impl Gate {
    fn pass(&self) {
        {
            let [now, most] = &mut *self.inside.lock().unwrap();
            *now += 1;
            *most = (*most).max(*now);
        }
        let (open, opened) = &self.open;
        let wait = opened.wait_while(open.lock().unwrap(), |open| !*open);
        drop(wait.unwrap());
        self.inside.lock().unwrap()[0] -= 1;
    }

    pub fn open(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }

    /// Most that were inside at once.
    pub fn most(&self) -> usize {
        self.inside.lock().unwrap()[1]
    }
}

#[derive(Clone, Default)]
pub struct Slos {
    pub slos: Vec<SloStatus>,
    pub alerts: Vec<Alert>,
}

impl console::Slos for Slos {
    fn slos(&self) -> Vec<SloStatus> {
        self.slos.clone()
    }
    fn alerts(&self) -> Vec<Alert> {
        self.alerts.clone()
    }
}

/// What an hour cost; nothing has a price where there is no item.
#[derive(Clone, Default)]
pub struct Costs {
    pub slot: Slot,
    pub anomalies: Vec<Anomaly>,
}

impl console::Costs for Costs {
    fn now_s(&self) -> u64 {
        NOW_S
    }
    fn slots(&self, span: Span, step_s: u64) -> Vec<Slot> {
        vec![self.slot.clone(); (span.to_s - span.from_s).div_ceil(step_s) as usize]
    }
    fn service(&self, _: &str) -> Option<String> {
        Some("front".into())
    }
    fn anomalies(&self) -> Vec<Anomaly> {
        self.anomalies.clone()
    }
    fn report(&self, by: By, span: Span) -> Result<Report, Vec<Finding>> {
        if self.slot.items.is_empty() {
            return Err(vec![Finding::error("cost-unpriced", "nothing has a price")]);
        }
        let service = |_: &str| Some("front".to_owned());
        Ok(cost::report(&self.slot, by, span.to_s, service))
    }
}

impl World {
    /// A shop with so many routes, and so many seconds of traffic.
    pub fn of(routes: usize, seconds: u64) -> World {
        World {
            routes: (0..routes).map(|i| format!("route-{i:03}")).collect(),
            seconds,
            learning: None,
            proposals: vec![cache("route-000")],
            instances: vec![instance("front", true)],
            decisions: vec![],
            business: vec![],
            budgets: vec![],
            slos: Slos::default(),
            costs: Costs::default(),
            past: Kept::default(),
            traces: Traces::default(),
            gate: None,
        }
    }

    /// Nothing has been seen yet.
    pub fn silent() -> World {
        World {
            proposals: vec![],
            ..World::of(2, 0)
        }
    }

    pub fn document(&self) -> String {
        // A config names no route as hostile tests do; names that have been seen may come from elsewhere.
        let plain = |r: &&String| r.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let routes = self.routes.iter().filter(plain).map(|r| {
            format!(
                "  {r}: {{ match: GET /{r}, to: front, slo: {{ latency: 150ms, target: 99% }} }}\n"
            )
        });
        let policy = match self.budgets.is_empty() {
            true => "",
            false => "error_budget: { caution: 25% }\n",
        };
        format!(
            "{policy}listen: 127.0.0.1:1\nservices: {{ front: {{ instances: [127.0.0.1:2] }} }}\nroutes:\n{}",
            routes.collect::<String>()
        )
    }

    fn windows(&self, last_s: u64) -> Vec<Arc<Window>> {
        let from = self.seconds.saturating_sub(last_s);
        (from..self.seconds)
            .map(|i| Arc::new(self.window(i)))
            .collect()
    }

    fn window(&self, index: u64) -> Window {
        let cell = |r: usize| {
            let key = CellKey {
                route: RouteIx(r as u16),
                arm: Arm::BASE,
                instance: InstanceIx::NONE,
            };
            let mut c = Cell::new(key);
            c.ends = 6;
            (0..6).for_each(|n| c.latency.record_us(10_000 + 1000 * (n + index % 7), 1));
            c
        };
        Window {
            index,
            requests: (0..self.routes.len()).map(cell).collect(),
            ..Window::default()
        }
    }

    fn shell(&self) -> History {
        let objective = Some(Objective {
            latency_s: 0.15,
            target: 0.99,
            assumed: false,
        });
        let info = |name: &String| RouteInfo {
            name: name.clone(),
            service: "front".into(),
            objective,
            ..RouteInfo::default()
        };
        History {
            routes: self.routes.iter().map(info).collect(),
            ..History::default()
        }
    }
}

pub fn instance(service: &str, usable: bool) -> Instance {
    Instance {
        service: service.into(),
        address: "127.0.0.1:2".into(),
        usable,
        state: if usable {
            "up"
        } else {
            "down: its check fails"
        }
        .into(),
        busy: 1,
        waiting: 0,
    }
}

/// A proposal to cache a route.
pub fn cache(route: &str) -> Proposal {
    let op = Op {
        path: ["routes", route, "cache"].map(String::from).to_vec(),
        value: Some(json!({ "ttl": "1s" })),
        base: None,
    };
    Proposal {
        id: format!("cache-{route}"),
        kind: "cache".into(),
        title: format!("cache {route} for 1s"),
        evidence: "70 % of its answers repeat".into(),
        change: Change::Patch { ops: vec![op] },
        measures: format!("demand of {route} on lock.front.stock"),
        predicted: Effect::new(0.27, 0.22, 0.31),
        line: Some(337.0),
        line_safe: Some(320.0),
        size: 1,
        cost_per_hour: 0.0,
        reverse: "remove the overlay".into(),
    }
}

impl Windows for World {
    fn history(&self, last_s: u64) -> History {
        History {
            windows: self.windows(last_s),
            ..self.shell()
        }
    }
    fn index(&self) -> u64 {
        self.seconds
    }
}

impl Budgets for World {
    fn left(&self) -> Vec<Budget> {
        self.budgets.clone()
    }
}

impl Wall for World {
    fn now_ms(&self) -> u64 {
        NOW_S * 1000
    }
}

impl Publish for World {
    fn publish(&self, _: Generation) {}
    fn learned(&self, _: &Learned) {}
}

impl Compose for World {
    fn compose(
        &self,
        text: &str,
        overlays: &[Overlay],
        number: u64,
        now_s: u64,
    ) -> Result<Generation, Vec<Finding>> {
        let (document, _) = Document::parse("p.yaml", text);
        config::compose(&document, overlays, number, now_s).map(|c| c.generation)
    }
    fn value_at(&self, text: &str, path: &[String]) -> Option<Value> {
        let (document, _) = Document::parse("p.yaml", text);
        document
            .root
            .find(path)
            .map(config::document::Node::to_json)
    }
}

impl Mind for World {
    fn fit(&self, _: &History) -> Result<Fit, Learning> {
        let empty = json!({
            "routes": [], "resources": [], "demand": [], "calls": [], "child_seconds": [],
            "growth": [], "span_s": 60.0, "unexplained": 0.0, "burst_sigma": 0.0,
            "burst_tau_s": 1.0, "entry_rates": [],
        });
        match &self.learning {
            Some(learning) => Err(learning.clone()),
            None => Ok(serde_json::from_value(empty).unwrap()),
        }
    }
    fn protect(&self, _: &Fit) -> Learned {
        Learned::default()
    }
    fn diagnose(&self, _: &Fit) -> Value {
        serde_json::to_value(answer(&self.routes)).unwrap()
    }
    fn alike(&self, _: &Fit, _: &Fit) -> bool {
        false
    }
    fn advise(&self, fit: &Fit, _: &BTreeMap<String, f64>, _: &Cancel) -> Option<(Value, Counsel)> {
        let counsel = Counsel {
            proposals: self.proposals.clone(),
            premature: vec![premature()],
            useless: vec!["a wider pool: it is not what fills first".into()],
        };
        Some((self.diagnose(fit), counsel))
    }
    fn whatif(&self, _: &Fit, text: &str) -> Result<Value, Vec<Finding>> {
        if let Some(gate) = &self.gate {
            gate.pass();
        }
        let what = format!("`{text}` is not a change that is known");
        Err(vec![
            Finding::error("whatif-verb", what).help("did you mean `cache`?"),
        ])
    }
    fn compare(&self, _: Comparison<'_>) -> Reading {
        Reading::default()
    }
}
