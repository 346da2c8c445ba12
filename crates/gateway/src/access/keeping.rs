//! Requests that are kept as traces: their notes go to telemetry, before their sample does.

use super::notes::{Notes, Part};
use crate::gate::Kept;
use base::{Details, Sample};
use config::Config;
use config::sections::ClientAddress;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a snapshot holds of it.
#[derive(Debug)]
pub struct Keeping {
    share: f64,
    client: ClientAddress,
    hasher: Arc<RandomState>,
}

impl Keeping {
    /// `None`: nobody keeps any.
    pub(crate) fn of(config: &Config, kept: &Kept) -> Option<Keeping> {
        let wanted = config.traces.size > 0 || config.export.otlp.is_some();
        wanted.then(|| Keeping {
            share: config.traces.share,
            client: config.traced_client(),
            hasher: hasher(kept),
        })
    }

    /// Whether this request is one of them; `slow`: what takes longer is.
    pub fn keeps(&self, s: &Sample, slow: Duration) -> bool {
        s.trace != 0 && base::keep::why(s, slow, self.share).is_some()
    }

    pub fn details(&self, notes: &Notes, s: &Sample, client: IpAddr) -> Details {
        let text = |part| String::from_utf8_lossy(notes.get(part).unwrap_or_default()).into();
        Details {
            trace: s.trace,
            span: s.span,
            path: text(Part::Path),
            client: shown(client, self.client, &self.hasher)
                .unwrap_or_default()
                .into(),
            tenant: text(Part::Tenant),
            reason: notes.reason,
            cache: String::from_utf8_lossy(&notes.cache).into(),
            decisions: notes.decisions().to_vec(),
            failures: (notes.attempts.iter())
                .filter_map(|t| Some((t.number, t.failure?)))
                .collect(),
        }
    }
}

/// Names clients when their addresses shall not be told: one for all generations, and new with every process.
pub(crate) fn hasher(kept: &Kept) -> Arc<RandomState> {
    kept.get("access log", RandomState::new)
}

/// A client's address as it is told; `None`: not.
pub(super) fn shown(client: IpAddr, how: ClientAddress, hasher: &RandomState) -> Option<String> {
    let address = client.to_canonical();
    match how {
        // By a Unix socket.
        _ if address.is_unspecified() => None,
        ClientAddress::Keep => Some(address.to_string()),
        ClientAddress::Hash => Some(format!("{:016x}", hasher.hash_one(address))),
        ClientAddress::Drop => None,
    }
}
