//! Unix sockets on both sides: who connects by one, and instances that listen at one.

use crate::common::*;
use config::sections::{AccessLog, LogTo, ProxyProtocol};
use config::{Address, Config};
use gateway::Options;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Answers what comes at `path` with the head of the request, until the process ends.
fn echo(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                while let Some(head) = head(&mut stream) {
                    if stream.write_all(&ok(head.as_bytes())).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

fn head(stream: &mut UnixStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Head and body of the answer.
fn ask(stream: &mut UnixStream, request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let head = head(stream).unwrap();
    let length = header(&head, "content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

const GET: &str = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";

struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        echo(&folder.path().join("app"));
        Stage { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Clients come by the socket `front`, and an instance is at the socket `app`.
    fn config(&self) -> Config {
        let mut config = config(&[]);
        config.listen = Address::Unix(self.path("front"));
        config.services[0].sockets = vec![self.path("app")];
        config
    }
}

#[test]
fn requests_pass_from_socket_to_socket_and_nobody_is_named_who_has_no_address() {
    let stage = Stage::new();
    let mut config = stage.config();
    config.access_log = Some(AccessLog {
        to: LogTo::File(stage.path("log")),
        ..AccessLog::default()
    });
    let running = Running::of(generation(1, config), 3);
    let mut all: Vec<_> = (0..6).map(|_| connect(&stage.path("front"))).collect();
    for client in &mut all {
        for _ in 0..2 {
            let (head, body) = ask(client, GET);
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            assert!(!body.contains("X-Forwarded-For"), "{body}");
            assert!(body.contains("X-Forwarded-Proto: http\r\n"), "{body}");
        }
    }
    let loads = running.gateway.gauges().connections;
    assert_eq!(loads, [2, 2, 2], "every thread takes its share");
    // What a proxy in front has said stays.
    let said = "GET / HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
    let (_, body) = ask(&mut all[0], said);
    assert!(body.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{body}");
    let log = || std::fs::read_to_string(stage.path("log")).unwrap_or_default();
    until("the lines", || log().lines().count() == 13);
    assert!(!log().contains("client.address"), "{}", log());
    let instance = format!("s/unix:{}", stage.path("app").display());
    assert!(log().contains(&instance), "{}", log());
    assert_eq!(running.gateway.gauges().pools[0].name, instance);
}

#[test]
fn the_file_is_there_as_long_as_somebody_listens() {
    let stage = Stage::new();
    let front = stage.path("front");
    let running = Running::of(generation(1, stage.config()), 2);
    let taken = gateway::Gateway::start(
        generation(1, stage.config()),
        base::Names::default(),
        base::clock::Clock::start(),
        Options::default(),
    );
    let why = taken.err().unwrap().to_string();
    assert!(
        why.contains("unix:") && why.contains("another process"),
        "{why}"
    );

    // Handed over: the same sockets go on, and the file stays.
    let next = Options {
        inherited: running.gateway.sockets().unwrap(),
        ..Options::default()
    };
    let next = Running::options(generation(1, stage.config()), next);
    let mut old = connect(&front);
    ask(&mut old, GET);
    drop(old);
    running.gateway.hand_over(Duration::ZERO, || true);
    assert!(front.exists());
    ask(&mut connect(&front), GET);
    next.gateway.shutdown();
    assert!(!front.exists());

    // Of the service manager: it stays at the end, too.
    let socket = UnixListener::bind(&front).unwrap();
    let managed = Options {
        inherited: vec![socket.into()],
        keep_file: true,
        ..Options::default()
    };
    let managed = Running::options(generation(1, stage.config()), managed);
    ask(&mut connect(&front), GET);
    managed.gateway.shutdown();
    assert!(front.exists());
}

#[test]
fn a_socket_that_nobody_listens_on_is_avoided_until_somebody_does() {
    let stage = Stage::new();
    let mut config = stage.config();
    config.listen = ([127, 0, 0, 1], 0).into();
    config.services[0].sockets.push(stage.path("late"));
    config.services[0].health.path = Some("/health".into());
    config.services[0].health.interval = Duration::from_millis(50);
    let running = Running::looking(config, 1);
    let usable = || {
        let pools = running.gateway.gauges().pools;
        pools.iter().map(|p| p.usable).collect::<Vec<_>>()
    };
    let mut client = running.client();
    for _ in 0..20 {
        let answer = client.get("/");
        assert_eq!(
            answer.status,
            200,
            "it is tried at the other: {}",
            answer.text()
        );
    }
    until("the check to fail", || usable() == [true, false]);
    echo(&stage.path("late"));
    until("the check to pass", || usable() == [true, true]);
    drop(running);
}

#[test]
fn a_balancer_at_the_socket_says_who_its_client_is() {
    let stage = Stage::new();
    let mut config = stage.config();
    config.proxy_protocol = Some(ProxyProtocol {
        from: Vec::new(),
        unix: true,
    });
    let running = Running::of(generation(1, config), 1);
    let mut client = connect(&stage.path("front"));
    let header = "PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n";
    let (_, body) = ask(&mut client, &format!("{header}{GET}"));
    assert!(body.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{body}");
    let mut silent = connect(&stage.path("front"));
    silent.write_all(GET.as_bytes()).unwrap();
    assert_eq!(head(&mut silent), None);
    drop(running);
}
