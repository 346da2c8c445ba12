//! `plimsoll profile` of a real process under load: which function ran for which route, and for how long each time.

use crate::messages::message;
use crate::stage::{Stage, port};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::hint::black_box;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where the kitchen listens, in its environment.
const AT: &str = "PLIMSOLL_TEST_KITCHEN";
const KNEAD_MS: u64 = 8;
const WHISK_MS: u64 = 2;

fn processor_ns() -> u64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Two ways to be busy: some ten microseconds of it, without a call.
macro_rules! busy {
    ($name:ident, $own:literal) => {
        #[inline(never)]
        fn $name(mut x: u64) -> u64 {
            let mut i = $own;
            while i < 4_000 {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                i += 1;
            }
            x
        }
    };
}
busy!(knead, 1);
busy!(whisk, 2);

/// Processor time, not time: however busy the machine is.
fn work(ms: u64, some: fn(u64) -> u64) {
    let until = processor_ns() + ms * 1_000_000;
    let mut x = 1;
    while processor_ns() < until {
        x = black_box(some(x));
    }
}

/// Works for a request, then waits for something as services do.
fn serve(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let (head, _) = message(&mut stream)?;
        match head.starts_with("GET /bread") {
            true => work(KNEAD_MS, knead),
            false => work(WHISK_MS, whisk),
        }
        std::thread::sleep(Duration::from_millis(10));
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.get_mut().write_all(answer).ok()?;
    }
}

#[test]
#[ignore = "is a service of the test below, in a process of its own"]
fn kitchen() {
    let Ok(at) = std::env::var(AT) else { return };
    let listener = TcpListener::bind(at.parse::<SocketAddr>().unwrap()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    // Ends with whoever began it.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// One after the other, with pauses that differ: what always comes together cannot be told apart.
fn get(at: SocketAddr, path: &str, client: u64, stop: &AtomicBool) {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut x = client;
    while !stop.load(Ordering::Relaxed) {
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (head, _) = message(&mut stream).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(5 + (x >> 59)));
    }
}

/// Ends the clients however the test ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn functions_are_found_under_the_routes_they_run_for() {
    let at = port();
    let mut kitchen = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "profile::kitchen", "--ignored"])
        .env(AT, at.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stage = Stage::new("");
    stage.instance = at;
    let routes = "routes:\n  bread: { match: GET /bread, to: app }\n  cream: { match: '/{rest...}', to: app }";
    stage.write(&stage.config(routes));
    stage.wait("the kitchen", |_| TcpStream::connect(at).ok());
    stage.start();

    let stop = AtomicBool::new(false);
    let (listen, stop_at) = (stage.listen, &stop);
    let out = std::thread::scope(|s| {
        let _stop = Stop(stop_at);
        for (client, path) in (1..).zip(["/bread", "/cream", "/cream"]) {
            s.spawn(move || get(listen, path, client, stop_at));
        }
        let folded = stage.path("folded");
        let file = folded.to_str().unwrap();
        stage.ask(&["profile", "app", "--for", "6s", "--json", "--folded", file])
    });
    drop(kitchen.stdin.take());
    kitchen.wait().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    if errors.contains("does not let this user")
        || errors.contains("not implemented")
        || errors.contains("No such device")
    {
        eprintln!("NOT TESTED: {errors}");
        return;
    }
    assert!(out.status.success(), "{errors}");
    let said: Value = serde_json::from_slice(&out.stdout).unwrap();
    for (route, ms, function) in [("bread", KNEAD_MS, "knead"), ("cream", WHISK_MS, "whisk")] {
        let all = said["routes"].as_array().unwrap();
        let found = all
            .iter()
            .find(|r| r["route"] == route)
            .unwrap_or_else(|| panic!("{said}"));
        let first = &found["functions"][0];
        let name = first["name"].as_str().unwrap();
        assert!(name.ends_with(&format!("profile::{function}")), "{found}");
        assert!(first["own"].as_f64().unwrap() > 0.5, "{found}");
        // The connection is served, too.
        let each = |field: &str| 1000.0 * found[field].as_f64().unwrap();
        let off = each("seconds") - ms as f64;
        let range = -4.0 * each("sd") - 0.1..4.0 * each("sd") + 0.5;
        assert!(range.contains(&off), "{found}");
        assert!(each("sd") < 0.4 * ms as f64, "{found}");
    }
    let folded = std::fs::read_to_string(stage.path("folded")).unwrap();
    let of = |l: &&str| l.starts_with("bread;") && l.contains("profile::knead ");
    assert!(folded.lines().any(|l| of(&l)), "{folded}");
    let kept = stage.ask_console(&["history"]);
    assert!(kept.contains("profile of app"), "{kept}");
}

#[test]
fn what_cannot_be_looked_at_is_said_with_a_way_out() {
    let mut stage = Stage::new("routes: { all: { match: '/{rest...}', to: app } }");
    stage.start();
    let said = stage.ask_console(&["profile", "bakery"]);
    assert!(
        said.contains("there is no service `bakery`") && said.contains("name one of app"),
        "{said}"
    );
    let said = stage.ask_console(&["profile", "app", "--for", "3m"]);
    assert!(said.contains("from 1s to 2m"), "{said}");
    // A service elsewhere, as its address says.
    let pid = stage.pid();
    let said = stage.ask_console(&["profile", "app", "--for", "2m", "--top", "0"]);
    assert!(said.contains("0 is not in 1..=200"), "{said}");
    let config = stage.config("routes: { all: { match: '/{rest...}', to: app } }");
    let elsewhere = config.replace(&stage.instance.to_string(), "192.0.2.1:80");
    stage.reload(pid, &elsewhere);
    let said = stage.ask_console(&["profile", "app", "--for", "1s"]);
    assert!(
        said.contains("192.0.2.1:80") && said.contains("on the host of the service"),
        "{said}"
    );
}
