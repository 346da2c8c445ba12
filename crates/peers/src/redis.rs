//! A Redis that keeps nothing on disk.

use crate::{Certificate, Server, free_port, until};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const MISSING: &str = "Redis is missing: install it (Debian: `apt-get install redis-server`)";

/// A running server.
pub struct Redis {
    port: u16,
    ca: PathBuf,
    command: Command,
    server: Server,
    _folder: TempDir,
}

impl Redis {
    /// `settings` are pairs such as `["maxmemory", "8mb"]`.
    pub fn start(settings: &[[&str; 2]]) -> Result<Redis, String> {
        Redis::start_with(settings, false)
    }

    /// The same, and it speaks TLS only, with a certificate for `localhost`; it takes no `commands`.
    pub fn start_encrypted(settings: &[[&str; 2]]) -> Result<Redis, String> {
        Redis::start_with(settings, true)
    }

    fn start_with(settings: &[[&str; 2]], encrypted: bool) -> Result<Redis, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let port = free_port()?.port();
        let mut command = Command::new("redis-server");
        let ca = folder.path().join("ca.pem");
        if encrypted {
            let made = Certificate::make(folder.path())?;
            command.args(["--port", "0", "--tls-port", &port.to_string()]);
            command.args(["--tls-auth-clients", "no", "--tls-ca-cert-file"]);
            command.arg(&made.ca).arg("--tls-cert-file").arg(&made.cert);
            command.arg("--tls-key-file").arg(&made.key);
        } else {
            command.args(["--port", &port.to_string()]);
        }
        command.args(["--bind", "127.0.0.1"]);
        command.args(["--save", "", "--dir"]).arg(folder.path());
        for [name, value] in settings {
            command.args([&format!("--{name}"), *value]);
        }
        let redis = Redis {
            port,
            ca,
            server: Server::start(&mut command, MISSING)?,
            command,
            _folder: folder,
        };
        redis.wait()?;
        Ok(redis)
    }

    fn wait(&self) -> Result<(), String> {
        until("Redis answers", || {
            TcpStream::connect(self.address()).is_ok()
        })
    }

    /// Starts it again after `stop`, at the same place, with what it has on its disk.
    pub fn start_again(&mut self) -> Result<(), String> {
        self.server = Server::start(&mut self.command, MISSING)?;
        self.wait()
    }

    pub fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// Who signed its certificate, where it has one.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// Over TLS, by a name of this host.
    pub fn encrypted_url(&self, host: &str) -> String {
        format!("rediss://{host}:{}", self.port)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends commands, one a line, and waits until the answer to the last one (a `PING`) has come.
    pub fn commands(&self, lines: &str) -> Result<String, String> {
        let mut stream = TcpStream::connect(self.address()).map_err(|e| e.to_string())?;
        let ask = format!("{lines}\r\nECHO done-with-it\r\n");
        stream
            .write_all(ask.as_bytes())
            .map_err(|e| e.to_string())?;
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .map_err(|e| e.to_string())?;
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        while !all.ends_with(b"done-with-it\r\n") {
            match stream.read(&mut part).map_err(|e| e.to_string())? {
                0 => return Err("Redis closed the connection".into()),
                n => all.extend_from_slice(&part[..n]),
            }
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
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
