//! The store of keys and sessions: opened where the config asks for any, and lent to the gateway.

use crate::exit::Failure;
use config::Config;
use gateway::Gateway;
use gateway::state::Lent;
use std::path::Path;
use std::sync::{Arc, Weak};
use store::Embedded;
use store::embedded::Relaxed;

/// Its name in `data_dir`.
pub const FILE: &str = "state.db";
/// Most bytes of it: what is more is refused as if the disk were full.
const BYTES: u64 = 4 << 30;

fn is_needed(config: &Config) -> bool {
    (config.routes.iter()).any(|r| r.idempotency.is_some() || r.session.is_some())
}

/// `None`: nothing in the config needs it.
pub fn open(
    dir: &Path,
    config: &Config,
    gateway: &Gateway,
) -> Result<Option<Weak<Embedded>>, Failure> {
    if !is_needed(config) {
        return Ok(None);
    }
    let file = dir.join(FILE);
    let store = Embedded::open_within(&file, BYTES).map_err(|e| {
        Failure::new(format!(
            "the store of keys and sessions {}: {e}",
            file.display()
        ))
        .help("is another Plimsoll using this data_dir?")
    })?;
    let store = Arc::new(store);
    let weak = Arc::downgrade(&store);
    gateway.state().lend(Some(Lent {
        durable: store.clone(),
        relaxed: Arc::new(Relaxed(store)),
        alone: true,
    }));
    Ok(Some(weak))
}
