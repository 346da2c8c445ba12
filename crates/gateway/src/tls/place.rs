//! Where the settings of handshakes stand; they are replaced as a whole when the configuration or a file changes.

use super::names::{Names, Shown};
use super::server;
use crate::acme::{self, Challenges};
use crate::looks::Looks;
use crate::runtime::Shared;
use arc_swap::ArcSwapOption;
use base::Finding;
use config::Config;
use config::sections::Tls;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::Ticketer;
use tokio_rustls::rustls::server::ProducesTickets;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What handshakes go by.
pub struct Terms {
    pub acceptor: TlsAcceptor,
    pub turns: Semaphore,
    pub timeout: Duration,
    /// What clients are shown; `None`: there is no certificate yet.
    pub names: Option<Arc<Names<Arc<Shown>>>>,
}

#[derive(Default)]
pub(crate) struct Place {
    current: ArcSwapOption<Terms>,
    seen: Mutex<Seen>,
    challenges: Arc<Challenges>,
}

#[derive(Default)]
struct Seen {
    /// What was read last, good or not: it is not read again until it changes.
    files: Option<(Tls, Vec<Stamp>)>,
    /// Sessions are resumed across changes of files, unless clients show certificates: whom to let in may have changed.
    tickets: Option<Arc<dyn ProducesTickets>>,
}

/// Time and size of a file; `None` when it is not there.
pub type Stamp = Option<(SystemTime, u64)>;

impl Place {
    pub fn terms(&self) -> Option<Arc<Terms>> {
        self.current.load_full()
    }

    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.challenges
    }

    /// Reads the files anew, if anything has changed or `anyway`. With a finding the old terms stay.
    pub fn load(&self, config: &Config, anyway: bool) -> Vec<Finding> {
        let Some(tls) = &config.tls else {
            return Vec::new();
        };
        let own = (tls.acme.as_ref()).map(|_| acme::files::path(&config.data_dir));
        let mut seen = self.seen.lock().unwrap_or_else(|e| e.into_inner());
        let files = Some((tls.clone(), stamps(tls.files().chain(&own))));
        if !anyway && seen.files == files {
            return Vec::new();
        }
        seen.files = files;
        let old = seen.tickets.take().filter(|_| tls.clients.is_none());
        let tickets = match old.map_or_else(Ticketer::new, Ok) {
            Ok(tickets) => tickets,
            Err(e) => return vec![Finding::error("tls", format!("no session tickets: {e}"))],
        };
        seen.tickets = Some(tickets.clone());
        // One that cannot be served is as good as none: another one is asked for.
        let own = own.and_then(|_| acme::files::certificate(&config.data_dir));
        match server::build(tls, own.as_ref(), self.challenges.clone(), Some(tickets)) {
            Ok((config, names)) => {
                self.current.store(Some(Arc::new(Terms {
                    acceptor: TlsAcceptor::from(Arc::new(config)),
                    turns: Semaphore::new(tls.handshakes),
                    timeout: tls.handshake_timeout,
                    names,
                })));
                Vec::new()
            }
            Err(findings) => findings,
        }
    }
}

pub fn stamps<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Vec<Stamp> {
    files.map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Looks after the files until the gateway ends.
pub(crate) async fn watch(shared: Weak<Shared>) {
    let mut looks = Looks::every(LOOK, shared);
    while let Some(shared) = looks.next().await {
        for finding in shared.load_tls(false) {
            tracing::error!("the old certificates stay in service: {finding}");
        }
    }
}
