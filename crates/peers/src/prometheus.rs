//! Prometheus itself, which scrapes one address each second, or answers from blocks that were made before.

use crate::{Server, free_port, promtool, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const MISSING: &str = "prometheus is missing: install it (Debian: `apt-get install prometheus`)";

/// A running server.
pub struct Prometheus {
    port: u16,
    _server: Server,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes `/metrics` there.
    pub fn scraping(at: SocketAddr) -> Result<Prometheus, String> {
        let job = format!(
            "scrape_configs: [{{ job_name: plimsoll, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{{ targets: ['{at}'] }}] }}]\n"
        );
        Prometheus::start(&job, None)
    }

    /// Knows these samples, in the text format of OpenMetrics, and no others.
    pub fn holding(samples: &str) -> Result<Prometheus, String> {
        Prometheus::start("", Some(samples))
    }

    fn start(config: &str, samples: Option<&str>) -> Result<Prometheus, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let at = |name: &str| folder.path().join(name);
        let write =
            |name: &str, text: &str| std::fs::write(at(name), text).map_err(|e| e.to_string());
        write("prometheus.yml", config)?;
        if let Some(samples) = samples {
            write("samples", samples)?;
            blocks(&at("samples"), &at("data"))?;
        }
        let port = free_port()?.port();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args([
                "--storage.tsdb.retention.time=100y",
                "--enable-feature=exemplar-storage",
            ]);
        let begun = Prometheus {
            port,
            _server: Server::start(&mut command, MISSING)?,
            _folder: folder,
        };
        until("Prometheus is ready", || {
            begun.get("/-/ready").is_ok_and(|a| a.contains("Ready"))
        })?;
        Ok(begun)
    }

    /// The body of the answer.
    pub fn get(&self, target: &str) -> Result<String, String> {
        let io = |e: std::io::Error| e.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(io)?;
        // Whole answers, not chunks.
        write!(stream, "GET {target} HTTP/1.0\r\n\r\n").map_err(io)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(io)?;
        let body = answer.split_once("\r\n\r\n");
        body.map(|b| b.1.to_owned())
            .ok_or_else(|| "no answer".into())
    }
}

fn blocks(samples: &Path, data: &Path) -> Result<(), String> {
    let (samples, data) = (samples.to_string_lossy(), data.to_string_lossy());
    let (fine, said) = promtool(
        &["tsdb", "create-blocks-from", "openmetrics", &samples, &data],
        "",
    )?;
    match fine {
        true => Ok(()),
        false => Err(format!("promtool makes no blocks: {said}")),
    }
}
