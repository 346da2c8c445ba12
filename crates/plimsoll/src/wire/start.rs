//! Starting the parts: first generation, ledger, control.

use crate::exit::Failure;
use crate::wire::body::Service;
use crate::wire::compose::Composer;
use crate::wire::engines;
use crate::wire::mind::ModelMind;
use crate::wire::system::failure;
use crate::wire::watch::Windows;
use config::{Config, Document, Generation, Secret};
use control::ports::{Budgets, Lead, SystemWall};
use control::{Control, Parts};
use socket2::Socket;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, RwLock};
use store::Embedded;

pub fn first_generation(file: &str, text: &str) -> Result<(Config, Generation), Failure> {
    let checked = config::check_text(file, text);
    let (Some(config), false) = (checked.config, text.is_empty()) else {
        let shown = config::report::render(&checked.findings, &checked.document, false);
        return Err(Failure::new(format!("the config is not good:\n{shown}"))
            .help("`plimsoll check` shows the same"));
    };
    let mut wrong = gateway::check(&config);
    wrong.extend(engines::check(&config));
    if !wrong.is_empty() {
        return Err(failure(&wrong));
    }
    let (document, _) = Document::parse(file, text);
    let composed = config::compose(&document, &[], 0, 0).map_err(|f| failure(&f))?;
    Ok((config, composed.generation))
}

/// What control asks and tells.
pub struct Around {
    pub service: Service,
    pub windows: Windows,
    pub config: Arc<RwLock<Option<Arc<Config>>>>,
    pub budgets: Arc<dyn Budgets>,
    pub lead: Arc<dyn Lead>,
}

pub fn start_control(
    file: &str,
    text: &str,
    data_dir: &Path,
    store: Arc<Embedded>,
    around: Around,
) -> Result<Control, Failure> {
    Control::start(Parts {
        document: text.to_owned(),
        data_dir: data_dir.to_owned(),
        log: store.clone(),
        kv: store,
        compose: Arc::new(Composer {
            file: file.to_owned(),
        }),
        publish: Arc::new(around.service),
        windows: Arc::new(around.windows),
        mind: Arc::new(ModelMind {
            config: around.config,
            seed: 1,
            canary_share: 0.5,
        }),
        budgets: around.budgets,
        lead: around.lead,
        wall: Arc::new(SystemWall),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
    })
    .map_err(|f| failure(&f))
}

pub fn open_store(dir: &Path) -> Result<Arc<Embedded>, Failure> {
    std::fs::create_dir_all(dir).map_err(|e| {
        Failure::new(format!("data_dir {}: {e}", dir.display()))
            .help("create it, or name another folder")
    })?;
    let file = dir.join("control.db");
    let opened = Embedded::open(&file).map_err(|e| {
        Failure::new(format!("the ledger {}: {e}", file.display()))
            .help("is another Plimsoll using this data_dir?")
    })?;
    Ok(Arc::new(opened))
}

/// The inherited socket at this address, else a new one.
pub fn listener(
    at: SocketAddr,
    inherited: &[Socket],
    what: &str,
    help: &str,
) -> Result<TcpListener, Failure> {
    let same = |l: &&Socket| l.local_addr().is_ok_and(|a| a.as_socket() == Some(at));
    match inherited.iter().find(same) {
        Some(socket) => Ok(socket.try_clone()?.into()),
        None => {
            TcpListener::bind(at).map_err(|e| Failure::new(format!("{what} {at}: {e}")).help(help))
        }
    }
}

/// The value of a secret; `key` names it in messages.
pub fn secret(key: &str, secret: &Secret) -> Result<String, Failure> {
    let value = secret
        .fetch()
        .map_err(|f| Failure::new(format!("{key}: {f}")))?;
    match value.is_empty() {
        true => Err(Failure::new(format!("{key} is empty")).help("write the token to its file")),
        false => Ok(value),
    }
}
