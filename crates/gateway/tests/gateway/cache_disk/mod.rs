//! The cache's second tier, over sockets: the same answers from disk as from memory, across restarts and a kill -9.

mod broken;
mod changes;
mod killed;
mod tiers;

use crate::common::*;
use config::sections::{Cache, CacheDisk};
use gateway::DiskGauge;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Bodies by which others are pushed out of memory.
const FILLER: usize = 4096;
/// Memory for about fourteen of them.
const MEMORY: u64 = 64 << 10;

/// A service that answers by path, and counts what it is asked.
struct Service {
    upstream: Upstream,
    asked: Arc<AtomicUsize>,
}

impl Service {
    fn new(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Service {
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = asked.clone();
        let upstream = Upstream::http(move |head, _| {
            if head.contains(" /fill/") {
                let body = "x".repeat(FILLER);
                return message("200 OK", "Cache-Control: max-age=600\r\n", &body);
            }
            seen.fetch_add(1, SeqCst);
            answer(head)
        });
        Service { upstream, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

fn message(status: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = match status.starts_with("304") {
        true => String::new(),
        false => format!("Content-Length: {}\r\n", body.len()),
    };
    format!("HTTP/1.1 {status}\r\n{length}{fields}\r\n{body}").into_bytes()
}

fn with_disk(instance: SocketAddr, dir: &Path) -> config::Config {
    let mut c = config(&[instance]);
    c.routes[0].cache = Some(Cache {
        size: MEMORY,
        max_body: 16 << 10,
        disk: Some(CacheDisk {
            path: dir.to_owned(),
            size: 16 << 20,
        }),
        ..Cache::default()
    });
    c
}

/// A gateway whose disk is open.
fn start(instance: SocketAddr, dir: &Path) -> Running {
    let running = Running::of(generation(1, with_disk(instance, dir)), 1);
    until("the disk", || !gauge(&running).opening);
    running
}

fn gauge(running: &Running) -> DiskGauge {
    running.gateway.disks().remove(0)
}

/// Asks for so much else, and so often, that memory holds nothing of before.
fn push_out(client: &mut Client) {
    static ROUND: Mutex<usize> = Mutex::new(0);
    let round = {
        let mut round = ROUND.lock().unwrap();
        *round += 1;
        *round
    };
    for i in 0..80 {
        for _ in 0..3 {
            assert_eq!(client.get(&format!("/fill/{round}/{i}")).status, 200);
        }
    }
}

/// Has `path` stored, asked for again, and written to disk.
fn on_disk(running: &Running, client: &mut Client, path: &str) {
    assert_eq!(client.get(path).status, 200);
    assert!(
        said(&client.get(path)).contains("hit"),
        "{path} is not stored"
    );
    push_out(client);
    settled(running);
}

/// Nothing is on its way to the disk any more.
fn settled(running: &Running) {
    running.gateway.purge(&gateway::request::cache::Purge {
        what: gateway::request::cache::What::Url("/none".into()),
        host: None,
        hard: true,
    });
}

fn said(answer: &Answer) -> String {
    answer.header("cache-status").unwrap_or("").to_owned()
}

fn ask(client: &mut Client, method: &str, path: &str, fields: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: t\r\n{fields}\r\n");
    client
        .send(head)
        .try_answer(method != "HEAD")
        .expect("an answer")
}
