//! `load` as people run it: a table, JSON, and an exit status for the thresholds.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};

/// Answers every request with two bytes, until the test ends.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    at
}

fn serve(mut stream: TcpStream) {
    let mut seen = Vec::new();
    let mut chunk = [0u8; 4096];
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        seen.extend_from_slice(&chunk[..n]);
        while let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            seen.drain(..end + 4);
            if stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                .is_err()
            {
                return;
            }
        }
    }
}

fn load(args: &[&str]) -> (Output, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .arg("load")
        .args(args)
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    (out, said)
}

#[test]
fn what_holds_exits_0_and_what_does_not_exits_3() {
    let url = format!("http://{}/a/{{1..9}}", server());
    let (out, said) = load(&[
        "--url",
        &url,
        "--rate",
        "100/s",
        "--duration",
        "1s",
        "--errors-below",
        "1%",
    ]);
    assert_eq!(out.status.code(), Some(0), "{said}");
    for part in [
        "open, 100.0/s, Poisson",
        "latency, from the intended time",
        "holds       errors < 1 %: 0.00 %",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
    let (out, said) = load(&[
        "--url",
        &url,
        "--connections",
        "2",
        "--duration",
        "500ms",
        "--rate-above",
        "1000000/s",
        "--json",
    ]);
    assert_eq!(out.status.code(), Some(3), "{said}");
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(json["verdict"]["holds"], false);
    assert!(json["report"]["completed"].as_u64().unwrap() > 0, "{json}");
}

#[test]
fn a_server_that_is_not_there_is_a_missed_threshold_not_a_failure() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{gone}/");
    let (out, said) = load(&[
        "--url",
        &url,
        "--rate",
        "50/s",
        "--duration",
        "500ms",
        "--errors-below",
        "1%",
    ]);
    assert_eq!(out.status.code(), Some(3), "{said}");
    assert!(
        said.contains("MISSED      errors < 1 %: 100.00 %"),
        "{said}"
    );
}

#[test]
fn nobody_there_is_not_a_success_even_when_nothing_was_asked() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{gone}/");
    for how in [
        &["--rate", "50/s", "--duration", "500ms"][..],
        &["--find-limit", "--p99-below", "100ms"],
    ] {
        let (out, said) = load(&[&["--url", &url], how].concat());
        assert_eq!(out.status.code(), Some(3), "{said}");
        assert!(said.contains("nobody accepts connections there"), "{said}");
    }
}

#[test]
fn a_url_can_have_a_method_headers_and_a_body() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/order", listener.local_addr().unwrap());
    let seen = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"}") {
            let mut chunk = [0u8; 4096];
            let n = stream.read(&mut chunk).unwrap();
            seen.extend_from_slice(&chunk[..n]);
        }
        let _ = stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
        String::from_utf8_lossy(&seen).into_owned()
    });
    let (out, said) = load(&[
        "--url",
        &url,
        "--header",
        "content-type: application/json",
        "--body",
        "{\"id\":1}",
        "--rate",
        "1/s",
        "--even",
        "--duration",
        "900ms",
    ]);
    assert_eq!(out.status.code(), Some(0), "{said}");
    let seen = seen.join().unwrap();
    assert!(seen.starts_with("POST /order HTTP/1.1\r\n"), "{seen}");
    assert!(
        seen.contains("content-type: application/json\r\n"),
        "{seen}"
    );
    let (_, said) = load(&["--url", &url, "--rate", "1/s", "--header", "nonsense"]);
    assert!(said.contains("is not a header"), "{said}");
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let (out, said) = load(&["--url", "http://127.0.0.1:1/"]);
    assert!(
        out.status.code() == Some(1) && said.contains("how much load is not said"),
        "{said}"
    );
    let (out, said) = load(&["--url", "http://127.0.0.1:1/", "--rate", "fast"]);
    assert!(
        out.status.code() == Some(2) && said.contains("is not a rate"),
        "{said}"
    );
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("plimsoll.yaml");
    std::fs::write(
        &config,
        "listen: 127.0.0.1:0\nservices:\n  shop:\n    instances: [127.0.0.1:9]\n",
    )
    .unwrap();
    let config = config.to_str().unwrap();
    let (out, said) = load(&["--mix", "peak", "--config", config, "--rate", "1/s"]);
    assert!(
        out.status.code() == Some(1) && said.contains("peak"),
        "{said}"
    );
}
