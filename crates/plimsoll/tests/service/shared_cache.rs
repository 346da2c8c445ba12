//! Two Plimsolls whose caches are one on a Redis: they fill from each other, purges and changes reach both, and without the
//! Redis each goes on with its own.

use crate::stage::{Stage, signal};
use peers::{Redis, there};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Within which a purge or a change is everywhere.
const BOUND: Duration = Duration::from_secs(1);
/// What the two cores of a busy machine may add to a time that is asserted.
const SLACK: Duration = Duration::from_secs(2);

/// Counts how often each path was asked for; the count is the answer.
#[derive(Clone, Default)]
struct Origin(Arc<Mutex<HashMap<String, u64>>>);

impl Origin {
    fn start() -> (Origin, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let origin = Origin::default();
        let here = origin.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let origin = here.clone();
                std::thread::spawn(move || origin.serve(stream));
            }
        });
        (origin, at)
    }

    fn asked(&self, path: &str) -> u64 {
        self.0.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut stream = BufReader::new(stream);
        while let Some((first, fields)) = head(&mut stream) {
            let mut words = first.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let mut all = self.0.lock().unwrap();
            let count = all.entry(path.to_owned()).or_default();
            *count += u64::from(method == "GET");
            let count = *count;
            drop(all);
            let language = fields.get("accept-language").cloned().unwrap_or_default();
            let mut more = "Cache-Control: max-age=600\r\n".to_owned();
            let mut body = count.to_string();
            match path {
                _ if path.starts_with("/vary") => {
                    more += "Vary: Accept-Language\r\n";
                    body = format!("{language} {count}");
                }
                "/large" => body = "x".repeat(300 << 10),
                "/private" => more = "Cache-Control: private, max-age=600\r\n".into(),
                "/cookie" => more += "Set-Cookie: a=b\r\n",
                "/group" => more += "Cache-Groups: \"prices\"\r\n",
                "/short" => more = "Cache-Control: max-age=1\r\nETag: \"same\"\r\n".into(),
                _ => {}
            }
            let answer = match (method, fields.get("if-none-match").map(String::as_str)) {
                ("GET", Some("\"same\"")) => format!("HTTP/1.1 304 x\r\n{more}\r\n"),
                ("GET", _) => format!(
                    "HTTP/1.1 200 OK\r\n{more}Content-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
                _ => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            };
            if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// First line, and fields by name in lower case.
fn head(stream: &mut impl BufRead) -> Option<(String, HashMap<String, String>)> {
    let mut first = String::new();
    stream.read_line(&mut first).ok().filter(|n| *n > 0)?;
    let mut fields = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                fields.insert(name.to_lowercase(), value.trim().to_owned());
            }
            None => return Some((first.trim_end().to_owned(), fields)),
        }
    }
}

struct Said {
    status: u16,
    body: String,
    cache: String,
}

fn ask(at: SocketAddr, method: &str, path: &str, more: &str) -> Said {
    let mut stream = BufReader::new(TcpStream::connect(at).unwrap());
    let patience = Some(Duration::from_secs(20));
    stream.get_ref().set_read_timeout(patience).unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{more}\r\n");
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let (first, fields) = head(&mut stream).unwrap();
    let mut body = String::new();
    stream.read_to_string(&mut body).unwrap();
    Said {
        status: first.split(' ').nth(1).unwrap().parse().unwrap(),
        body,
        cache: fields.get("cache-status").cloned().unwrap_or_default(),
    }
}

impl Said {
    fn is_shared(&self) -> bool {
        self.cache.contains("; hit;") && self.cache.ends_with("detail=shared")
    }
}

fn get(stage: &Stage, path: &str) -> Said {
    let said = ask(stage.listen, "GET", path, "");
    assert_eq!(said.status, 200);
    said
}

fn api(stage: &Stage, target: &str) -> Option<Value> {
    let told = stage.console_get(target)?;
    serde_json::from_str(told.split("\r\n\r\n").nth(1)?).ok()
}

fn level(stage: &Stage) -> Option<Value> {
    Some(api(stage, "/api/v1/cache/shared")?[0].clone())
}

fn number(stage: &Stage, key: &str) -> u64 {
    level(stage).unwrap()[key].as_u64().unwrap()
}

