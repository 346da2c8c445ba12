//! A PostgreSQL with its own data folder.

use crate::{Certificate, Server, done, free_port, until};
use rustix::process::Signal;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const MISSING: &str =
    "PostgreSQL is missing: install it (Debian: `apt-get install postgresql postgresql-contrib`)";

/// A running server; user `postgres` may do everything and needs no password.
pub struct Postgres {
    bin: PathBuf,
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
    certificate: Option<Certificate>,
    user: Option<(u32, u32)>,
    server: Option<Server>,
}

impl Postgres {
    /// Makes a folder and starts a server in it. `settings` are of the form `name=value`.
    pub fn start(settings: &[&str]) -> Result<Postgres, String> {
        Postgres::start_with(settings, false)
    }

    /// The same, and it takes connections over TLS only, with a certificate for `localhost`.
    pub fn start_encrypted(settings: &[&str]) -> Result<Postgres, String> {
        Postgres::start_with(settings, true)
    }

    fn start_with(settings: &[&str], encrypted: bool) -> Result<Postgres, String> {
        let user = match rustix::process::geteuid().is_root() {
            true => Some(unprivileged()?),
            false => None,
        };
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).map_err(|e| e.to_string())?;
        }
        let mut new = Postgres {
            bin: programs()?,
            folder,
            port: free_port()?.port(),
            settings: settings.iter().map(|s| s.to_string()).collect(),
            certificate: None,
            user,
            server: None,
        };
        let mut init = new.program("initdb");
        init.args(["-U", "postgres", "-A", "trust", "--no-sync", "-D"]);
        done(init.arg(new.data()))?;
        if encrypted {
            new.encrypt()?;
        }
        new.run()?;
        Ok(new)
    }

    fn encrypt(&mut self) -> Result<(), String> {
        let made = Certificate::make(self.folder.path())?;
        if let Some((uid, gid)) = self.user {
            chown(&made.key, Some(uid), Some(gid)).map_err(text)?;
        }
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&made.key, mode).map_err(text)?;
        let rules = "hostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n";
        std::fs::write(self.data().join("pg_hba.conf"), rules).map_err(text)?;
        self.settings.extend([
            "ssl=on".into(),
            format!("ssl_cert_file={}", made.cert.display()),
            format!("ssl_key_file={}", made.key.display()),
        ]);
        self.certificate = Some(made);
        Ok(())
    }

    /// Who signed its certificate.
    pub fn ca(&self) -> Option<&Path> {
        self.certificate.as_ref().map(|c| c.ca.as_path())
    }

    /// A standby that follows it, on a port and in a folder of its own.
    pub fn replica(&self, settings: &[&str]) -> Result<Postgres, String> {
        let folder = tempfile::tempdir().map_err(text)?;
        if let Some((uid, gid)) = self.user {
            chown(folder.path(), Some(uid), Some(gid)).map_err(text)?;
        }
        let mut new = Postgres {
            bin: self.bin.clone(),
            folder,
            port: free_port()?.port(),
            settings: settings.iter().map(|s| s.to_string()).collect(),
            certificate: None,
            user: self.user,
            server: None,
        };
        let mut copy = new.program("pg_basebackup");
        copy.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"]);
        done(copy.arg(new.data()).args(["-d", &self.url()]))?;
        new.run()?;
        Ok(new)
    }

    /// Has a standby become a primary, and waits until it is one.
    pub fn promote(&self) -> Result<(), String> {
        self.sql("SELECT pg_promote(true, 30)").map(drop)
    }

    /// The process that all others of it come from; `None`: it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(|s| s.child.id())
    }

    /// As `kill -9` of all of its processes: nothing is written any more.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        let below = children(server.child.id());
        server.end = Signal::KILL;
        server.signal(Signal::KILL);
        for pid in below {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }

    /// Starts it again on the same port and data.
    pub fn run(&mut self) -> Result<(), String> {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data());
        command.args(["-p", &self.port.to_string()]);
        let here = self.folder.path().display();
        let own = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={here}"),
            "fsync=off".to_owned(),
        ];
        for s in own.iter().chain(&self.settings) {
            command.args(["-c", s]);
        }
        let log = std::fs::File::create(self.folder.path().join("log")).map_err(text)?;
        let child = command.stderr(log).spawn().map_err(text)?;
        self.server = Some(Server {
            child,
            end: Signal::QUIT,
        });
        until("PostgreSQL answers", || self.sql("SELECT 1").is_ok())
            .map_err(|e| format!("{e}: {}", self.log()))
    }

    /// Ends it at once; its data stays.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Stops all of its processes from running, or lets them run again.
    pub fn stall(&self, stalled: bool) {
        let signal = if stalled { Signal::STOP } else { Signal::CONT };
        let Some(server) = &self.server else { return };
        let parent = server.child.id();
        server.signal(signal);
        for pid in children(parent) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
    }

    /// Has it run on the last of the machine's cores only, those of its processes that start from now on too.
    pub fn one_core(&self) -> Result<(), String> {
        let Some(server) = &self.server else {
            return Err("it does not run".into());
        };
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let (core, pid) = ((cores - 1).to_string(), server.child.id().to_string());
        done(Command::new("taskset").args(["-pc", &core, &pid])).map(drop)
    }

    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// For another role.
    pub fn url_of(&self, role: &str) -> String {
        self.url_at(role, "127.0.0.1")
    }

    /// By another name of this host.
    pub fn url_at(&self, role: &str, host: &str) -> String {
        format!(
            "postgres://{role}:not-checked@{host}:{}/postgres",
            self.port
        )
    }

    /// The answer to one or more statements, fields separated by `|`.
    pub fn sql(&self, text: &str) -> Result<String, String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &self.url()]);
        done(psql.arg("-c").arg(text).stdin(Stdio::null()))
    }

    /// A client that takes statements on its standard input.
    pub fn client(&self, application: &str) -> Result<Child, String> {
        Command::new(self.bin.join("psql"))
            .args(["-XAtq", "-d", &self.url()])
            .env("PGAPPNAME", application)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(text)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.current_dir(self.folder.path());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stall(false);
        self.stop();
    }
}

fn text(e: std::io::Error) -> String {
    e.to_string()
}

/// The newest installed version.
fn programs() -> Result<PathBuf, String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|_| MISSING)?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|v| {
            let number = v.file_name().to_string_lossy().parse().ok()?;
            Some((number, v.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map(|v| v.1).ok_or(MISSING.into())
}

/// `initdb` refuses root: the user that Debian's package made, else nobody.
fn unprivileged() -> Result<(u32, u32), String> {
    let users = std::fs::read_to_string("/etc/passwd").map_err(text)?;
    let of = |name: &str| {
        users.lines().find_map(|l| {
            let mut f = l.split(':');
            (f.next() == Some(name)).then_some(())?;
            Some((f.nth(1)?.parse().ok()?, f.next()?.parse().ok()?))
        })
    };
    of("postgres")
        .or_else(|| of("nobody"))
        .ok_or("there is no user to run PostgreSQL as".into())
}

/// Processes whose parent it is.
fn children(parent: u32) -> Vec<i32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(Path::new(&path)).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|p| p.parse().ok())
        .collect()
}
