//! `cargo xtask bench state`: what a session, an idempotency key and an answer from a shared cache cost a request, beside the same route
//! without, in a file of this node, on a NATS JetStream and in a Redis.

use super::console::measure::serve_one_of;
use super::cores::{keep_on, on};
use super::history::resident;
use super::machine::{self, First};
use super::npm;
use super::peers::{self as proxies, Proxy};
use super::stats::{cpu_by_thread, cpu_of, in_turns, spread, used};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Of each turn: one request after another on one connection, then so many at once.
const ALONE: Duration = Duration::from_millis(400);
const TOGETHER: Duration = Duration::from_millis(700);
const CONNECTIONS: usize = 16;
/// What a service remembers of a client, bytes.
const DATA: usize = 200;
const BODY: usize = 1024;
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Writes that tell how fast the disk syncs.
const SYNCS: usize = 50;

/// Answers that are asked for in turn, so many that memory has few of them.
const ANSWERS: u64 = 20_000;
/// Of a hundred, those that have to be in Redis before it is measured, and how often all are asked for until then.
const FILLED: u64 = 97;
const FILLS: usize = 20;

const METHOD: &str = "# What a session, an idempotency key and a shared cache cost a request

```sh
apt-get install redis-server
cargo xtask bench state > bench/state.md   # about five minutes, after a build; nats-server comes from PyPI
```

One Plimsoll with one traffic thread on core 0; clients and a service that answers 1 KiB at once on core 1. Each row is a route with the feature
beside one without, asked the same way with the same bytes. Turns go A B B A; each is 0.4 s of one request after another on one connection (p50, p99), then
0.7 s of 16 connections (CPU of all threads of the process, and of its traffic thread). `more` and `times` are medians of the differences and ratios of
neighbouring turns, with their range. A session has 200 bytes of data; each connection is a client with a session of its own. What is
`durable` waits until the disk, or JetStream (`sync_interval: always`), has it. Redis (`engines.shared`) keeps neither sessions nor keys, but the cache
that several nodes have together: 20 000 answers are asked for in turn, of which 1 MiB are in memory. An `fsync` of this disk may be a lie of the virtual machine.

";

/// A route with something, and how it is asked.
struct Case {
    what: &'static str,
    /// Of the route with it; the same below `/plain` has nothing.
    path: &'static str,
    method: &'static str,
    key: Key,
    /// In the head of each answer that counts.
    says: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    None,
    Fresh,
    /// The same each time: it was done once, and is answered from what is kept.
    Same,
    /// None, but one path after another, so many.
    Paths(u64),
}

const CASES: [Case; 5] = [
    Case {
        what: "a session that the service reads",
        path: "/session/read",
        method: "GET",
        key: Key::None,
        says: "",
    },
    Case {
        what: "a session that it changes each time",
        path: "/session/set",
        method: "GET",
        key: Key::None,
        says: "",
    },
    Case {
        what: "the same, `durable: true`",
        path: "/durable/set",
        method: "GET",
        key: Key::None,
        says: "",
    },
    Case {
        what: "a fresh `Idempotency-Key`",
        path: "/key/once",
        method: "POST",
        key: Key::Fresh,
        says: "",
    },
    Case {
        what: "a key that was used, answered from the store",
        path: "/key/again",
        method: "POST",
        key: Key::Same,
        says: "",
    },
];

const SHARED: [Case; 2] = [
    Case {
        what: "an answer from memory",
        path: "/cache/near/",
        method: "GET",
        key: Key::Paths(CONNECTIONS as u64),
        says: "; hit",
    },
    Case {
        what: "an answer from Redis, which another node gave",
        path: "/cache/far/",
        method: "GET",
        key: Key::Paths(ANSWERS),
        says: "detail=shared",
    },
];