/// Until it is asked, or is not.
fn until_asked(stage: &Stage, asked: bool) {
    let want = |l: &Value| l["wrong"].as_str().is_some_and(|w| w.is_empty() == asked);
    stage.wait("the second level", |s| level(s).filter(want));
}

/// Until it has given so many answers to others.
fn until_given(stage: &Stage, n: u64) {
    stage.wait("answers for others", |s| {
        level(s).filter(|l| l["writes"].as_u64() >= Some(n))
    });
}

/// The time until the node's answer is another one than before.
fn until_anew(stage: &Stage, path: &str, old: &str) -> Duration {
    let begun = Instant::now();
    stage.wait("a new answer", |s| {
        Some(get(s, path)).filter(|said| said.body != old)
    });
    begun.elapsed()
}

fn config(redis: &str, wait: &str) -> String {
    format!(
        "engines: {{ shared: \"{redis}\" }}\nroutes:\n  \
         pages: {{ match: \"GET /{{rest...}}\", to: app, cache: {{ shared: {{ wait: {wait} }} }} }}\n  \
         changes: {{ match: \"POST /{{rest...}}\", to: app }}\n"
    )
}

/// Two that stand in front of the same origin, with what they have together in use.
fn two(redis: &Redis, wait: &str) -> (Origin, [Stage; 2]) {
    let (origin, at) = Origin::start();
    let stages = [(); 2].map(|()| {
        let mut stage = Stage::new("");
        stage.instance = at;
        stage.write(&stage.config(&config(&redis.url(), wait)));
        stage.start();
        until_asked(&stage, true);
        stage
    });
    (origin, stages)
}

#[test]
fn a_node_fills_from_the_other_and_nothing_is_there_that_may_not_be() {
    let Some(redis) = there(Redis::start(&[])) else {
        return;
    };
    // Patient: this is not about time.
    let (origin, [a, mut b]) = two(&redis, "1s");
    assert!(get(&a, "/plain").cache.ends_with("stored"));
    until_given(&a, 1);
    let said = get(&b, "/plain");
    assert!(said.is_shared() && said.body == "1", "{}", said.cache);
    assert!(
        get(&b, "/plain").cache.starts_with("plimsoll; hit"),
        "from its own memory"
    );
    assert_eq!(origin.asked("/plain"), 1);

    let speaking = |s: &Stage, l: &str| {
        ask(
            s.listen,
            "GET",
            "/vary",
            &format!("Accept-Language: {l}\r\n"),
        )
    };
    assert_eq!(speaking(&a, "de").body, "de 1");
    assert_eq!(speaking(&a, "fr").body, "fr 2");
    until_given(&a, 3);
    let said = speaking(&b, "fr");
    assert!(said.is_shared() && said.body == "fr 2", "{}", said.cache);
    assert_eq!(speaking(&b, "de").body, "de 1");
    assert_eq!(speaking(&b, "en").body, "en 3", "nobody has that one");

    // What the other one has confirmed is not confirmed again.
    get(&a, "/short");
    a.wait("its end", |s| {
        let said = get(s, "/short").cache;
        said.contains("fwd-status=304").then_some(())
    });
    until_given(&a, 5);

    get(&a, "/large");
    assert_eq!(number(&a, "too_large"), 1);
    let before = number(&a, "writes");
    for path in ["/private", "/cookie"] {
        assert!(!get(&a, path).cache.contains("stored"));
        assert!(!get(&b, path).cache.contains("hit"));
        assert_eq!(origin.asked(path), 2, "{path}");
    }
    let personal = "Authorization: Basic YTpi\r\n";
    ask(a.listen, "GET", "/mine", personal);
    assert!(!get(&b, "/mine").cache.contains("hit"));
    assert_eq!(number(&a, "writes"), before);
    assert!(get(&b, "/large").cache.contains("fwd=uri-miss"));

    // A node that was started again is warm.
    let pid = b.pid();
    signal(pid, "KILL");
    b.ended(pid);
    b.start();
    until_asked(&b, true);
    let why = b.ask_console(&[
        "cache",
        "why",
        "http://shop/vary",
        "--header",
        "Accept-Language: de",
    ]);
    assert!(why.contains("in the shared engine: 200"), "{why}");
    assert!(get(&b, "/plain").is_shared());
    assert_eq!(origin.asked("/plain"), 1);
    let status = b.ask_console(&["status"]);
    assert!(status.contains("shared      pages: "), "{status}");
    let metrics = b.console_get("/metrics").unwrap();
    assert!(
        metrics.contains("plimsoll_cache_shared_hits_total{route=\"pages\"} 1"),
        "{metrics}"
    );
}

