//! Two Plimsolls whose sessions are in one Redis: what began at one goes on at the other, and without the Redis nobody is logged out.

use crate::messages::{message, service, session};
use crate::stage::{Stage, signal};
use peers::{Redis, there};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;

/// Tells what it is told of the session; `/set/X` makes X of it, `/end` ends it.
fn serve(stream: TcpStream, _: &Mutex<Vec<()>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (head, _) = message(&mut stream)?;
        let path = head.split(' ').nth(1)?;
        let more = match (path.strip_prefix("/set/"), path) {
            (Some(data), _) => format!("Plimsoll-Session-Set: {data}\r\n"),
            (None, "/end") => "Plimsoll-Session-End: 1\r\n".into(),
            _ => String::new(),
        };
        let told = session(&head);
        let length = told.len();
        let answer = format!("HTTP/1.1 200 OK\r\n{more}Content-Length: {length}\r\n\r\n{told}");
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

/// Keeps what it is told to.
#[derive(Default)]
struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// What the service was told.
    fn get(&mut self, at: SocketAddr, path: &str) -> String {
        let cookies: Vec<String> = (self.cookies.iter())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookie = match cookies.is_empty() {
            true => String::new(),
            false => format!("Cookie: {}\r\n", cookies.join("; ")),
        };
        let text = format!("GET {path} HTTP/1.1\r\nHost: t\r\n{cookie}Connection: close\r\n\r\n");
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let (head, body) = message(&mut BufReader::new(stream)).expect("an answer");
        for line in head.lines() {
            let Some((name, value)) = line.split_once(": ") else {
                continue;
            };
            if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) = value.split(';').next().unwrap().split_once('=')
            {
                self.cookies.retain(|(n, _)| n != name);
                self.cookies.push((name.into(), value.into()));
            }
        }
        body
    }
}

/// A session can begin there.
fn begins(stage: &Stage) -> Option<()> {
    let mut anybody = Browser::default();
    anybody.get(stage.listen, "/set/x");
    (!anybody.cookies.is_empty()).then_some(())
}

#[test]
fn a_session_on_a_redis_is_one_at_all_nodes_and_without_it_nobody_is_logged_out() {
    let Some(mut redis) = there(Redis::start(&[])) else {
        return;
    };
    let (at, _) = service(serve);
    let mut stages = [0, 1].map(|_| {
        let mut stage = Stage::new("");
        stage.instance = at;
        std::fs::write(stage.path("secret"), "c".repeat(40)).unwrap();
        let config = format!(
            "engines: {{ shared: '{}' }}\n\
             sessions: {{ shop: {{ idle: 30m, shared: true, secret: {{ file: secret }} }} }}\n\
             routes: {{ shop: {{ match: '/{{rest...}}', to: app, session: shop }} }}\n",
            redis.url()
        );
        stage.write(&stage.config(&config));
        stage
    });
    let pids = stages.each_mut().map(Stage::start);
    let [a, b] = [stages[0].listen, stages[1].listen];
    for s in &stages {
        s.wait("the engine", begins);
    }
    let mut ann = Browser::default();
    ann.get(a, "/set/one");
    assert_eq!(ann.get(b, "/"), "live one");
    ann.get(b, "/set/two");
    assert_eq!(ann.get(a, "/"), "live two");
    // No file of a node has any of it.
    assert!(!stages[0].path("data/state.db").exists());

    // The client's own copy stands in, and nothing of its cookies is taken away.
    redis.stop();
    for s in &stages {
        let had = ann.cookies.clone();
        assert_eq!(ann.get(s.listen, "/"), "read-only two");
        assert_eq!(ann.cookies, had);
    }
    redis.start_again().unwrap();
    // This one had nothing on disk: it knows nobody, and sessions begin anew.
    for s in &stages {
        s.wait("the engine", begins);
    }
    assert_eq!(ann.get(a, "/"), "none none");
    let mut ben = Browser::default();
    ben.get(a, "/set/three");
    assert_eq!(ben.get(b, "/"), "live three");
    ben.get(b, "/end");
    assert_eq!(ben.get(a, "/"), "none none");
    for (stage, pid) in stages.iter_mut().zip(pids) {
        signal(pid, "TERM");
        stage.ended(pid);
    }
}
