//! Idempotency keys in the real binary: kill -9 while the service is at work leaves a claim, and nothing is done twice.

use crate::stage::{Stage, signal};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Answers what asks for `/now`, and takes the rest without an answer; writes down all bodies that it gets.
fn service() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let got = Arc::<Mutex<Vec<String>>>::default();
    let all = got.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let all = all.clone();
            std::thread::spawn(move || serve(stream, &all));
        }
    });
    (at, got)
}

fn serve(stream: TcpStream, got: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (head, body) = message(&mut stream)?;
        got.lock().unwrap().push(body.clone());
        if head.starts_with("POST /now") {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.get_mut().write_all(answer.as_bytes()).ok()?;
        }
    }
}

fn message(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

fn send(at: SocketAddr, path: &str, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nIdempotency-Key: \"{key}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{key}",
        key.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn ask(at: SocketAddr, path: &str, key: &str) -> (String, String) {
    message(&mut BufReader::new(send(at, path, key))).expect("an answer")
}

#[test]
fn kill_9_with_a_claim_outstanding_does_nothing_twice() {
    let (at, got) = service();
    let mut stage = Stage::new("");
    stage.instance = at;
    let routes = "routes:\n  now: { match: POST /now, to: app, idempotency: true }\n  never: { match: POST /never, to: app, \
                  idempotency: true }\n  safe: { match: POST /safe, to: app, idempotency: { replay: safe } }";
    stage.write(&stage.config(routes));
    let pid = stage.start();
    let at = stage.listen;
    let (head, body) = ask(at, "/now", "done");
    assert!(head.starts_with("HTTP/1.1 200") && body == "done", "{head}");
    // The service has them, and nothing has come back.
    let _open = [send(at, "/never", "lost"), send(at, "/safe", "again")];
    let count = |what: &str| got.lock().unwrap().iter().filter(|b| *b == what).count();
    stage.wait("both at the service", |_| {
        (count("lost") == 1 && count("again") == 1).then_some(())
    });
    signal(pid, "KILL");
    stage.ended(pid);
    stage.start();
    let (head, body) = ask(at, "/never", "lost");
    assert!(head.starts_with("HTTP/1.1 409"), "{head}");
    assert!(
        head.contains("application/problem+json") && body.contains("idempotency-unknown"),
        "{body}"
    );
    let _again = send(at, "/safe", "again");
    stage.wait("the safe one once more", |_| {
        (count("again") == 2).then_some(())
    });
    let (head, body) = ask(at, "/now", "done");
    assert!(
        head.to_lowercase().contains("idempotency-replayed: true") && body == "done",
        "{head}"
    );
    assert_eq!([count("lost"), count("done")], [1, 1]);
    // The backup has them.
    let said = stage.ask(&["backup", "--to", "copy"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("state.db"));
}
