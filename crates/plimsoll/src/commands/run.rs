//! `plimsoll run`: serves until it is told to stop; takes a changed file into service without a restart.

use crate::cli::RunArgs;
use crate::exit::{Exit, Failure};
use crate::wire::system::{System, failure};
use notify::{RecursiveMode, Watcher};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Editors write a file in several steps: this long after the last one it is read.
const SETTLE: Duration = Duration::from_millis(100);

pub fn run(args: RunArgs) -> Result<Exit, Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("PLIMSOLL_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let text = read(&args.config)?;
    let shown = args.config.display().to_string();
    let files = raise_file_limit();
    let system = System::start(&shown, &text)?;
    let connections = system.control.generation().base.limits.connections;
    if let Some(few) = too_few(files, connections) {
        tracing::warn!("{few}");
    }
    println!(
        "listening on {}; console on http://{}",
        system.address, system.console
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(&system, &args.config))?;
    println!("stopping: requests in flight end first");
    system.stop();
    Ok(Exit::Ok)
}

/// Raises the soft limit of open files to the hard one, and tells it; `None`: no limit.
fn raise_file_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused: what is there is what there is.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current
}

/// A client takes one file and its request one more; the rest of Plimsoll takes a few.
fn too_few(files: Option<u64>, connections: usize) -> Option<String> {
    let needed = 2 * connections as u64 + 200;
    let files = files.filter(|f| *f < needed)?;
    Some(format!(
        "at most {files} files may be open, and {connections} connections with a request each need {needed}: raise \
         LimitNOFILE (ulimit -Hn), or lower limits.connections"
    ))
}

/// Reloads on a change of the file or SIGHUP, opens the access log anew on SIGUSR1; returns on SIGTERM or SIGINT.
async fn serve(system: &System, file: &Path) -> Result<(), Failure> {
    let (mut term, mut int, mut hup, mut usr1) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
        signal(SignalKind::user_defined1())?,
    );
    let (changed, mut changes) = mpsc::channel(1);
    let _watcher = watch(file, changed);
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            _ = hup.recv() => reload(system, file),
            _ = usr1.recv() => system.reopen_access_log(),
            Some(()) = changes.recv() => {
                tokio::time::sleep(SETTLE).await;
                while changes.try_recv().is_ok() {}
                reload(system, file);
            }
        }
    }
}

/// Watches the folder, not the file: editors and config maps replace it.
fn watch(file: &Path, changed: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let file = std::fs::canonicalize(file).ok()?;
    let (folder, name) = (file.parent()?.to_path_buf(), file.file_name()?.to_owned());
    let seen = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let ours = event
            .paths
            .iter()
            .any(|p: &PathBuf| p.file_name() == Some(&name) || p.is_symlink());
        if ours && !event.kind.is_access() {
            // Full: a reload is due anyway.
            let _ = changed.try_send(());
        }
    };
    let started = notify::recommended_watcher(seen)
        .and_then(|mut w| w.watch(&folder, RecursiveMode::NonRecursive).map(|()| w));
    started
        .map_err(|e| tracing::warn!("the file is not watched ({e}); send SIGHUP to reload"))
        .ok()
}

fn reload(system: &System, file: &Path) {
    let outcome = read(file).and_then(|text| system.control.reload(text).map_err(|f| failure(&f)));
    match outcome {
        Ok(()) => tracing::info!("{} is in service", file.display()),
        Err(e) => tracing::error!(
            "{} was not taken; the old one stays in service: {e}",
            file.display()
        ),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|e| {
        Failure::new(format!("{}: {e}", file.display()))
            .help("write one with `plimsoll init`, or name it with --config")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_files_is_raised_and_one_that_is_too_low_is_told() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raise_file_limit(), hard);
        assert_eq!(too_few(None, 20_000), None);
        assert_eq!(too_few(Some(40_200), 20_000), None);
        let said = too_few(Some(20_000), 20_000).unwrap();
        assert!(
            said.contains("LimitNOFILE") && said.contains("40200"),
            "{said}"
        );
    }
}
