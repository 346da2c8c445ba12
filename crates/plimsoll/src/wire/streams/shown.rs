//! What console, metrics and commands ask of the streams.

use super::{Following, Standings};
use base::Finding;
use console::{NewEvent, StreamAsk};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use store::Expect;
use streams::outbox::Standing as Outbox;
use streams::projection::{self, Standing as Projection};
use streams::{Fault, Place, batch, keep_json};
use telemetry::prometheus::Page;
use tokio::runtime::Handle;

/// Streams listed, and events read, at once.
const MOST: u64 = 1000;

#[derive(Clone)]
pub struct Shown {
    /// `None`: nothing in the config asks for streams.
    pub place: Option<Arc<Place>>,
    pub runtime: Handle,
    pub outboxes: Standings<Outbox>,
    pub projections: Standings<Projection>,
    pub following: Option<Following>,
}

fn now<T: Clone>(all: &Standings<T>) -> Vec<T> {
    let one = |s: &Arc<Mutex<T>>| s.lock().unwrap_or_else(PoisonError::into_inner).clone();
    all.iter().map(one).collect()
}

fn failed(fault: Fault) -> Vec<Finding> {
    let code = match fault {
        Fault::Unknown(_) => "streams-unknown",
        Fault::Wrong(_) | Fault::Other(_) | Fault::Gone { .. } => "streams-ask",
        Fault::NotOpen | Fault::Store(_) => "streams-store",
    };
    vec![Finding::error(code, fault.to_string())]
}

impl Shown {
    /// Nothing in the config asks for streams.
    pub fn nothing(runtime: &Handle) -> Shown {
        Shown {
            place: None,
            runtime: runtime.clone(),
            outboxes: Vec::new(),
            projections: Vec::new(),
            following: None,
        }
    }

    fn place(&self) -> Result<&Arc<Place>, Vec<Finding>> {
        self.place.as_ref().ok_or_else(|| {
            let none = Finding::error(
                "streams-none",
                "there are no streams: nothing in the config asks for them",
            );
            vec![none.help("add `streams: {}` to the config, and restart")]
        })
    }

    fn known(&self, projection: &str) -> Result<(), Vec<Finding>> {
        let all = now(&self.projections);
        if all.iter().any(|p| p.name == projection) {
            return Ok(());
        }
        let names: Vec<&str> = all.iter().map(|p| p.name.as_str()).collect();
        let what = format!("there is no projection `{}`", projection.escape_debug());
        let help = format!("there are: {}", names.join(", "));
        Err(vec![Finding::error("streams-unknown", what).help(help)])
    }

