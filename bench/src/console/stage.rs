//! The shop, Plimsoll in front of it, and traffic.

use crate::peers::{self, Proxy};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct Stage {
    pub console: SocketAddr,
    _proxies: Vec<Proxy>,
    _load: Load,
}

impl Stage {
    pub fn start(plimsoll: PathBuf, folder: &Path) -> Result<Stage, String> {
        let [listen, console, catalogue, pay, front] = peers::free()?;
        let data = folder.join(format!("data-{}", listen.port()));
        std::fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        let file = folder.join("plimsoll.yaml");
        catalog(folder)?;
        write(
            &file,
            &config(listen, console, [catalogue, pay, front], &data),
        )?;
        let (at, data) = (listen.to_string(), data.display().to_string());
        let mut proxies = Vec::new();
        for (role, own, switches) in [
            ("catalogue", catalogue, ""),
            ("pay", pay, ""),
            ("front", front, "lock_ms=50"),
        ] {
            let mut shop = Command::new(&plimsoll);
            shop.args(["example", "shop", role, "--listen", &own.to_string()]);
            shop.args(["--via", &at, "--data", &data, "--switches", switches]);
            proxies.push(peers::launch("the shop", own, &mut shop)?);
        }
        let mut run = Command::new(&plimsoll);
        proxies.push(peers::launch(
            "Plimsoll",
            console,
            // By its name alone: pages tell where the catalog is.
            run.current_dir(folder)
                .args(["run", "--config", "plimsoll.yaml"]),
        )?);
        incidents(&plimsoll, &file)?;
        let load = Load::start(&plimsoll, &file, "shop", 12)?;
        Ok(Stage {
            console,
            _proxies: proxies,
            _load: load,
        })
    }
}

/// The catalog of the shop.
const CATALOG: &str = "examples/catalog/catalog";

/// Beside the config, without what earlier runs wrote into it.
fn catalog(folder: &Path) -> Result<(), String> {
    let to = folder.join("catalog");
    // Not there is as good.
    let _ = std::fs::remove_dir_all(&to);
    copy(Path::new(CATALOG), &to).map_err(|e| format!("{CATALOG}: {e}"))
}

pub fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => std::fs::copy(entry.path(), to).map(drop)?,
        }
    }
    Ok(())
}

/// One that is over, and one that is open.
fn incidents(plimsoll: &Path, config: &Path) -> Result<(), String> {
    for args in [
        &[
            "open",
            "Prices were wrong",
            "--service",
            "catalogue",
            "--severity",
            "minor",
            "--began",
            "30m",
        ][..],
        &["ack"],
        &["note", "The cache kept old prices"],
        &["mitigate"],
        &["resolve"],
        &[
            "open",
            "Checkout is slow",
            "--service",
            "front",
            "--severity",
            "major",
            "--began",
            "4m",
        ],
        &["ack"],
    ] {
        let mut incident = Command::new(plimsoll);
        let out = incident
            .arg("incident")
            .args(args)
            .arg("--config")
            .arg(config)
            .output();
        let out = out.map_err(|e| format!("{}: {e}", plimsoll.display()))?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            return Err(format!("plimsoll incident {}: {said}", args.join(" ")));
        }
    }
    Ok(())
}

/// Traffic, until it is dropped.
pub struct Load(Child);

impl Load {
    /// A mix of the config, so many requests per second.
    pub fn start(plimsoll: &Path, config: &Path, mix: &str, rate: usize) -> Result<Load, String> {
        let mut load = Command::new(plimsoll);
        load.args(["load", "--mix", mix, "--duration", "1h", "--json"])
            .args(["--rate", &format!("{rate}/s"), "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = load.spawn();
        child
            .map(Load)
            .map_err(|e| format!("the load does not start: {e}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn config(listen: SocketAddr, console: SocketAddr, shop: [SocketAddr; 3], data: &Path) -> String {
    let [catalogue, pay, front] = shop;
    format!(
        r#"listen: {listen}
console: {console}
data_dir: "{}"
# How busy this machine is with other work does not matter here.
probes_off: [cgroup, cpu, host, disk, network, memory]
traces: {{ share: 20% }}
services:
  front: {{ instances: ["{front}"], price: $0.05/h }}
  catalogue: {{ instances: ["{catalogue}"], price: $0.03/h }}
  pay: {{ instances: ["{pay}"] }}
routes:
  product: {{ match: "GET /products/{{id}}", to: front, slo: {{ latency: 800ms, target: 99% }} }}
  checkout: {{ match: POST /checkout, to: front, slo: {{ latency: 900ms, target: 99% }} }}
  item: {{ match: {{ host: catalogue, path: "/items/{{id}}" }}, to: catalogue }}
  charge: {{ match: {{ host: pay, path: /charge }}, to: pay }}
loads:
  shop:
    - {{ request: "GET /products/{{1..200}}", weight: 80, zipf: true }}
    - {{ request: POST /checkout, weight: 20 }}
"#,
        data.display()
    )
}

pub fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}
