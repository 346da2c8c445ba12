//! Stand-ins for what surrounds control: a JSON file as the document, a clock and a model that do as told.
#![allow(dead_code)] // Each test uses some of them.

use base::{Finding, History, Learned, Protection, RouteInfo, Window};
use config::sections::{Cache, Config, Route, Service, Start};
use config::{Generation, Op, Overlay, generation::Canary, generation::Expiry};
use control::policy::Budget;
use control::ports::*;
use control::{Change, Control, Effect, Parts, Proposal};
use model::Fit;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::Embedded;

pub const FILE: &str = r#"{
  "services": { "shop": { "instances": ["127.0.0.1:7001"] } },
  "routes": { "buy": { "to": "shop" }, "product": { "to": "shop" } }
}"#;

/// The document is JSON; a canary is the overlay with a share.
pub struct JsonFile;

fn bad(what: impl Into<String>) -> Vec<Finding> {
    vec![Finding::error("test-file", what)]
}

fn set(doc: &mut Value, op: &Op) -> Result<(), Vec<Finding>> {
    let (last, parents) = op.path.split_last().ok_or_else(|| bad("empty path"))?;
    let mut at = doc;
    for key in parents {
        at = at
            .get_mut(key)
            .ok_or_else(|| bad(format!("there is no `{key}`")))?;
    }
    let map = at.as_object_mut().ok_or_else(|| bad("not a map"))?;
    match &op.value {
        Some(v) => map.insert(last.clone(), v.clone()),
        None => map.remove(last),
    };
    Ok(())
}

fn decode(doc: &Value) -> Result<Config, Vec<Finding>> {
    let map = |key: &str| doc[key].as_object().cloned().unwrap_or_default();
    let services = map("services")
        .into_iter()
        .map(|(name, v)| Service {
            instances: serde_json::from_value(v["instances"].clone()).unwrap(),
            start: v["start"].as_array().map(|words| Start {
                command: words.iter().map(|w| w.as_str().unwrap().into()).collect(),
                max_instances: 4,
            }),
            ..Service::named(&name)
        })
        .collect();
    let routes = map("routes")
        .into_iter()
        .map(|(name, v)| {
            let to = v["to"]
                .as_str()
                .ok_or_else(|| bad(format!("`{name}` has no `to`")))?;
            Ok(Route {
                to: to.into(),
                cache: v["cache"].as_u64().map(|s| Cache {
                    ttl: Some(Duration::from_secs(s)),
                    stale_while_revalidate: None,
                    heuristic: 0.0,
                    set_cookie: false,
                    size: 1,
                    max_body: 1,
                    disk: None,
                    shared: None,
                }),
                ..Route::named(&name)
            })
        })
        .collect::<Result<_, Vec<Finding>>>()?;
    Ok(Config {
        data_dir: "/nowhere".into(),
        error_budget: serde_json::from_value(doc["error_budget"].clone()).unwrap(),
        services,
        routes,
        ..Config::empty()
    })
}

impl Compose for JsonFile {
    fn compose(
        &self,
        document: &str,
        overlays: &[Overlay],
        number: u64,
        now_s: u64,
    ) -> Result<Generation, Vec<Finding>> {
        let mut doc: Value = serde_json::from_str(document).map_err(|e| bad(e.to_string()))?;
        let live = |o: &&Overlay| o.expires_at.is_none_or(|at| at > now_s);
        let mut canary = None;
        for o in overlays.iter().filter(live) {
            match o.share {
                Some(share) => canary = Some((o, share)),
                None => o.ops.iter().try_for_each(|op| set(&mut doc, op))?,
            }
        }
        let hash = format!("{doc} {:?}", canary.map(|(o, s)| (&o.id, s)));
        let base = Arc::new(decode(&doc)?);
        let canary = match canary {
            None => None,
            Some((o, share)) => {
                let mut with = doc.clone();
                o.ops.iter().try_for_each(|op| set(&mut with, op))?;
                Some(Canary {
                    overlay: o.id.clone(),
                    share,
                    config: Arc::new(decode(&with)?),
                })
            }
        };
        let expiry = match overlays
            .iter()
            .filter(live)
            .filter_map(|o| o.expires_at)
            .min()
        {
            Some(at) => Some(Expiry {
                at,
                next: Arc::new(self.compose(document, overlays, number + 1, at)?),
            }),
            None => None,
        };
        Ok(Generation {
            number,
            hash,
            base,
            canary,
            expiry,
        })
    }

