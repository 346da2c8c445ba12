//! Prometheus' Alertmanager, which passes on what it hears to one webhook, at once.

use crate::{Server, free_port, until};
use std::net::TcpStream;
use std::process::Command;
use tempfile::TempDir;

const MISSING: &str =
    "the Alertmanager is missing: install it (Debian: `apt-get install prometheus-alertmanager`)";

/// A running server.
pub struct Alertmanager {
    port: u16,
    _server: Server,
    _folder: TempDir,
}

impl Alertmanager {
    pub fn start(webhook: &str) -> Result<Alertmanager, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let config = folder.path().join("alertmanager.yml");
        let text = format!(
            "route: {{ receiver: hook, group_by: [objective], group_wait: 0s, group_interval: 1s }}\n\
             receivers: [{{ name: hook, webhook_configs: [{{ url: '{webhook}', send_resolved: true }}] }}]\n"
        );
        std::fs::write(&config, text).map_err(|e| e.to_string())?;
        let port = free_port()?.port();
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=");
        let server = Server::start(&mut command, MISSING)?;
        until("the Alertmanager answers", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        Ok(Alertmanager {
            port,
            _server: server,
            _folder: folder,
        })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