#[test]
fn purges_and_changes_reach_every_node_also_those_that_were_cut_off() {
    let Some(mut redis) = there(Redis::start(&[])) else {
        return;
    };
    let (_, [a, b]) = two(&redis, "1s");
    let both = |path: &str| {
        let stored = || {
            let keys = redis.commands("KEYS *:cached:*").unwrap();
            keys.matches(":cached:").count()
        };
        let before = stored();
        let mine = get(&a, path).body;
        a.wait("it to be there for others", |_| {
            (stored() > before).then_some(())
        });
        assert_eq!(get(&b, path).body, mine);
        mine
    };
    for (path, how) in [
        ("/p?x=1", &["purge", "--prefix", "/p", "--hard"][..]),
        ("/soft", &["purge", "http://shop/soft"]),
        ("/group", &["purge", "--group", "prices"]),
    ] {
        let old = both(path);
        let said = a.ask_console(how);
        assert!(said.contains("other nodes: told"), "{said}");
        // A soft one may be answered from what is stale only where the answer allows it, which these do not.
        let took = until_anew(&b, path, &old);
        assert!(took < BOUND + SLACK, "{path}: {took:?}");
        assert_ne!(get(&a, path).body, old);
    }
    let old = both("/changed");
    assert_eq!(
        ask(a.listen, "POST", "/changed", "Content-Length: 0\r\n").status,
        204
    );
    let took = until_anew(&b, "/changed", &old);
    assert!(took < BOUND + SLACK, "{took:?}");

    // With the engine away each goes on; what was purged meanwhile is purged everywhere when it is back.
    let old = both("/later");
    redis.stop();
    until_asked(&a, false);
    until_asked(&b, false);
    let said = a.ask_console(&["purge", "--prefix", "/later", "--hard"]);
    assert!(said.contains("other nodes: NOT told"), "{said}");
    assert_ne!(get(&a, "/later").body, old);
    assert_eq!(get(&b, "/later").body, old, "cut off, and not told");
    let alone = get(&b, "/alone");
    assert!(
        alone.cache.ends_with("stored; detail=shared-away"),
        "{}",
        alone.cache
    );
    redis.start_again().unwrap();
    until_asked(&b, true);
    let took = until_anew(&b, "/later", &old);
    assert!(took < BOUND + SLACK, "{took:?}");
}

#[test]
fn traffic_goes_on_while_the_engine_stalls_dies_and_comes_back() {
    let Some(mut redis) = there(Redis::start(&[])) else {
        return;
    };
    let (_, stages) = two(&redis, "20ms");
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let clients = stages.each_ref().map(|stage| {
        let (at, stop, asked) = (stage.listen, stop.clone(), asked.clone());
        std::thread::spawn(move || {
            let mut slowest = Duration::ZERO;
            while !stop.load(SeqCst) {
                let n = asked.fetch_add(1, SeqCst);
                let begun = Instant::now();
                assert_eq!(ask(at, "GET", &format!("/{}", n / 3), "").status, 200);
                slowest = slowest.max(begun.elapsed());
            }
            slowest
        })
    });
    let more = |n: u64| {
        let wanted = asked.load(SeqCst) + n;
        stages[0].wait("traffic", |_| (asked.load(SeqCst) >= wanted).then_some(()));
    };
    let away = |asked: bool| stages.iter().for_each(|s| until_asked(s, asked));
    more(100);
    redis.stall(true);
    away(false);
    more(100);
    redis.stall(false);
    away(true);
    more(100);
    redis.stop();
    away(false);
    more(100);
    redis.start_again().unwrap();
    away(true);
    more(100);
    stop.store(true, SeqCst);
    for client in clients {
        let slowest = client.join().unwrap();
        // A stalled engine is given up after a second, by those who wait for it at all.
        assert!(slowest < BOUND + SLACK, "{slowest:?}");
    }
    let [a, b] = stages;
    let mut n = 0;
    b.wait("an answer of the other", |b| {
        // One that was given a look ago.
        n += 1;
        get(&a, &format!("/afterwards/{n}"));
        let said = get(b, &format!("/afterwards/{}", n - 1));
        said.is_shared().then_some(())
    });
}
