//! The proxies that are compared: each a config, a command and an address.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A proxy under test; ended by id when dropped.
pub struct Proxy {
    pub name: &'static str,
    pub address: SocketAddr,
    child: Child,
}

impl Proxy {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for pid in std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id()))
            .unwrap_or_default()
            .split_whitespace()
        {
            // A worker outlives its killed master otherwise.
            let _ = Command::new("kill").arg(pid).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that can be started here, on core 0, and what is missing.
pub fn start(upstream: SocketAddr, plimsoll: &Path, dir: &Path) -> (Vec<Proxy>, Vec<String>) {
    let mut running = Vec::new();
    let mut missing = Vec::new();
    for make in [haproxy, nginx] {
        collect(make(upstream, dir), &mut running, &mut missing);
    }
    collect(
        self::plimsoll(upstream, plimsoll, dir),
        &mut running,
        &mut missing,
    );
    (running, missing)
}

fn collect(started: Result<Proxy, String>, running: &mut Vec<Proxy>, missing: &mut Vec<String>) {
    match started {
        Ok(p) => running.push(p),
        Err(why) => missing.push(why),
    }
}

fn haproxy(upstream: SocketAddr, dir: &Path) -> Result<Proxy, String> {
    let at = free()?;
    let text = format!(
        "global\n  nbthread 1\n  maxconn 8000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         timeout http-keep-alive 60s\n  option forwardfor\n  http-reuse safe\nfrontend f\n  bind {at}\n  default_backend b\n\
         backend b\n  server s1 {upstream}\n"
    );
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, text).map_err(|e| e.to_string())?;
    launch(
        "HAProxy",
        at,
        Command::new("taskset")
            .args(["-c", "0", "haproxy", "-db", "-f"])
            .arg(file),
    )
}

fn nginx(upstream: SocketAddr, dir: &Path) -> Result<Proxy, String> {
    let at = free()?;
    let pid = dir.join("nginx.pid");
    let text = format!(
        "worker_processes 1; daemon off; worker_rlimit_nofile 20000; pid {pid}; error_log stderr crit;\nevents {{ worker_connections 8000; }}\n\
         http {{ access_log off; keepalive_timeout 75s; keepalive_requests 1000000000; tcp_nodelay on; sendfile off;\n \
         upstream u {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 60s; }}\n \
         server {{ listen {at}; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}\n",
        pid = pid.display()
    );
    let file = dir.join("nginx.conf");
    std::fs::write(&file, text).map_err(|e| e.to_string())?;
    launch(
        "nginx",
        at,
        Command::new("taskset")
            .args(["-c", "0", "nginx", "-c"])
            .arg(file),
    )
}

fn plimsoll(upstream: SocketAddr, binary: &Path, dir: &Path) -> Result<Proxy, String> {
    let (at, console) = (free()?, free()?);
    let text = format!(
        "listen: {at}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\nservices:\n  app:\n    instances: [\"{upstream}\"]\n",
        dir.join("data").display()
    );
    let file = dir.join("plimsoll.yaml");
    std::fs::write(&file, text).map_err(|e| e.to_string())?;
    launch(
        "Plimsoll",
        at,
        Command::new("taskset")
            .args(["-c", "0"])
            .arg(binary)
            .args(["run", "--config"])
            .arg(file),
    )
}

fn launch(name: &'static str, at: SocketAddr, command: &mut Command) -> Result<Proxy, String> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{name} does not start: {e}"))?;
    let mut proxy = Proxy {
        name,
        address: at,
        child,
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect_timeout(&at, Duration::from_millis(100)).is_err() {
        if let Ok(Some(status)) = proxy.child.try_wait() {
            return Err(format!(
                "{name} ended with {status} (is it installed? Debian: `apt-get install haproxy nginx`)"
            ));
        }
        if Instant::now() > deadline {
            return Err(format!("{name} does not listen on {at} after 5 s"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(proxy)
}

fn free() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .map_err(|e| e.to_string())
}
