//! Traces that a test keeps.

use base::Finding;
use serde_json::{Value, json};
use traces::{Ask, Found, Trace, View, hex};

#[derive(Clone, Default)]
pub struct Traces(pub Vec<Trace>);

impl console::Traces for Traces {
    fn list(&self, ask: &Ask) -> Result<Found, Vec<Finding>> {
        let wrong = |what| vec![Finding::error("traces-ask", what)];
        ask.check().map_err(wrong)?;
        let all = self.0.iter().map(Trace::summary);
        Ok(Found {
            traces: all.filter(|s| ask.fits(s, 0)).take(ask.limit()).collect(),
            next: None,
        })
    }
    fn one(&self, id: &str) -> Result<View, Vec<Finding>> {
        let found = self.0.iter().find(|t| hex::trace(id) == Some(t.id));
        let none = || vec![Finding::error("trace-unknown", "no such trace is kept")];
        found.map(View::of).ok_or_else(none)
    }
    fn standing(&self) -> Value {
        let none = json!({ "kept": 0, "let_go": 0, "undecided": 0, "left_out": 0, "alone": 0 });
        json!({ "traces": self.0.len(), "bytes": 1 << 20, "size": 256 << 20, "lost": 0, "dropped": 0, "wrong": null, "spans": none, "lines": none })
    }
}
