//! The store of keys, sessions and values of services: opened where the config asks for any, lent to the gateway, and served.

use crate::exit::Failure;
use crate::wire::start::{listener, secret};
use crate::wire::system::failure;
use ::state::{Options, Receiver};
use ::streams::Place;
use config::Config;
use config::sections::StateApi;
use gateway::Gateway;
use gateway::state::{Lent, State};
use socket2::Socket;
use std::path::Path;
use std::sync::{Arc, Weak};
use store::embedded::Relaxed;
use store::{Embedded, Kv};
use tokio::runtime::Handle;

/// Its name in `data_dir`.
pub const FILE: &str = "state.db";
/// Most bytes of it: what is more is refused as if the disk were full.
const BYTES: u64 = 4 << 30;

fn is_needed(config: &Config) -> bool {
    let own = |name: &str| config.sessions.iter().any(|s| s.name == name && !s.shared);
    config.state.as_ref().is_some_and(|s| !s.stores.is_empty())
        || (config.routes.iter())
            .any(|r| r.idempotency.is_some() || r.session.as_deref().is_some_and(own))
}

/// In a file of this node, or in the `engine` of several; quotas, where there is no such, and sessions that are to be in what nodes have `shared`. `None`:
/// there is no file, or nothing in the config needs any.
pub fn open(
    dir: &Path,
    config: &Config,
    gateway: &Gateway,
    engine: Option<Arc<dyn Kv>>,
    shared: Option<Arc<dyn Kv>>,
) -> Result<Option<Weak<Embedded>>, Failure> {
    if config.sessions.iter().any(|s| s.shared) {
        gateway.state().lend_shared(shared.clone());
    }
    let has_quotas = config.routes.iter().any(|r| r.quota.is_some());
    let counts = engine.clone().or(shared);
    if has_quotas && counts.is_some() {
        gateway.quotas().lend(counts.clone());
    }
    if !is_needed(config) && (!has_quotas || counts.is_some()) {
        return Ok(None);
    }
    if let Some(engine) = engine {
        gateway.state().lend(Some(Lent {
            durable: engine.clone(),
            relaxed: engine,
            alone: false,
        }));
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
    if has_quotas && counts.is_none() {
        gateway.quotas().lend(Some(store.clone()));
    }
    gateway.state().lend(Some(Lent {
        durable: store.clone(),
        relaxed: Arc::new(Relaxed(store)),
        alone: true,
    }));
    Ok(Some(weak))
}

/// Listens where `state` says; `inherited` are sockets of the process before.
pub fn serve(
    api: &StateApi,
    inherited: &[Socket],
    state: Arc<State>,
    topics: Arc<topics::Api>,
    streams: Option<Arc<Place>>,
    runtime: &Handle,
) -> Result<Receiver, Failure> {
    let listener = listener(
        api.listen,
        inherited,
        "services cannot be answered at",
        "set `state.listen` to a free address; `ss -ltnp` shows who has it",
    )?;
    let own = |tls| gateway::tls::of_token_holders(tls).map_err(|f| failure(&f));
    let options = Options {
        listener,
        token: secret("state.token", &api.token)?,
        tls: api.tls.as_ref().map(own).transpose()?,
        stores: api.stores.clone(),
        lent: Arc::new(move || state.lent().map(|l| (l.durable, l.relaxed))),
        topics,
        streams,
    };
    Ok(Receiver::start(runtime, options)?)
}
