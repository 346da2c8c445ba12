//! Plimsoll, HAProxy and nginx before the services of a scenario; what protects is given by the scenario.

use super::Stage;
use super::origin::{Origin, Plan};
use super::page::{Row, Section};
use crate::peers::{Proxy, free, launch};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// A proxy that takes part.
pub struct Contender {
    pub name: &'static str,
    /// What of its configuration protects.
    pub how: &'static str,
    pub start: fn(&Stage<'_>, &[SocketAddr]) -> Result<Proxy, String>,
}

/// What was seen: the cells of its row, and whether the target was met.
pub type Measured = (Vec<String>, Option<bool>);

/// One row per contender, each before fresh services.
pub fn each(
    stage: &Stage<'_>,
    mut section: Section,
    contenders: &[Contender],
    plan: &Plan,
    measure: impl Fn(&Origin, &Proxy) -> Result<Measured, String>,
) -> Result<Section, String> {
    for c in contenders {
        let origin = Origin::start(plan.clone())?;
        match (c.start)(stage, &origin.addresses()) {
            Err(why) => section.skip(c.name, &why),
            Ok(proxy) => {
                let (cells, met) = measure(&origin, &proxy)?;
                eprintln!("{}: {}", c.name, cells.join(", "));
                section.rows.push(Row {
                    proxy: c.name.into(),
                    cells,
                    met,
                    remark: c.how.into(),
                });
            }
        }
    }
    Ok(section)
}

/// The row of a Plimsoll that had to learn its limit: missed, when that does not act.
pub fn learned(
    stage: &Stage<'_>,
    mut section: Section,
    ours: &Ours,
    measure: impl FnOnce(SocketAddr) -> Result<Measured, String>,
) -> Result<Section, String> {
    let (acts, said) = limit_of(stage, ours);
    let (cells, met) = measure(ours.proxy.address)?;
    section.rows.push(Row {
        proxy: "Plimsoll".into(),
        cells,
        met: met.map(|met| met && acts),
        remark: said,
    });
    Ok(section)
}

/// A running Plimsoll.
pub struct Ours {
    pub proxy: Proxy,
    pub console: SocketAddr,
}

/// Whether the learned limit acts, and what `plimsoll status` says of it.
fn limit_of(stage: &Stage<'_>, ours: &Ours) -> (bool, String) {
    let status = Command::new(stage.plimsoll)
        .args(["status", "--console", &ours.console.to_string()])
        .output();
    let text = status.map_or(String::new(), |o| {
        String::from_utf8_lossy(&o.stdout).into_owned()
    });
    let limit = text.lines().filter_map(|l| l.strip_prefix("limit"));
    let said: Vec<&str> = limit.map(str::trim).collect();
    let acts = said.iter().any(|l| l.contains(": acts"));
    match said.is_empty() {
        true => (false, "no limit was learned".into()),
        false => (acts, said.join("; ")),
    }
}

/// The name of the service is `app`; `service` and `routes` are lines of YAML, indented by four and two.
pub fn plimsoll(
    stage: &Stage<'_>,
    instances: &[SocketAddr],
    service: &str,
    rest: &str,
) -> Result<Ours, String> {
    let [at, console] = free()?;
    let data = stage.dir.join(format!("data-{}", at.port()));
    let list: Vec<String> = instances.iter().map(|a| format!("\"{a}\"")).collect();
    let text = format!(
        "listen: {at}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\nservices:\n  app:\n    instances: [{}]\n{service}{rest}",
        data.display(),
        list.join(", ")
    );
    let file = write(stage, at, "yaml", &text)?;
    let mut command = Command::new(stage.plimsoll);
    let proxy = launch("Plimsoll", at, command.args(["run", "--config"]).arg(file))?;
    Ok(Ours { proxy, console })
}

/// `server` is appended to each server line, `backend` and `frontend` are lines of those sections.
pub fn haproxy(
    stage: &Stage<'_>,
    instances: &[SocketAddr],
    frontend: &str,
    backend: &str,
    server: &str,
) -> Result<Proxy, String> {
    let [at] = free()?;
    let mut text = format!(
        "global\n  nbthread 1\n  maxconn 8000\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 60s\n  timeout server 60s\n  \
         timeout http-keep-alive 60s\n  http-reuse safe\nfrontend f\n  bind {at}\n{frontend}  default_backend app\n\
         backend app\n  balance leastconn\n{backend}"
    );
    for (i, a) in instances.iter().enumerate() {
        let _ = writeln!(text, "  server s{i} {a} {server}");
    }
    let file = write(stage, at, "cfg", &text)?;
    let mut command = Command::new("haproxy");
    launch("HAProxy", at, command.args(["-db", "-f"]).arg(file))
}

/// `http`, `upstream` and `location` are lines of those blocks; `server` follows each address.
pub fn nginx(
    stage: &Stage<'_>,
    instances: &[SocketAddr],
    http: &str,
    server: &str,
    location: &str,
) -> Result<Proxy, String> {
    let [at] = free()?;
    let servers: String = instances
        .iter()
        .fold(String::new(), |s, a| s + &format!("server {a} {server}; "));
    let dir = stage.dir.display();
    let text = format!(
        "worker_processes 1; daemon off; worker_rlimit_nofile 20000; pid {dir}/nginx-{port}.pid; error_log stderr crit;\n\
         events {{ worker_connections 8000; }}\nhttp {{ access_log off; keepalive_requests 1000000000;\n {http}\n \
         upstream u {{ zone u 256k; least_conn; {servers} keepalive 256; keepalive_requests 1000000000; }}\n \
         server {{ listen {at}; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\";\n \
         {location}\n }} }} }}\n",
        port = at.port()
    );
    let file = write(stage, at, "conf", &text)?;
    let mut command = Command::new("nginx");
    launch("nginx", at, command.arg("-c").arg(file))
}

pub fn write(stage: &Stage<'_>, at: SocketAddr, kind: &str, text: &str) -> Result<PathBuf, String> {
    let file = stage.dir.join(format!("{}.{kind}", at.port()));
    std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(file)
}
