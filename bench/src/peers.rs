//! The proxies that are compared: each a config, a command and an address.

use std::ffi::OsStr;
use std::fmt::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
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

    /// That it has not ended: whoever answers at its address then is somebody else.
    pub fn runs(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!(
                "{} at {} ended with {status}",
                self.name, self.address
            )),
            Err(e) => Err(format!("{}: {e}", self.name)),
        }
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

/// Where a proxy finds its upstream, keeps its files, and may run.
pub struct Stage<'a> {
    pub upstream: SocketAddr,
    pub dir: &'a Path,
    pub threads: usize,
    /// As `taskset -c` takes them.
    pub cores: &'static str,
}

impl<'a> Stage<'a> {
    /// One thread on core 0.
    pub fn one_core(upstream: SocketAddr, dir: &'a Path) -> Stage<'a> {
        Stage {
            upstream,
            dir,
            threads: 1,
            cores: "0",
        }
    }

    pub fn on_cores(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", self.cores]).arg(program);
        command
    }

    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let file = self.dir.join(format!("{}-{name}", self.threads));
        std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(file)
    }
}

/// How clients come in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Http1,
    /// Without TLS, known beforehand.
    Http2,
    /// Either, with `cert.pem`, `key.pem` and `both.pem` of the stage's folder.
    Tls,
}

/// HAProxy forwards everything to one server, without routes and without measuring.
pub fn haproxy(stage: &Stage<'_>, entry: Entry) -> Result<Proxy, String> {
    let [at] = free()?;
    let (upstream, threads) = (stage.upstream, stage.threads);
    let how = match entry {
        Entry::Http1 => String::new(),
        Entry::Http2 => " proto h2".to_owned(),
        Entry::Tls => format!(" ssl crt {}/both.pem alpn h2,http/1.1", stage.dir.display()),
    };
    let text = format!(
        "global\n  nbthread {threads}\n  maxconn 8000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         timeout http-keep-alive 60s\n  option forwardfor\n  http-reuse safe\nfrontend f\n  bind {at}{how}\n  default_backend b\n\
         backend b\n  server s1 {upstream}\n"
    );
    let file = stage.write(&format!("haproxy-{}.cfg", at.port()), &text)?;
    let mut command = stage.on_cores("haproxy");
    launch("HAProxy", at, command.args(["-db", "-f"]).arg(file))
}

/// HAProxy with its cache in front of the same.
pub fn haproxy_cache(stage: &Stage<'_>) -> Result<Proxy, String> {
    let [at] = free()?;
    let (upstream, threads) = (stage.upstream, stage.threads);
    let text = format!(
        "global\n  nbthread {threads}\n  maxconn 8000\ncache c\n  total-max-size 64\n  max-age 3600\n  max-object-size 65536\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  timeout http-keep-alive 60s\n  \
         http-reuse safe\nfrontend f\n  bind {at}\n  http-request cache-use c\n  http-response cache-store c\n  \
         default_backend b\nbackend b\n  server s1 {upstream}\n"
    );
    let file = stage.write("haproxy-cache.cfg", &text)?;
    let mut command = stage.on_cores("haproxy");
    launch("HAProxy", at, command.args(["-db", "-f"]).arg(file))
}

/// Varnish that looks up every request for a page.
pub fn varnish(stage: &Stage<'_>) -> Result<Proxy, String> {
    let [at] = free()?;
    let upstream = stage.upstream;
    let text = format!(
        "vcl 4.1;\nbackend b {{ .host = \"{}\"; .port = \"{}\"; }}\nsub vcl_recv {{ return (hash); }}\n",
        upstream.ip(),
        upstream.port()
    );
    let file = stage.write("varnish.vcl", &text)?;
    let own = stage.dir.join("varnish");
    let mut command = stage.on_cores("varnishd");
    command.args([
        "-F",
        "-j",
        "none",
        "-p",
        "thread_pools=1",
        "-s",
        "malloc,64m",
    ]);
    command.arg("-a").arg(at.to_string()).arg("-f").arg(file);
    launch("Varnish", at, command.arg("-n").arg(own))
}

/// nginx, the same.
pub fn nginx(stage: &Stage<'_>, entry: Entry) -> Result<Proxy, String> {
    let [at] = free()?;
    let (upstream, threads) = (stage.upstream, stage.threads);
    let pid = stage.dir.join(format!("nginx-{}.pid", at.port()));
    let (how, keys) = match entry {
        Entry::Http1 => ("", String::new()),
        Entry::Http2 => (" http2", String::new()),
        Entry::Tls => (
            " ssl http2",
            format!(
                "ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;",
                stage.dir.display()
            ),
        ),
    };
    let text = format!(
        "worker_processes {threads}; daemon off; worker_rlimit_nofile 20000; pid {pid}; error_log stderr crit;\nevents {{ worker_connections 8000; }}\n\
         http {{ access_log off; keepalive_timeout 75s; keepalive_requests 1000000000; tcp_nodelay on; sendfile off; {keys}\n \
         upstream u {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 60s; }}\n \
         server {{ listen {at}{how}; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}\n",
        pid = pid.display()
    );
    let file = stage.write(&format!("nginx-{}.conf", at.port()), &text)?;
    let mut command = stage.on_cores("nginx");
    launch("nginx", at, command.arg("-c").arg(file))
}