pub fn run(plimsoll: &Path, pairs: usize) -> Result<String, String> {
    let plimsoll = npm::absolute(plimsoll)?;
    let folder = npm::absolute(Path::new("target/state"))?;
    // What an earlier run left; not there is as good.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut out = METHOD.to_owned() + &machine::describe(&plimsoll);
    let _first = First::now();
    super::pypi::want_nats();
    keep_on([1])?;
    let service = serve().map_err(|e| e.to_string())?;
    let _ = writeln!(
        out,
        "A write of 4 KiB is synced in {:.2} ms (median of {SYNCS}).",
        1e3 * synced(&folder).map_err(|e| e.to_string())?
    );
    let embedded = Side::start(&plimsoll, &folder, service, "embedded", "")?;
    embedded.table("embedded (`state.db`)", &CASES, pairs, &mut out)?;
    drop(embedded);
    let nats = peers::Nats::start(peers::NatsOptions {
        jetstream: "sync_interval: always",
        ..peers::NatsOptions::default()
    });
    match nats {
        Ok(nats) => {
            let engines = format!("engines: {{ durable: \"{}\" }}\n", nats.url());
            let side = Side::start(&plimsoll, &folder, service, "nats", &engines)?;
            side.table(
                "NATS JetStream, one server on core 1",
                &CASES,
                pairs,
                &mut out,
            )?;
        }
        Err(why) => {
            let _ = writeln!(out, "\nNATS JetStream was skipped: {why}.");
        }
    }
    match peers::Redis::start(&[["save", ""]]) {
        Ok(redis) => {
            let engines = format!("engines: {{ shared: \"{}\" }}\n", redis.url());
            let side = Side::start(&plimsoll, &folder, service, "redis", &engines)?;
            match side.fill(&SHARED[1]) {
                Ok(()) => side.table("Redis 7, one server on core 1", &SHARED, pairs, &mut out)?,
                Err(why) => {
                    let _ = writeln!(out, "\nThe shared cache was not measured: {why}.");
                }
            }
        }
        Err(why) => {
            let _ = writeln!(out, "\nRedis was skipped: {why}.");
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok(out)
}

/// Seconds of a synced write, in the middle.
fn synced(folder: &Path) -> std::io::Result<f64> {
    let path = folder.join("synced");
    let mut file = File::create(&path)?;
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[0x55; 4096])?;
        file.sync_data()?;
        took.push(begun.elapsed().as_secs_f64());
    }
    std::fs::remove_file(path)?;
    Ok(spread(&took).map_or(f64::NAN, |s| s.median))
}

/// A Plimsoll and the clients that ask it.
struct Side {
    running: Proxy,
    /// The cookies of each client: a session, and a durable one.
    cookies: Vec<String>,
    keys: AtomicU64,
}

/// What was seen in one turn: seconds, and CPU per request in microseconds.
struct Turn {
    p50: f64,
    p99: f64,
    rate: f64,
    all: f64,
    traffic: f64,
    failed: u64,
}

impl Side {
    fn start(
        plimsoll: &Path,
        folder: &Path,
        service: SocketAddr,
        name: &str,
        engines: &str,
    ) -> Result<Side, String> {
        let [listen, console] = proxies::free()?;
        let file = folder.join(format!("{name}.yaml"));
        let text = config(listen, console, service, &folder.join(name), engines);
        std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut run = on(0, plimsoll);
        let run = run.args(["run", "--config"]).arg(&file);
        let mut running = proxies::launch("Plimsoll", console, run)?;
        running.address = listen;
        let mut side = Side {
            running,
            cookies: Vec::new(),
            keys: AtomicU64::new(0),
        };
        for _ in 0..CONNECTIONS {
            let cookies = [side.begin("/session/set")?, side.begin("/durable/set")?];
            side.cookies.push(cookies.join("; "));
        }
        Ok(side)
    }