    fn value_at(&self, document: &str, path: &[String]) -> Option<Value> {
        let doc: Value = serde_json::from_str(document).ok()?;
        path.iter().try_fold(&doc, |at, key| at.get(key)).cloned()
    }
}

#[derive(Default)]
pub struct Published(pub Mutex<Vec<Generation>>, pub Mutex<Learned>);

impl Publish for Published {
    fn publish(&self, generation: Generation) {
        self.0.lock().unwrap().push(generation);
    }
    fn learned(&self, learned: &Learned) {
        *self.1.lock().unwrap() = learned.clone();
    }
}

impl Published {
    pub fn last(&self) -> Generation {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

/// Seconds since the epoch and the window's index, both set by the test.
#[derive(Default)]
pub struct Time(pub AtomicU64);

impl Time {
    pub fn pass(&self, s: u64) {
        self.0.fetch_add(s, Ordering::SeqCst);
    }
    pub fn s(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wall for Time {
    fn now_ms(&self) -> u64 {
        self.s() * 1000
    }
}

impl Windows for Time {
    fn index(&self) -> u64 {
        self.s()
    }
    fn history(&self, last_s: u64) -> History {
        let end = self.s();
        History {
            routes: vec![RouteInfo::default()],
            windows: (end.saturating_sub(last_s)..end)
                .map(|index| {
                    Arc::new(Window {
                        index,
                        ..Window::default()
                    })
                })
                .collect(),
            ..History::default()
        }
    }
}

type See = Box<dyn Fn(&Comparison<'_>) -> Reading + Send>;

/// Says what the test tells it to.
pub struct Told {
    pub see: Mutex<See>,
    pub proposals: Mutex<Vec<Proposal>>,
    pub priors: Mutex<BTreeMap<String, f64>>,
    pub learning: Mutex<Option<Learning>>,
    pub budgets: Mutex<Vec<Budget>>,
    /// Another node that leads.
    pub leader: Mutex<Option<String>>,
    /// Whether each fit is like the one before.
    pub alike: AtomicBool,
}

impl Default for Told {
    fn default() -> Self {
        Told {
            see: Mutex::new(Box::new(|_| Reading::default())),
            proposals: Mutex::default(),
            priors: Mutex::default(),
            learning: Mutex::default(),
            budgets: Mutex::default(),
            leader: Mutex::default(),
            alike: AtomicBool::default(),
        }
    }
}

impl Told {
    pub fn sees(&self, see: impl Fn(&Comparison<'_>) -> Reading + Send + 'static) {
        *self.see.lock().unwrap() = Box::new(see);
    }
}

impl control::ports::Lead for Told {
    fn leads(&self, _: &str) -> Result<(), String> {
        self.leader.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

impl Budgets for Told {
    fn left(&self) -> Vec<Budget> {
        self.budgets.lock().unwrap().clone()
    }
}

impl Mind for Told {
    fn fit(&self, _: &History) -> Result<Fit, Learning> {
        match &*self.learning.lock().unwrap() {
            Some(l) => Err(l.clone()),
            None => Ok(serde_json::from_value(json!({
                "routes": [], "resources": [], "demand": [], "calls": [], "child_seconds": [],
                "growth": [], "span_s": 60.0, "unexplained": 0.0, "burst_sigma": 0.0,
                "burst_tau_s": 1.0, "entry_rates": [],
            }))
            .unwrap()),
        }
    }
    fn protect(&self, _: &Fit) -> Learned {
        let protection = Protection {
            service: "shop".into(),
            resource: "lock.shop".into(),
            servers: 10.0,
            confidence: 1.0,
            ..Protection::default()
        };
        Learned {
            services: vec![protection],
        }
    }
    fn diagnose(&self, _: &Fit) -> Value {
        json!({ "from": "bounds" })
    }
    fn alike(&self, _: &Fit, _: &Fit) -> bool {
        self.alike.load(Ordering::SeqCst)
    }
    fn advise(
        &self,
        _: &Fit,
        priors: &BTreeMap<String, f64>,
        cancel: &Cancel,
    ) -> Option<(Value, Counsel)> {
        if cancel.is_cancelled() {
            return None;
        }
        *self.priors.lock().unwrap() = priors.clone();
        let counsel = Counsel {
            proposals: self.proposals.lock().unwrap().clone(),
            ..Counsel::default()
        };
        Some((json!({ "from": "twin" }), counsel))
    }
    fn whatif(&self, _: &Fit, text: &str) -> Result<Value, Vec<Finding>> {
        Ok(json!(text))
    }
    fn compare(&self, comparison: Comparison<'_>) -> Reading {
        (self.see.lock().unwrap())(&comparison)
    }
}

pub fn op(path: &str, value: Value) -> Op {
    Op {
        path: path.split('.').map(String::from).collect(),
        value: Some(value),
        base: None,
    }
}

pub fn overlay(id: &str, path: &str, value: Value) -> Overlay {
    Overlay {
        id: id.into(),
        owner: "ann".into(),
        reason: format!("because of {id}"),
        evidence: String::new(),
        ops: vec![op(path, value)],
        created_at: 0,
        expires_at: None,
        share: None,
    }
}

pub fn proposal(id: &str, kind: &str, change: Change) -> Proposal {
    Proposal {
        id: id.into(),
        kind: kind.into(),
        title: format!("do {id}"),
        evidence: "the lock is held 80 % of the time".into(),
        change,
        measures: "demand of product on lock.shop".into(),
        predicted: Effect::new(0.7, 0.6, 0.8),
        line: None,
        line_safe: None,
        size: 1,
        cost_per_hour: 0.0,
        reverse: "remove the overlay".into(),
    }
}

pub fn cache_product() -> Proposal {
    let ops = vec![op("routes.product.cache", json!(10))];
    proposal("cache-product", "cache", Change::Patch { ops })
}

/// Control with stand-ins, on a real store in `dir`, turns taken by the test.
pub struct World {
    pub control: Control,
    pub published: Arc<Published>,
    pub time: Arc<Time>,
    pub told: Arc<Told>,
    pub store: Arc<Embedded>,
}

pub fn world(dir: &Path, file: &str, at_s: u64) -> World {
    open(dir, file, at_s).unwrap_or_else(|f| panic!("{f:?}"))
}

pub fn open(dir: &Path, file: &str, at_s: u64) -> Result<World, Vec<Finding>> {
    with(dir, file, at_s, Control::open)
}

/// The same with its loops running.
pub fn started(dir: &Path, file: &str, at_s: u64) -> Result<World, Vec<Finding>> {
    with(dir, file, at_s, Control::start)
}

fn with(
    dir: &Path,
    file: &str,
    at_s: u64,
    make: impl FnOnce(Parts) -> Result<Control, Vec<Finding>>,
) -> Result<World, Vec<Finding>> {
    let store = Arc::new(Embedded::open(dir.join("control.db")).unwrap());
    let published = Arc::new(Published::default());
    let time = Arc::new(Time(AtomicU64::new(at_s)));
    let told = Arc::new(Told::default());
    let control = make(Parts {
        document: file.into(),
        data_dir: dir.to_path_buf(),
        log: store.clone(),
        kv: store.clone(),
        compose: Arc::new(JsonFile),
        publish: published.clone(),
        windows: time.clone(),
        mind: told.clone(),
        budgets: told.clone(),
        lead: told.clone(),
        wall: time.clone(),
        cores: 2,
    })?;
    Ok(World {
        control,
        published,
        time,
        told,
        store,
    })
}

/// Cache lifetimes in force, `(base, canary)`, by route.
pub fn caches(g: &Generation) -> (Vec<String>, Vec<String>) {
    let of = |c: &Config| {
        c.routes
            .iter()
            .filter_map(|r| {
                let ttl = r.cache.as_ref()?.ttl?;
                Some(format!("{}={}", r.name, ttl.as_secs()))
            })
            .collect()
    };
    (
        of(&g.base),
        g.canary.as_ref().map_or(vec![], |c| of(&c.config)),
    )
}

pub fn code(findings: &[Finding]) -> &str {
    &findings[0].code
}
