//! Clients leave before their answer: does the service hear of it?

use super::Stage;
use super::clients::{random, run as clients};
use super::contenders::{Contender, Measured, each, haproxy, nginx, plimsoll};
use super::envoy;
use super::origin::{Origin, Plan, Work};
use super::page::Section;
use crate::peers::Proxy;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const CLIENTS: usize = 400;
const TAKES: Duration = Duration::from_secs(2);
/// A client leaves about so long after it has asked.
const LEAVES: Duration = Duration::from_millis(200);
const MOST: Duration = Duration::from_millis(100);

const STORY: &str = "400 clients, one each 10 ms, ask for what takes 2 s and leave after about 200 ms. Target: the service sees at least 99 % of them leave, half of
them within 100 ms.";

const COLUMNS: &[&str] = &[
    "seen to leave",
    "median until seen",
    "slowest",
    "work saved",
];

const CONTENDERS: [Contender; 4] = [
    Contender {
        name: "Plimsoll",
        how: "defaults",
        start: |s, i| plimsoll(s, i, "", "").map(|o| o.proxy),
    },
    Contender {
        name: envoy::NAME,
        how: "defaults",
        start: |s, i| envoy::start(s, i, "", envoy::ALL, ""),
    },
    Contender {
        name: "HAProxy",
        how: "`option abortonclose`",
        start: |s, i| haproxy(s, i, "", "  option abortonclose\n", ""),
    },
    Contender {
        name: "nginx",
        how: "defaults",
        start: |s, i| nginx(s, i, "", "", ""),
    },
];

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let plan = Plan {
        notices: true,
        ..Plan::new(1, CLIENTS, vec![Work::of("/", TAKES)])
    };
    let section = Section::new(STORY, COLUMNS);
    each(stage, section, &CONTENDERS, &plan, measure)
}

fn measure(origin: &Origin, proxy: &Proxy) -> Result<Measured, String> {
    let left = clients(async {
        let mut tasks = Vec::new();
        for n in 0..CLIENTS {
            let (proxy, stay) = (proxy.address, LEAVES.mul_f64(0.5 + random(n as u64)));
            tasks.push(tokio::task::spawn_local(leave(proxy, n, stay)));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut left = Vec::new();
        for t in tasks {
            left.push(t.await.ok().and_then(Result::ok));
        }
        left
    })?;
    std::thread::sleep(TAKES);
    let seen = origin.seen();
    let mut delays = Vec::new();
    let mut worked = Duration::ZERO;
    for s in &seen {
        let n = s
            .path
            .rsplit('/')
            .next()
            .and_then(|n| n.parse::<usize>().ok());
        let client = n.and_then(|n| left.get(n).copied().flatten());
        match (s.left, client) {
            (Some(seen), Some(client)) => {
                delays.push(seen.saturating_duration_since(client));
                worked += seen.saturating_duration_since(s.came);
            }
            _ => worked += TAKES,
        }
    }
    delays.sort();
    let share = delays.len() as f64 / CLIENTS as f64;
    let ms = |d: Option<&Duration>| {
        d.map_or("–".into(), |d| format!("{:.1} ms", d.as_secs_f64() * 1e3))
    };
    let median = delays.get(delays.len() / 2);
    let saved = 1.0 - worked.as_secs_f64() / (TAKES.as_secs_f64() * CLIENTS as f64);
    let cells = vec![
        format!("{:.1} %", 100.0 * share),
        ms(median),
        ms(delays.last()),
        format!("{:.0} %", 100.0 * saved),
    ];
    Ok((
        cells,
        Some(share >= 0.99 && median.is_some_and(|d| *d <= MOST)),
    ))
}

/// Asks, stays for a while, and says when it left.
async fn leave(proxy: std::net::SocketAddr, n: usize, stay: Duration) -> std::io::Result<Instant> {
    let mut stream = TcpStream::connect(proxy).await?;
    let request = format!("GET /item/{n} HTTP/1.1\r\nHost: scenario.test\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    tokio::time::sleep(stay).await;
    drop(stream);
    Ok(Instant::now())
}
