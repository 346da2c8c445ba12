//! `cargo xtask bench protocols`: what a request over HTTP/2 and over TLS costs, beside HAProxy and nginx, on one core.

use super::cores;
use super::machine::{self, First};
use super::peers::{self, Proxy};
use super::proxy::range;
use super::stats::{cpu_by_thread, cpu_of, spread, used};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Requests of a turn.
const REQUESTS: u32 = 60_000;
const ANSWER: usize = 1024;

const METHOD: &str = "# What HTTP/2 and TLS cost, beside HAProxy and nginx

```sh
apt-get install haproxy nginx nghttp2-client openssl
cargo xtask bench protocols --pairs 6 > bench/protocols.md   # about two minutes, after a build with fat LTO
```

Each proxy has one thread and core 0. The client is h2load with one thread, the upstream nginx, which answers 1 KiB over
HTTP/1.1; they share core 1. A turn is 60000 requests, the opening of its connections counted; turns go A B B A; a ratio is the
median of the ratios of neighbouring turns. CPU is that of every thread of the process. The certificate is of P-256, the cipher
`TLS_AES_128_GCM_SHA256`. Everything else is as in [proxy.md](proxy.md): Plimsoll matches one of 200 routes, measures and learns.

";

/// One way to ask.
struct Way {
    name: &'static str,
    what: &'static str,
    tls: bool,
    h2load: &'static [&'static str],
    /// Most CPU, of HAProxy's, where there is a target.
    target: Option<f64>,
}

const WAYS: [Way; 3] = [
    Way {
        name: "HTTP/2",
        what: "8 connections of 8 streams, no TLS",
        tls: false,
        h2load: &["-c8", "-m8"],
        target: Some(1.15),
    },
    Way {
        name: "HTTP/1.1 over TLS",
        what: "64 keep-alive connections",
        tls: true,
        h2load: &["--h1", "-c64", "-m1"],
        target: Some(0.95),
    },
    Way {
        name: "HTTP/2 over TLS",
        what: "8 connections of 8 streams",
        tls: true,
        h2load: &["-c8", "-m8"],
        target: None,
    },
];

pub fn run(plimsoll: &Path, pairs: usize) -> Result<String, String> {
    let mut out = METHOD.to_owned() + &machine::describe(plimsoll);
    let _first = First::now();
    let dir = std::env::temp_dir().join(format!("plimsoll-protocols-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let done = certificate(&dir).and_then(|()| measure(plimsoll, &dir, pairs, &mut out));
    let _ = std::fs::remove_dir_all(&dir);
    done.map(|()| out)
}

/// What one turn gave: CPU µs per request, of everything and of the traffic threads; cores used.
#[derive(Clone, Copy)]
struct Turn {
    all: f64,
    path: f64,
    busy: f64,
}

fn measure(plimsoll: &Path, dir: &Path, pairs: usize, out: &mut String) -> Result<(), String> {
    let upstream = origin(dir)?;
    let _ = writeln!(
        out,
        "\n| requests | peer | CPU, peer = 1 | peer µs | Plimsoll µs | of it traffic thread | cores busy: peer, Plimsoll |\n|---|---|---|---|---|---|---|"
    );
    let mut verdicts = String::new();
    for way in &WAYS {
        let ours = proxy_plimsoll(dir, plimsoll, upstream.address, way.tls)?;
        let theirs = [
            proxy_haproxy(dir, upstream.address, way.tls)?,
            proxy_nginx(dir, upstream.address, way.tls)?,
        ];
        for peer in &theirs {
            let turns = paired([peer, &ours], way, pairs)?;
            let _ = writeln!(
                out,
                "| {}, {} | {} | {} | {} | {} | {} | {}, {} |",
                way.name,
                way.what,
                peer.name,
                range(&turns, 2, |(a, b)| b.all / a.all),
                range(&turns, 1, |(a, _)| a.all),
                range(&turns, 1, |(_, b)| b.all),
                range(&turns, 1, |(_, b)| b.path),
                range(&turns, 2, |(a, _)| a.busy),
                range(&turns, 2, |(_, b)| b.busy),
            );
            if let (Some(target), "HAProxy") = (way.target, peer.name) {
                verdicts += &verdict(way.name, target, &turns);
            }
        }
    }
    *out += &verdicts;
    Ok(())
}

fn verdict(name: &str, target: f64, turns: &[(Turn, Turn)]) -> String {
    let ratios: Vec<f64> = turns.iter().map(|(a, b)| b.all / a.all).collect();
    let measured = spread(&ratios).map_or(f64::NAN, |s| s.median);
    let word = match measured <= target {
        true => "Met",
        false => "Missed",
    };
    format!(
        "\nTarget for {name}: at most {target:.2} of HAProxy's CPU. **{word}**: {measured:.2}.\n"
    )
}

/// Turns in the order A B B A, so that drift within the four cancels.
fn paired([a, b]: [&Proxy; 2], way: &Way, pairs: usize) -> Result<Vec<(Turn, Turn)>, String> {
    let mut all = Vec::new();
    while all.len() < pairs {
        let a1 = turn(a, way)?;
        let b1 = turn(b, way)?;
        let b2 = turn(b, way)?;
        let a2 = turn(a, way)?;
        all.extend([(a1, b1), (a2, b2)]);
    }
    Ok(all)
}

fn turn(proxy: &Proxy, way: &Way) -> Result<Turn, String> {
    let scheme = if way.tls { "https" } else { "http" };
    let mut command = cores::on(1, "h2load");
    command.args(["-t1", &format!("-n{REQUESTS}")]);
    command.args(["--tls13-ciphers=TLS_AES_128_GCM_SHA256"]);
    command.args(way.h2load);
    command.arg(format!("{scheme}://{}/api/v1/products/17", proxy.address));
    let (before, began) = (cpu_by_thread(proxy.pid()), Instant::now());
    let said = command.output().map_err(|e| {
        format!("h2load does not start: {e} (Debian: apt-get install nghttp2-client)")
    })?;
    let (after, took) = (cpu_by_thread(proxy.pid()), began.elapsed().as_secs_f64());
    let text = String::from_utf8_lossy(&said.stdout);
    if !text.contains(&format!("status codes: {REQUESTS} 2xx")) {
        return Err(format!(
            "{}: not every request was answered:\n{text}",
            proxy.name
        ));
    }
    let used = used(&before, &after);
    let each = |seconds: f64| seconds * 1e6 / f64::from(REQUESTS);
    Ok(Turn {
        all: each(cpu_of(&used, "")),
        path: each(cpu_of(&used, "traffic")),
        busy: cpu_of(&used, "") / took,
    })
}

fn certificate(dir: &Path) -> Result<(), String> {
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
    ]);
    command.args(["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext"]);
    command.args([
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]);
    let made = command
        .current_dir(dir)
        .output()
        .map_err(|e| format!("openssl does not start: {e}"))?;
    if !made.status.success() {
        return Err(format!(
            "openssl made no certificate: {}",
            String::from_utf8_lossy(&made.stderr)
        ));
    }
    // HAProxy wants both in one file.
    let read = |name| std::fs::read_to_string(dir.join(name)).map_err(|e| e.to_string());
    std::fs::write(dir.join("both.pem"), read("cert.pem")? + &read("key.pem")?)
        .map_err(|e| e.to_string())
}

