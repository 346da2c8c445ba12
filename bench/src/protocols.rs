//! `cargo xtask bench protocols`: what a request over HTTP/2 and over TLS costs, beside HAProxy and nginx, on one core.

use super::cores;
use super::machine::{self, First};
use super::peers::{self, Entry, Proxy, Stage};
use super::proxy::{STARTS, range, times, verdict};
use super::stats::{cpu_by_thread, cpu_of, in_turns, used};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// How fast is asked, and with how many requests in a turn.
const LOADS: [Load; 2] = [
    Load {
        name: "saturated",
        per_second: None,
        requests: 60_000,
    },
    Load {
        name: "8000/s",
        per_second: Some(8000),
        requests: 16_000,
    },
];
const ANSWER: usize = 1024;

const METHOD: &str = "# What HTTP/2 and TLS cost, beside HAProxy and nginx

```sh
apt-get install haproxy nginx nghttp2-client openssl
cargo xtask bench protocols --pairs 6 > bench/protocols.md   # about six minutes, after a build with fat LTO
```

Each proxy has one thread and core 0. The client is h2load with one thread, the upstream nginx, which answers 1 KiB over
HTTP/1.1; they share core 1. A turn is 60000 requests (16000 where they are paced), the opening of its connections counted; turns go A B B A; a ratio is the
median of the ratios of neighbouring turns; each proxy is started three times. CPU is that of every thread of the process. The certificate is of P-256, the cipher
`TLS_AES_128_GCM_SHA256`. Everything else is as in [proxy.md](proxy.md): Plimsoll matches one of 200 routes, measures and learns.

Where HTTP/2's time goes (`perf record`, without TLS): half in the kernel, 7.3 µs of 14.4 where HAProxy has 6.5 of 11.4, with as many
system calls; 15 % in the library's state of streams and HPACK; about 6 % in writing each stream as HTTP/1 and reading it again (ADR 61).
Tasks that are used again for the next stream changed nothing that could be measured. Another allocator (mimalloc 0.1.52) makes HTTP/2
4 to 6 % cheaper and nothing else, and the process 38 MiB larger: it is not used.

";

struct Load {
    name: &'static str,
    /// None: as many as are answered, which is what the targets are for.
    per_second: Option<u32>,
    requests: u32,
}

/// One way to ask.
struct Way {
    name: &'static str,
    what: &'static str,
    entry: Entry,
    connections: u32,
    h2load: &'static [&'static str],
    /// Most CPU, of HAProxy's, where there is a target.
    target: Option<f64>,
}

const WAYS: [Way; 3] = [
    Way {
        name: "HTTP/2",
        what: "8 connections of 8 streams, no TLS",
        entry: Entry::Http2,
        connections: 8,
        h2load: &["-m8"],
        target: Some(1.15),
    },
    Way {
        name: "HTTP/1.1 over TLS",
        what: "64 keep-alive connections",
        entry: Entry::Tls,
        connections: 64,
        h2load: &["--h1", "-m1"],
        target: Some(0.95),
    },
    Way {
        name: "HTTP/2 over TLS",
        what: "8 connections of 8 streams",
        entry: Entry::Tls,
        connections: 8,
        h2load: &["-m8"],
        target: None,
    },
];

pub fn run(plimsoll: &Path, pairs: usize) -> Result<String, String> {
    let mut out = METHOD.to_owned() + &machine::describe(plimsoll);
    let _first = First::now();
    let dir = machine::folder()?;
    certificate(dir.path())?;
    measure(plimsoll, dir.path(), pairs, &mut out)?;
    Ok(out)
}

type Start = fn(&Stage<'_>, Entry) -> Result<Proxy, String>;

/// What one turn gave: CPU µs per request, of everything and of the traffic threads; cores used.
#[derive(Clone, Copy)]
struct Turn {
    all: f64,
    path: f64,
    busy: f64,
}

fn measure(plimsoll: &Path, dir: &Path, pairs: usize, out: &mut String) -> Result<(), String> {
    let upstream = origin(dir)?;
    let stage = Stage::one_core(upstream.address, dir);
    let _ = writeln!(
        out,
        "\n| requests | load | peer | CPU, peer = 1 | peer µs | Plimsoll µs | of it traffic thread | cores busy: peer, Plimsoll |\n|---|---|---|---|---|---|---|---|"
    );
    let mut verdicts = String::new();
    for way in &WAYS {
        let starts: [(&str, Start, _); 2] = [
            ("HAProxy", peers::haproxy, way.target),
            ("nginx", peers::nginx, None),
        ];
        for (peer, start, target) in starts {
            let mut measured: [Vec<(Turn, Turn)>; LOADS.len()] = Default::default();
            for _ in 0..STARTS {
                let theirs = start(&stage, way.entry)?;
                let ours = peers::plimsoll(&stage, plimsoll, way.entry)?;
                for (load, turns) in LOADS.iter().zip(&mut measured) {
                    let pairs = pairs.div_ceil(STARTS);
                    turns.extend(in_turns([&theirs, &ours], pairs, |p| turn(p, way, load))?);
                }
            }
            for (load, turns) in LOADS.iter().zip(measured) {
                let _ = writeln!(
                    out,
                    "| {}, {} | {} | {peer} | {} | {} | {} | {} | {}, {} |",
                    way.name,
                    way.what,
                    load.name,
                    range(&turns, 2, |(a, b)| b.all / a.all),
                    range(&turns, 1, |(a, _)| a.all),
                    range(&turns, 1, |(_, b)| b.all),
                    range(&turns, 1, |(_, b)| b.path),
                    range(&turns, 2, |(a, _)| a.busy),
                    range(&turns, 2, |(_, b)| b.busy),
                );
                if let (Some(target), None) = (target, load.per_second) {
                    let what = format!("CPU of HAProxy, {}, saturated", way.name);
                    verdicts += &verdict(&what, times(&turns, |t| t.all), target);
                }
            }
        }
    }
    *out += &verdicts;
    Ok(())
}

fn turn(proxy: &Proxy, way: &Way, load: &Load) -> Result<Turn, String> {
    let scheme = match way.entry {
        Entry::Tls => "https",
        Entry::Http1 | Entry::Http2 => "http",
    };
    let mut command = cores::on(1, "h2load");
    let (n, c) = (load.requests, way.connections);
    command.args(["-t1", &format!("-n{n}"), &format!("-c{c}")]);
    if let Some(rate) = load.per_second {
        // Of each connection.
        command.arg(format!("--rps={}", rate / c));
    }
    command.args(["--tls13-ciphers=TLS_AES_128_GCM_SHA256"]);
    command.args(way.h2load);
    command.arg(format!("{scheme}://{}/api/v1/products/17", proxy.address));
    let (before, began) = (cpu_by_thread(proxy.pid()), Instant::now());
    let said = command.output().map_err(|e| {
        format!("h2load does not start: {e} (Debian: apt-get install nghttp2-client)")
    })?;
    let (after, took) = (cpu_by_thread(proxy.pid()), began.elapsed().as_secs_f64());
    let text = String::from_utf8_lossy(&said.stdout);
    if !text.contains(&format!("status codes: {n} 2xx")) {
        return Err(format!(
            "{}: not every request was answered:\n{text}",
            proxy.name
        ));
    }
    let used = used(&before, &after);
    let each = |seconds: f64| seconds * 1e6 / f64::from(n);
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
    let file = dir.join("origin.conf");
    std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    peers::launch("origin", at, cores::on(1, "nginx").arg("-c").arg(file))
}
