//! `state.db` in the real binary: kill -9 while the service is at work leaves a claim, and nothing is done twice; what services
//! keep by the state API is theirs, changes by its conditions, and outlives kill -9.

use crate::messages::{message, service};
use crate::stage::{Stage, port, signal};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;

/// Answers what asks for `/now`, and takes the rest without an answer; writes down all bodies that it gets.
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

pub fn send(at: SocketAddr, path: &str, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nIdempotency-Key: \"{key}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{key}",
        key.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

pub fn ask(at: SocketAddr, path: &str, key: &str) -> (String, String) {
    message(&mut BufReader::new(send(at, path, key))).expect("an answer")
}

#[test]
fn kill_9_with_a_claim_outstanding_does_nothing_twice() {
    let (at, got) = service(serve);
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

/// One request to the state API: status, ETag, head and body.
pub fn state(
    at: SocketAddr,
    request: &str,
    lines: &str,
    body: &str,
) -> (u16, String, String, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer secret\r\nConnection: close\r\nContent-Length: {}\r\n{lines}\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let etag = head.lines().find_map(|l| l.strip_prefix("etag: "));
    (
        status,
        etag.unwrap_or("").into(),
        head.to_owned(),
        body.to_owned(),
    )
}

#[test]
fn services_keep_values_by_key() {
    let at = port();
    let mut stage = Stage::new("");
    std::fs::write(stage.path("token"), "secret").unwrap();
    let config = format!(
        "state:\n  listen: {at}\n  token: {{ file: token }}\n  stores:\n    carts: {{ size: 100B, ttl: 1h }}\n    locks: \
         {{ first_write_wins: true }}\n    few: {{ keys: 1, durable: false }}"
    );
    stage.write(&stage.config(&config));
    let pid = stage.start();
    let status = |request: &str, lines: &str, body: &str| state(at, request, lines, body).0;
    // What is there changes by its ETag.
    assert_eq!(status("GET /v1/state/carts/a", "", ""), 404);
    let (put, one, ..) = state(
        at,
        "PUT /v1/state/carts/a",
        "Content-Type: text/plain\r\n",
        "one",
    );
    assert!(put == 204 && !one.is_empty());
    let (got, etag, head, body) = state(at, "GET /v1/state/carts/a", "", "");
    assert_eq!(
        (got, etag.as_str(), body.as_str()),
        (200, one.as_str(), "one")
    );
    assert!(
        head.contains("content-type: text/plain") && head.contains("plimsoll-ttl: 3600"),
        "{head}"
    );
    assert_eq!(
        status(
            "GET /v1/state/carts/a",
            &format!("If-None-Match: {one}\r\n"),
            ""
        ),
        304
    );
    let matches = format!("If-Match: {one}\r\n");
    assert_eq!(status("PUT /v1/state/carts/a", &matches, "two"), 204);
    let (stale, now, ..) = state(at, "PUT /v1/state/carts/a", &matches, "three");
    assert!(stale == 412 && !now.is_empty() && now != one);
    assert_eq!(
        status("PUT /v1/state/carts/a", "If-None-Match: *\r\n", "x"),
        412
    );
    assert_eq!(status("DELETE /v1/state/carts/a", &matches, ""), 412);
    assert_eq!(
        status(
            "DELETE /v1/state/carts/a",
            &format!("If-Match: {now}\r\n"),
            ""
        ),
        204
    );
    assert_eq!(status("DELETE /v1/state/carts/a", "", ""), 404);
    assert_eq!(status("PUT /v1/state/carts/a", "If-Match: *\r\n", "x"), 412);
    // The first write wins, and bounds hold.
    assert_eq!(status("PUT /v1/state/locks/l", "", "mine"), 204);
    assert_eq!(status("PUT /v1/state/locks/l", "", "yours"), 412);
    assert_eq!(status("PUT /v1/state/carts/b", "", &"x".repeat(101)), 413);
    assert_eq!(status("PUT /v1/state/few/a", "", "1"), 204);
    assert_eq!(status("PUT /v1/state/few/b", "", "1"), 507);
    assert_eq!(status("PUT /v1/state/few/a", "", "2"), 204);
    assert_eq!(status("PUT /v1/state/none/a", "", ""), 404);
    assert_eq!(status("POST /v1/state/carts/a", "", ""), 405);
    assert_eq!(
        status("PUT /v1/state/carts/a", "Plimsoll-TTL: soon\r\n", ""),
        400
    );
    let other = "GET /v1/state/carts/a HTTP/1.1\r\nHost: s\r\nConnection: close\r\nAuthorization: Bearer wrong\r\n\r\n";
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(other.as_bytes()).unwrap();
    let refused = message(&mut BufReader::new(stream)).unwrap();
    assert!(refused.0.starts_with("HTTP/1.1 401"), "{}", refused.0);
    // A value ends at its time.
    assert_eq!(
        status("PUT /v1/state/carts/short", "Plimsoll-TTL: 1\r\n", "x"),
        204
    );
    stage.wait("its end", |_| {
        (status("GET /v1/state/carts/short", "", "") == 404).then_some(())
    });
    // Whoever counts by compare-and-set loses nothing, and a kill -9 takes nothing back.
    assert_eq!(status("PUT /v1/state/carts/n", "", "0"), 204);
    let counters: Vec<_> = (0..3)
        .map(|_| {
            std::thread::spawn(move || {
                let mut done = 0;
                while done < 20 {
                    let (_, etag, _, n) = state(at, "GET /v1/state/carts/n", "", "");
                    let next = (n.parse::<u32>().unwrap() + 1).to_string();
                    match state(
                        at,
                        "PUT /v1/state/carts/n",
                        &format!("If-Match: {etag}\r\n"),
                        &next,
                    )
                    .0
                    {
                        204 => done += 1,
                        other => assert_eq!(other, 412),
                    }
                }
            })
        })
        .collect();
    // The doctor looks through the files meanwhile.
    let said = stage.ask(&["doctor", "--json"]).stdout;
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    let stores = said["checks"].as_array().unwrap().iter();
    let stores: Vec<_> = (stores.filter(|c| c["about"] == "store"))
        .map(|c| (&c["grade"], c["text"].as_str().unwrap()))
        .collect();
    assert!(stores.iter().all(|(grade, _)| *grade == "good"), "{said}");
    let whole = |(_, text): &(_, &str)| text.contains("state.db: is whole");
    assert!(stores.len() > 1 && stores.iter().any(whole), "{said}");
    counters.into_iter().for_each(|c| c.join().unwrap());
    signal(pid, "KILL");
    stage.ended(pid);
    stage.start();
    assert_eq!(state(at, "GET /v1/state/carts/n", "", "").3, "60");
}