fn write(dir: &Path, name: &str, text: &str) -> Result<std::path::PathBuf, String> {
    let file = dir.join(name);
    std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(file)
}

/// nginx that answers by itself, on the client's core.
fn origin(dir: &Path) -> Result<Proxy, String> {
    let [at] = peers::free()?;
    let text = format!(
        "worker_processes 1; daemon off; pid {0}/origin.pid; error_log stderr crit;\nevents {{ worker_connections 4000; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; tcp_nodelay on;\n\
         server {{ listen {at}; location / {{ default_type text/plain; return 200 \"{1}\"; }} }} }}\n",
        dir.display(),
        "x".repeat(ANSWER),
    );
    let file = write(dir, "origin.conf", &text)?;
    peers::launch("origin", at, cores::on(1, "nginx").arg("-c").arg(file))
}

fn proxy_haproxy(dir: &Path, upstream: SocketAddr, tls: bool) -> Result<Proxy, String> {
    let [at] = peers::free()?;
    let bind = match tls {
        true => format!(
            "bind {at} ssl crt {}/both.pem alpn h2,http/1.1",
            dir.display()
        ),
        false => format!("bind {at} proto h2"),
    };
    let text = format!(
        "global\n  nbthread 1\n  maxconn 8000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         option forwardfor\n  http-reuse safe\nfrontend f\n  {bind}\n  default_backend b\nbackend b\n  server s1 {upstream}\n"
    );
    let file = write(dir, &format!("haproxy-{}.cfg", at.port()), &text)?;
    peers::launch(
        "HAProxy",
        at,
        cores::on(0, "haproxy").args(["-db", "-f"]).arg(file),
    )
}

fn proxy_nginx(dir: &Path, upstream: SocketAddr, tls: bool) -> Result<Proxy, String> {
    let [at] = peers::free()?;
    let place = dir.display();
    let (listen, keys) = match tls {
        true => (
            "ssl http2",
            format!(
                "ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;"
            ),
        ),
        false => ("http2", String::new()),
    };
    let text = format!(
        "worker_processes 1; daemon off; pid {place}/nginx-{}.pid; error_log stderr crit;\nevents {{ worker_connections 4000; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; tcp_nodelay on; {keys}\n \
         upstream u {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}\n \
         server {{ listen {at} {listen}; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}\n",
        at.port()
    );
    let file = write(dir, &format!("nginx-{}.conf", at.port()), &text)?;
    peers::launch("nginx", at, cores::on(0, "nginx").arg("-c").arg(file))
}

fn proxy_plimsoll(
    dir: &Path,
    binary: &Path,
    upstream: SocketAddr,
    tls: bool,
) -> Result<Proxy, String> {
    let [at, console] = peers::free()?;
    let mut text = format!(
        "listen: {at}\nconsole: {console}\ndata_dir: \"{}/data-{}\"\nthreads: 1\n{}services:\n  app:\n    instances: [\"{upstream}\"]\n",
        dir.display(),
        at.port(),
        match tls {
            true => format!(
                "tls: {{ certificates: [{{ cert: \"{0}/cert.pem\", key: \"{0}/key.pem\" }}] }}\n",
                dir.display()
            ),
            false => String::new(),
        },
    );
    text += &peers::routes();
    let file = write(dir, &format!("plimsoll-{}.yaml", at.port()), &text)?;
    peers::launch(
        "Plimsoll",
        at,
        cores::on(0, binary).args(["run", "--config"]).arg(file),
    )
}
