//! Clients that hurt: heads that never end, bodies that never come, connections that are reset or silent, events that nobody
//! reads; beside good ones.

use super::Stage;
use super::clients::{Class, Patience, Phase, drive, quantile_ms, run as clients};
use super::contenders::{Contender, Measured, each, haproxy, nginx, plimsoll};
use super::origin::{ENDLESS, Origin, Plan, Work};
use super::page::Section;
use crate::peers::Proxy;
use crate::stats::memory_kib;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Of each kind.
const CROWD: usize = 1000;
/// Who ask for events and never read: the system holds megabytes for each until it is let go.
const READERS: usize = 100;
/// A byte in this time.
const DRIP: Duration = Duration::from_millis(500);
const TIME: Duration = Duration::from_secs(15);
const RATE: f64 = 100.0;
const LEAST: f64 = 0.999;
/// MiB that the proxy may grow by.
const MOST: f64 = 64.0;

const STORY: &str = "1000 clients send a head at two bytes per second, 1000 send a head and never the body that it promises, and 1000 times a connection is reset in the
middle of a request; 1000 connect and say nothing, and 100 ask for an event stream without end and read nothing of it; 100/s good requests beside them,
15 s. Heads must come within 5 s, and what nobody takes is given up after 5 s. Target: 99.9 % of the good requests succeed, the proxy grows by less
than 64 MiB, and nothing of this is still open at the end, nor does the service still send. A peer that vanishes without a word (no end, no reset) cannot be
made over loopback without rights: the kernel answers for it. What is nearest are the connections that say nothing and the readers that take nothing.";

const COLUMNS: &[&str] = &[
    "good requests",
    "their p99",
    "grows by",
    "slow heads still open",
    "bodies still open",
    "silent still open",
    "readers still served",
];

const CONTENDERS: [Contender; 3] = [
    Contender {
        name: "Plimsoll",
        how: "`limits: { head_timeout: 5s, body_timeout: 5s, idle: 5s }`",
        start: |s, i| {
            let limits = "limits: { head_timeout: 5s, body_timeout: 5s, idle: 5s }\n";
            plimsoll(s, i, "", limits).map(|o| o.proxy)
        },
    },
    Contender {
        name: "HAProxy",
        how: "`timeout http-request 5s`, `timeout client 5s`, `option http-buffer-request`",
        start: |s, i| {
            let front =
                "  timeout http-request 5s\n  timeout client 5s\n  option http-buffer-request\n";
            haproxy(s, i, front, "", "")
        },
    },
    Contender {
        name: "nginx",
        how: "`client_header_timeout 5s`, `client_body_timeout 5s`, `send_timeout 5s`, `proxy_buffering off`",
        start: |s, i| {
            nginx(
                s,
                i,
                "client_header_timeout 5s; client_body_timeout 5s; send_timeout 5s;",
                "",
                "proxy_buffering off;",
            )
        },
    },
];

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let plan = Plan {
        notices: true,
        ..Plan::new(2, 1000, vec![Work::of("/", Duration::from_millis(10))])
    };
    let section = Section::new(STORY, COLUMNS);
    each(stage, section, &CONTENDERS, &plan, measure)
}