    /// A session: its cookie. It may take a moment until traffic is served and an engine is connected to.
    fn begin(&self, path: &str) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = format!("GET {path} HTTP/1.1\r\nHost: s\r\n\r\n");
            let asked =
                Client::to(self.running.address).and_then(|mut c| c.ask(request.as_bytes()));
            let said = match asked {
                Ok((_, head)) => head,
                Err(e) => e.to_string(),
            };
            let line = said.lines().find_map(|l| l.strip_prefix("Set-Cookie: "));
            if let Some(line) = line {
                return Ok(line.split(';').next().unwrap_or("").to_owned());
            }
            if Instant::now() > deadline {
                return Err(format!("no session begins at {path}: {said}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks for all answers until nearly all come from Redis: what was dropped from the queue of those that are written is asked for again.
    fn fill(&self, case: &Case) -> Result<(), String> {
        let fail = |e: std::io::Error| format!("{}: {e}", case.path);
        let mut found = 0;
        for _ in 0..FILLS {
            let mut connection = Client::to(self.running.address).map_err(fail)?;
            found = 0;
            for _ in 0..ANSWERS {
                let (_, head) = connection
                    .ask(&self.request(case, false, 0))
                    .map_err(fail)?;
                found += u64::from(head.contains(case.says));
            }
            if found * 100 >= ANSWERS * FILLED {
                return Ok(());
            }
        }
        Err(format!("only {found} of {ANSWERS} answers are in Redis"))
    }

    fn request(&self, case: &Case, plain: bool, client: usize) -> Vec<u8> {
        let mut path = match plain {
            true => format!("/plain{}", case.path),
            false => case.path.to_owned(),
        };
        let key = match case.key {
            Key::None => String::new(),
            Key::Paths(paths) => {
                let n = self.keys.fetch_add(1, Relaxed) % paths;
                path += &n.to_string();
                String::new()
            }
            Key::Fresh => {
                let n = self.keys.fetch_add(1, Relaxed);
                format!("Idempotency-Key: \"8e03978e-40d5-43dd-bc93-{n:012}\"\r\n")
            }
            // Each client has one of its own: who asks while another is answered is told 409.
            Key::Same => format!("Idempotency-Key: \"8e03978e-40d5-43dd-bc93-same-{client}\"\r\n"),
        };
        // An answer to somebody in particular is not kept on a guess.
        let cookie = match (case.key, self.cookies.get(client)) {
            (Key::Paths(_), _) | (_, None) => String::new(),
            (_, Some(cookies)) => format!("Cookie: {cookies}\r\n"),
        };
        let length = match case.method {
            "POST" => "Content-Length: 0\r\n",
            _ => "",
        };
        let method = case.method;
        format!("{method} {path} HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n{cookie}{key}{length}\r\n")
            .into_bytes()
    }

    /// One client until then: how long each answer took, and how many were none that it wanted.
    fn client(
        &self,
        case: &Case,
        plain: bool,
        client: usize,
        until: Instant,
    ) -> std::io::Result<(Vec<f64>, u64)> {
        let mut connection = Client::to(self.running.address)?;
        let (mut took, mut failed) = (Vec::new(), 0);
        while Instant::now() < until {
            let request = self.request(case, plain, client);
            let begun = Instant::now();
            let (status, head) = connection.ask(&request)?;
            took.push(begun.elapsed().as_secs_f64());
            let counts = status == 200 && (plain || head.contains(case.says));
            failed += u64::from(!counts);
        }
        Ok((took, failed))
    }

    fn turn(&self, case: &Case, plain: bool) -> Result<Turn, String> {
        let fail = |e: std::io::Error| format!("{}: {e}", case.path);
        let (mut took, mut failed) = self
            .client(case, plain, 0, Instant::now() + ALONE)
            .map_err(fail)?;
        took.sort_by(f64::total_cmp);
        let at = |share: usize| took.get(took.len() * share / 100).copied();
        let (p50, p99) = (at(50).unwrap_or(f64::NAN), at(99).unwrap_or(f64::NAN));
        let (cpu, begun) = (cpu_by_thread(self.running.pid()), Instant::now());
        let until = begun + TOGETHER;
        let all = std::thread::scope(|s| {
            let clients: Vec<_> = (0..CONNECTIONS)
                .map(|i| s.spawn(move || self.client(case, plain, i, until)))
                .collect();
            let ended = clients.into_iter().map(|c| c.join());
            let ended = ended.map(|c| c.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into())));
            ended.collect::<std::io::Result<Vec<_>>>()
        });
        let all = all.map_err(fail)?;
        let seconds = begun.elapsed().as_secs_f64();
        let threads = used(&cpu, &cpu_by_thread(self.running.pid()));
        let requests: usize = all.iter().map(|c| c.0.len()).sum();
        failed += all.iter().map(|c| c.1).sum::<u64>();
        let per_request = |prefix| 1e6 * cpu_of(&threads, prefix) / requests.max(1) as f64;
        Ok(Turn {
            p50,
            p99,
            rate: requests as f64 / seconds,
            all: per_request(""),
            traffic: per_request("traffic"),
            failed,
        })
    }

    fn table(
        &self,
        engine: &str,
        cases: &[Case],
        pairs: usize,
        out: &mut String,
    ) -> Result<(), String> {
        let _ = writeln!(
            out,
            "\n| {engine} | CPU µs without | more | times | of it traffic thread | p50 ms without | more | p99 ms without | with | requests/s without | with | not as wanted |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|"
        );
        for case in cases {
            // The first of a kind are dearer.
            self.turn(case, false)?;
            let turns = in_turns([true, false], pairs, |plain| self.turn(case, plain))?;
            let one = |f: &dyn Fn(&(Turn, Turn)) -> f64, digits: usize| {
                let s = spread(&turns.iter().map(f).collect::<Vec<_>>());
                s.map_or(String::new(), |s| {
                    let (m, low, high) = (s.median, s.low, s.high);
                    format!("{m:.digits$} ({low:.digits$} to {high:.digits$})")
                })
            };
            let columns = [
                one(&|t| t.0.all, 1),
                one(&|t| t.1.all - t.0.all, 1),
                one(&|t| t.1.all / t.0.all, 2),
                one(&|t| t.1.traffic - t.0.traffic, 1),
                one(&|t| 1e3 * t.0.p50, 3),
                one(&|t| 1e3 * (t.1.p50 - t.0.p50), 3),
                one(&|t| 1e3 * t.0.p99, 2),
                one(&|t| 1e3 * t.1.p99, 2),
                one(&|t| t.0.rate, 0),
                one(&|t| t.1.rate, 0),
            ];
            let failed: u64 = turns.iter().map(|t| t.0.failed + t.1.failed).sum();
            let _ = writeln!(
                out,
                "| {} | {} | {failed} |",
                case.what,
                columns.join(" | ")
            );
        }
        let _ = writeln!(
            out,
            "\nThe process afterwards: {:.1} MiB resident, with {} keys or paths asked for.",
            resident(self.running.pid())? as f64 / f64::from(1 << 20),
            self.keys.load(Relaxed)
        );
        Ok(())
    }
}

fn config(
    listen: SocketAddr,
    console: SocketAddr,
    service: SocketAddr,
    data: &Path,
    engines: &str,
) -> String {
    format!(
        "listen: {listen}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\n{engines}\
         services: {{ app: {{ instances: [\"{service}\"] }} }}\n\
         sessions: {{ shop: {{ idle: 30m }}, kept: {{ cookie: kept, idle: 30m, durable: true }} }}\n\
         routes:\n  plain: {{ match: \"/plain/{{rest...}}\", to: app }}\n  \
         session: {{ match: \"/session/{{rest...}}\", to: app, session: shop }}\n  \
         durable: {{ match: \"/durable/{{rest...}}\", to: app, session: kept }}\n  \
         key: {{ match: \"POST /key/{{rest...}}\", to: app, idempotency: {{ keys: 1000000 }} }}\n{}",
        data.display(),
        match engines.contains("shared:") {
            true => CACHE,
            false => "",
        }
    )
}

/// Answers for which there is room, and those for which there is not.
const CACHE: &str =
    "  near: { match: \"/cache/near/{rest...}\", to: app, cache: { ttl: 1h, shared: true } }
  far: { match: \"/cache/far/{rest...}\", to: app, cache: { ttl: 1h, size: 1MiB, shared: true } }
";

/// A service that answers at once; below `/…/set` it changes the session, too.
fn serve() -> std::io::Result<SocketAddr> {
    let body = "x".repeat(BODY);
    let data = "d".repeat(DATA);
    let answer =
        |more: &str| format!("HTTP/1.1 200 OK\r\n{more}Content-Length: {BODY}\r\n\r\n{body}");
    let set = answer(&format!("Plimsoll-Session-Set: {data}\r\n"));
    serve_one_of([answer(""), set], |head| {
        let line = head.split(|b| *b == b'\r').next().unwrap_or(&[]);
        line.windows(5).any(|w| w == b"/set ")
    })
}

/// One connection of a client.
struct Client {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Client {
    fn to(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            seen: Vec::new(),
        })
    }

    /// Status and head of the answer, once all of it has come.
    fn ask(&mut self, request: &[u8]) -> std::io::Result<(u16, String)> {
        self.stream.write_all(request)?;
        let mut chunk = [0; 4096];
        loop {
            if let Some((status, head, len)) = whole(&self.seen) {
                self.seen.drain(..len);
                return Ok((status, head));
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                n => self.seen.extend_from_slice(&chunk[..n]),
            }
        }
    }
}

/// An answer whose length is told: status, head, and how long it is; `None`: not all of it is there.
fn whole(seen: &[u8]) -> Option<(u16, String, usize)> {
    let end = seen.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&seen[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|l| {
        let (name, value) = l.split_once(':')?;
        let is = name.eq_ignore_ascii_case("content-length");
        is.then(|| value.trim().parse::<usize>().ok())?
    });
    let len = end + length.unwrap_or(0);
    (seen.len() >= len).then_some((status, head, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_all_of_it_is_there() {
        let text = b"HTTP/1.1 409 Conflict\r\ncontent-length: 3\r\n\r\nabc";
        assert_eq!(whole(&text[..text.len() - 1]), None);
        let (status, head, len) = whole(text).unwrap();
        assert_eq!((status, len), (409, text.len()));
        assert!(head.ends_with("\r\n\r\n"));
    }

    #[test]
    fn without_a_proxy_between_a_service_sets_and_answers() {
        let mut client = Client::to(serve().unwrap()).unwrap();
        let mut ask = |path: &str| {
            let request = format!("GET {path} HTTP/1.1\r\nHost: s\r\n\r\n");
            client.ask(request.as_bytes()).unwrap()
        };
        assert!(ask("/durable/set").1.contains("Plimsoll-Session-Set: ddd"));
        let (status, head) = ask("/session/read");
        assert!(status == 200 && !head.contains("Session"), "{head}");
    }
}
