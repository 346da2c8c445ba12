//! Starting the parts: first generation, ledger, control, console.

use crate::exit::Failure;
use crate::wire::body::Service;
use crate::wire::compose::Composer;
use crate::wire::mind::ModelMind;
use crate::wire::system::failure;
use crate::wire::watch::Windows;
use config::{Config, Document, Generation, Secret};
use control::ports::SystemWall;
use control::{Control, Parts};
use socket2::Socket;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, RwLock};
use store::Embedded;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub fn first_generation(file: &str, text: &str) -> Result<(Config, Generation), Failure> {
    let checked = config::check_text(file, text);
    let (Some(config), false) = (checked.config, text.is_empty()) else {
        let shown = config::report::render(&checked.findings, &checked.document, false);
        return Err(Failure::new(format!("the config is not good:\n{shown}"))
            .help("`plimsoll check` shows the same"));
    };
    let wrong = gateway::check(&config);
    if !wrong.is_empty() {
        return Err(failure(&wrong));
    }
    let (document, _) = Document::parse(file, text);
    let composed = config::compose(&document, &[], 0, 0).map_err(|f| failure(&f))?;
    Ok((config, composed.generation))
}

pub fn start_control(
    file: &str,
    text: &str,
    data_dir: &Path,
    store: Arc<Embedded>,
    service: Service,
    windows: Windows,
    mind: Arc<RwLock<Option<Arc<Config>>>>,
) -> Result<Control, Failure> {
    Control::start(Parts {
        document: text.to_owned(),
        data_dir: data_dir.to_owned(),
        log: store.clone(),
        kv: store,
        compose: Arc::new(Composer {
            file: file.to_owned(),
        }),
        publish: Arc::new(service),
        windows: Arc::new(windows),
        mind: Arc::new(ModelMind {
            config: mind,
            seed: 1,
            canary_share: 0.5,
        }),
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

pub fn console_socket(at: SocketAddr, inherited: &[Socket]) -> Result<TcpListener, Failure> {
    let socket = listener(
        at,
        inherited,
        "the console cannot listen on",
        "set `console:` to a free address",
    )?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The value of a secret; `key` names it in messages.
pub fn secret(key: &str, secret: &Secret) -> Result<String, Failure> {
    let read = |path: &Path| std::fs::read_to_string(path);
    let value = secret.resolve(|name| std::env::var(name).ok(), read);
    let value = value.map_err(|f| Failure::new(format!("{key}: {f}")))?;
    match value.is_empty() {
        true => Err(Failure::new(format!("{key} is empty")).help("write the token to its file")),
        false => Ok(value),
    }
}

pub fn start_console(
    runtime: &tokio::runtime::Runtime,
    socket: &TcpListener,
    state: console::State,
) -> Result<(oneshot::Sender<()>, JoinHandle<()>), Failure> {
    let socket = socket.try_clone()?;
    let _inside = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(socket)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = runtime.spawn(async move {
        let done = async {
            // Dropped or told: both mean stop.
            let _ = stopped.await;
        };
        if let Err(e) = console::serve(listener, state, done).await {
            tracing::error!("the console ended: {e}");
        }
    });
    Ok((stop, serving))
}