/// nginx that keeps answers in files, with their keys in memory.
pub fn nginx_cache(stage: &Stage<'_>) -> Result<Proxy, String> {
    let [at] = free()?;
    let (upstream, threads) = (stage.upstream, stage.threads);
    let (pid, own) = (stage.dir.join("nginx-cache.pid"), stage.dir.join("nginx"));
    let text = format!(
        "worker_processes {threads}; daemon off; pid {pid}; user root; error_log stderr crit;\nevents {{ worker_connections 8000; }}\n\
         http {{ access_log off; keepalive_timeout 75s; keepalive_requests 1000000000; tcp_nodelay on; sendfile on;\n \
         proxy_cache_path {own} levels=1:2 keys_zone=c:32m max_size=1g inactive=60m use_temp_path=off;\n \
         upstream u {{ server {upstream}; keepalive 64; }}\n \
         server {{ listen {at}; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_cache c; proxy_cache_lock on; }} }} }}\n",
        pid = pid.display(),
        own = own.display()
    );
    let file = stage.write("nginx-cache.conf", &text)?;
    let mut command = stage.on_cores("nginx");
    launch("nginx", at, command.arg("-c").arg(file))
}

/// Routes beside the one that is asked for.
const ROUTES: usize = 199;

/// The section of a config with the route that is asked for and the others.
fn routes() -> String {
    let mut text =
        "routes:\n  product: { match: \"GET /api/v1/products/{id}\", to: app }\n".to_owned();
    for i in 0..ROUTES {
        let _ = writeln!(
            text,
            "  things-{i}: {{ match: \"GET /api/v1/things-{i}/{{id}}\", to: app }}"
        );
    }
    text
}

/// As people run it: everything on that is on by default, 200 routes, telemetry and learning.
pub fn plimsoll(stage: &Stage<'_>, binary: &Path, entry: Entry) -> Result<Proxy, String> {
    let tls = match entry {
        Entry::Tls => format!(
            "tls: {{ certificates: [{{ cert: \"{0}/cert.pem\", key: \"{0}/key.pem\" }}] }}\n",
            stage.dir.display()
        ),
        _ => String::new(),
    };
    let upstream = stage.upstream;
    let services = format!("services:\n  app:\n    instances: [\"{upstream}\"]\n");
    ours(stage, binary, "Plimsoll", &(tls + &services + &routes()))
}

/// With as little as can be configured: one route, one try, no gate that may be left out, no probe, no traces.
pub fn plimsoll_bare(stage: &Stage<'_>, binary: &Path) -> Result<Proxy, String> {
    let upstream = stage.upstream;
    let rest = format!(
        "probes_off: [cgroup, cpu, host, disk, network, memory, connections, waiters]\ntraces: {{ size: 0 }}\n\
         services:\n  app: {{ instances: [\"{upstream}\"], breaker: off, shed: off }}\n\
         routes:\n  product: {{ match: \"GET /api/v1/products/{{id}}\", to: app, compress: off, retry: {{ attempts: 1 }} }}\n"
    );
    ours(stage, binary, "Plimsoll, bare", &rest)
}

/// As people run it, with a cache on the route that is asked for.
/// `cache`: its section.
pub fn plimsoll_cache(stage: &Stage<'_>, binary: &Path, cache: &str) -> Result<Proxy, String> {
    let upstream = stage.upstream;
    let rest = format!(
        "services:\n  app:\n    instances: [\"{upstream}\"]\n\
         routes:\n  product: {{ match: \"GET /api/v1/products/{{id}}\", to: app, cache: {cache} }}\n"
    );
    ours(stage, binary, "Plimsoll", &rest)
}

/// With its own ports and data, and the `rest` of a config.
fn ours(stage: &Stage<'_>, binary: &Path, name: &'static str, rest: &str) -> Result<Proxy, String> {
    let [at, console] = free()?;
    let data = stage.dir.join(format!("data-{}", at.port()));
    let text = format!(
        "listen: {at}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: {}\n{rest}",
        data.display(),
        stage.threads
    );
    let file = stage.write(&format!("plimsoll-{}.yaml", at.port()), &text)?;
    let mut command = stage.on_cores(binary);
    launch(name, at, command.args(["run", "--config"]).arg(file))
}

pub fn launch(name: &'static str, at: SocketAddr, command: &mut Command) -> Result<Proxy, String> {
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

/// Addresses of our own, which nobody else is given while we run.
pub fn free<const N: usize>() -> Result<[SocketAddr; N], String> {
    let all: Vec<SocketAddr> = (0..N)
        .map(|_| ::peers::free_port())
        .collect::<Result<_, _>>()?;
    all.try_into()
        .map_err(|_| "as many as asked for".to_owned())
}