fn measure(origin: &Origin, proxy: &Proxy) -> Result<Measured, String> {
    let good = |time| {
        let class = Class {
            path: "/item/{}",
            headers: "",
        };
        let phase = Phase {
            time,
            rates: vec![RATE],
        };
        let patience = Patience::once(Duration::from_secs(2));
        drive(proxy.address, &[class], &[phase], patience)
    };
    good(Duration::from_secs(2))?;
    let before = memory_kib(proxy.pid());
    let address = proxy.address;
    let late = Instant::now() + TIME - Duration::from_secs(1);
    let bad = std::thread::spawn(move || clients(attack(address)));
    let done = good(TIME)?;
    let grown = (memory_kib(proxy.pid()) - before) / 1024.0;
    let [heads, bodies, silent] = bad.join().map_err(|_| "the attack ended early")??;
    let seen = origin.seen();
    let streams = seen.iter().filter(|s| s.path.starts_with(ENDLESS));
    // They leave by themselves at the end.
    let readers = streams
        .filter(|s| s.left.is_none_or(|at| at > late))
        .count();
    let share = done.iter().filter(|d| d.status == 200).count() as f64 / done.len() as f64;
    let cells = vec![
        format!("{:.2} %", 100.0 * share),
        format!("{:.1} ms", quantile_ms(&done, 0.99)),
        format!("{grown:.1} MiB"),
        heads.to_string(),
        bodies.to_string(),
        silent.to_string(),
        readers.to_string(),
    ];
    Ok((
        cells,
        Some(share >= LEAST && grown < MOST && heads + bodies + silent + readers == 0),
    ))
}

/// How many slow heads, missing bodies and silent connections are still borne at the end.
async fn attack(proxy: SocketAddr) -> [usize; 3] {
    let end = Instant::now() + TIME;
    let (mut heads, mut bodies, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..CROWD {
        heads.push(tokio::task::spawn_local(slow_head(proxy, end)));
        bodies.push(tokio::task::spawn_local(no_body(proxy, end)));
        silent.push(tokio::task::spawn_local(says_nothing(proxy, end)));
        if i % (CROWD / READERS) == 0 {
            tokio::task::spawn_local(reads_nothing(proxy, end));
        }
        let _ = reset(proxy).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut open = [0; 3];
    for (open, tasks) in open.iter_mut().zip([heads, bodies, silent]) {
        for t in tasks {
            *open += usize::from(t.await.is_ok_and(|still| still));
        }
    }
    open
}

async fn says_nothing(proxy: SocketAddr, end: Instant) -> bool {
    let Ok(mut stream) = TcpStream::connect(proxy).await else {
        return false;
    };
    !closed(&mut stream, end.saturating_duration_since(Instant::now())).await
}

/// Whether it was let go, the service knows: to see it from here it would have to read.
async fn reads_nothing(proxy: SocketAddr, end: Instant) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(proxy).await?;
    let ask = format!("GET {ENDLESS} HTTP/1.1\r\nHost: scenario.test\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    tokio::time::sleep(end.saturating_duration_since(Instant::now())).await;
    Ok(())
}

/// Whether the connection is still open at the end.
async fn slow_head(proxy: SocketAddr, end: Instant) -> bool {
    let Ok(mut stream) = TcpStream::connect(proxy).await else {
        return false;
    };
    let head = b"GET /item/1 HTTP/1.1\r\nHost: scenario.test\r\nX-Slow: ".iter();
    for byte in head.chain(std::iter::repeat(&b'x')) {
        if Instant::now() >= end {
            return true;
        }
        if stream.write_all(&[*byte]).await.is_err() || closed(&mut stream, DRIP).await {
            return false;
        }
    }
    false
}

async fn no_body(proxy: SocketAddr, end: Instant) -> bool {
    let Ok(mut stream) = TcpStream::connect(proxy).await else {
        return false;
    };
    let head = b"POST /item/1 HTTP/1.1\r\nHost: scenario.test\r\nContent-Length: 100000\r\n\r\nx";
    if stream.write_all(head).await.is_err() {
        return false;
    }
    !closed(&mut stream, end.saturating_duration_since(Instant::now())).await
}

/// Whether the peer closes within this time.
async fn closed(stream: &mut TcpStream, within: Duration) -> bool {
    let mut answer = [0; 4096];
    let until_closed = async { while let Ok(1..) = stream.read(&mut answer).await {} };
    tokio::time::timeout(within, until_closed).await.is_ok()
}

/// Half a request, and a reset instead of the rest.
async fn reset(proxy: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(proxy).await?;
    stream
        .write_all(b"GET /item/1 HTTP/1.1\r\nHost: scen")
        .await?;
    stream.set_zero_linger()
}