    pub fn metrics(&self) -> String {
        let Some(place) = &self.place else {
            return String::new();
        };
        let mut page = Page::default();
        let last = place.last();
        page.family(
            "plimsoll_streams_position",
            "gauge",
            "Position of the last event.",
        );
        page.row("", &[], last as f64);
        if let Some(following) = &self.following {
            let help = "Whether what all nodes append is followed here.";
            page.family("plimsoll_streams_followed", "gauge", help);
            page.row("", &[], f64::from(u8::from(following()["wrong"].is_null())));
        }
        let outboxes = now(&self.outboxes);
        type Of<'a, T> = &'a dyn Fn(&T) -> f64;
        let families: [(&'static str, &'static str, &str, Of<'_, Outbox>); 5] = [
            (
                "plimsoll_outbox_up",
                "gauge",
                "Whether the last batch of rows went well.",
                &|o| f64::from(u8::from(o.up)),
            ),
            (
                "plimsoll_outbox_waiting",
                "gauge",
                "Rows in the table, counted up to 10000.",
                &|o| o.waiting.map_or(f64::NAN, |n| n as f64),
            ),
            (
                "plimsoll_outbox_refused",
                "gauge",
                "Rows that can never go: too large, or without an id or a type.",
                &|o| o.refused as f64,
            ),
            (
                "plimsoll_outbox_relayed_total",
                "counter",
                "Rows that became events or jobs.",
                &|o| o.relayed as f64,
            ),
            (
                "plimsoll_outbox_repeated_total",
                "counter",
                "Rows that had become one before.",
                &|o| o.repeated as f64,
            ),
        ];
        for (name, kind, help, of) in families {
            if outboxes.is_empty() {
                break;
            }
            page.family(name, kind, help);
            for o in &outboxes {
                page.row("", &[("outbox", o.name.as_str())], of(o));
            }
        }
        let projections = now(&self.projections);
        let families: [(&'static str, &'static str, &str, Of<'_, Projection>); 3] = [
            (
                "plimsoll_projection_up",
                "gauge",
                "Whether the last batch of events was taken.",
                &|p| f64::from(u8::from(p.up)),
            ),
            (
                "plimsoll_projection_lag",
                "gauge",
                "Positions between it and the last event.",
                &|p| last.saturating_sub(p.position) as f64,
            ),
            (
                "plimsoll_projection_pushed_total",
                "counter",
                "Events that were taken.",
                &|p| p.pushed as f64,
            ),
        ];
        for (name, kind, help, of) in families {
            if projections.is_empty() {
                break;
            }
            page.family(name, kind, help);
            for p in &projections {
                page.row("", &[("projection", p.name.as_str())], of(p));
            }
        }
        page.finish()
    }
}

impl console::Streams for Shown {
    fn standing(&self) -> Result<Value, Vec<Finding>> {
        let Some(place) = &self.place else {
            return Ok(Value::Null);
        };
        let (ends, subscriptions) = self
            .runtime
            .block_on(async { Ok::<_, Fault>((place.ends().await?, place.subscriptions().await)) })
            .map_err(failed)?;
        let (subscriptions, unknown) = match (subscriptions, &self.following) {
            (Ok(all), _) => (all, None),
            // They are kept elsewhere than the events.
            (Err(e), Some(_)) => (Vec::new(), Some(e.to_string())),
            (Err(e), None) => return Err(failed(e)),
        };
        let lag = |position: u64| ends.last.saturating_sub(position);
        let subscriptions = subscriptions.iter().map(|(name, s)| {
            json!({ "name": name, "stream": s.stream, "prefix": s.prefix, "position": s.position, "lag": lag(s.position),
                "acked_ms": s.acked_ms })
        });
        let projections = now(&self.projections).into_iter().map(|p| {
            let mut value = serde_json::to_value(&p).unwrap_or_default();
            value["lag"] = lag(p.position).into();
            value
        });
        Ok(json!({
            "following": self.following.as_ref().map(|f| f()), "subscriptions_unknown": unknown,
            "gone": ends.gone, "last": ends.last, "subscriptions": subscriptions.collect::<Value>(),
            "projections": projections.collect::<Value>(), "outboxes": now(&self.outboxes),
        }))
    }

    fn list(&self, after: &str, limit: u64) -> Result<Value, Vec<Finding>> {
        let store = self.place()?.store().map_err(failed)?;
        let all = store.streams(after, limit.min(MOST) as usize);
        let all = all.map_err(|e| failed(e.into()))?;
        Ok(all
            .iter()
            .map(|(n, v)| json!({ "stream": n, "version": v }))
            .collect())
    }

    fn read(&self, ask: &StreamAsk) -> Result<Value, Vec<Finding>> {
        let store = self.place()?.store().map_err(failed)?;
        let limit = ask.limit.map_or(20, u64::from).min(MOST) as usize;
        let read = match (&ask.stream, ask.back) {
            (Some(name), true) => store.read_back(name, ask.from.unwrap_or(u64::MAX), limit),
            (Some(name), false) => store.read(name, ask.from.unwrap_or(1), limit),
            (None, _) => store.read_all(ask.from.unwrap_or(0), limit),
        };
        let read = read.map_err(|e| failed(e.into()))?;
        serde_json::from_slice(&batch(&read)).map_err(|e| failed(Fault::Wrong(e.to_string())))
    }

    fn append(&self, new: &NewEvent) -> Result<Value, Vec<Finding>> {
        let place = self.place()?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let drawn = || format!("by-hand-{}", now.as_nanos());
        let text = new.event.to_string();
        let event = keep_json(&text, &new.stream, now.as_millis() as u64, drawn);
        let event = event.map_err(|e| failed(Fault::Wrong(e)))?;
        let expect = new.expected.map_or(Expect::Any, Expect::Version);
        let done = place.append(&new.stream, expect, vec![event]);
        let done = self.runtime.block_on(done).map_err(failed)?;
        Ok(
            json!({ "stream": new.stream, "version": done.version, "position": done.position, "added": done.added }),
        )
    }

    fn replay(&self, name: &str, from: u64, rate: Option<f64>) -> Result<Value, Vec<Finding>> {
        let place = self.place()?;
        self.known(name)?;
        if rate.is_some_and(|r| !r.is_finite() || r <= 0.0) {
            return Err(failed(Fault::Wrong(
                "the rate is events per second, above 0".into(),
            )));
        }
        let until = self
            .runtime
            .block_on(projection::replay(place, name, from, rate));
        let until = until.map_err(failed)?;
        Ok(json!({ "projection": name, "from": from, "until": until, "rate": rate }))
    }
}
