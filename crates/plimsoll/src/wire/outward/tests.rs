//! A cache further out that fails a few times, over a socket.

use super::*;
use config::sections::PurgeCall;
use gateway::request::cache::What;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;

/// Answers with these statuses, one connection each, and keeps what it was asked.
fn outer(statuses: &'static [u16]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let all = asked.clone();
    std::thread::spawn(move || {
        for status in statuses {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            all.lock().unwrap().push(head);
            let answer =
                format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (at, asked)
}

fn outward(at: SocketAddr) -> Outward {
    let mut config = Config::empty();
    config.purge_hook = Some(PurgeHook {
        address: Some(PurgeCall {
            method: "PURGE".into(),
            url: format!("http://{at}{{path}}"),
        }),
        headers: vec![
            ("Host".into(), "{host}".into()),
            ("x-by".into(), "plimsoll".into()),
        ],
        attempts: 3,
        on_change: true,
        ..PurgeHook::default()
    });
    let tally = Tally::of(&gateway::Kept::default(), "purge_hook", "all", NAMES);
    Outward::start(Arc::new(ArcSwap::from_pointee(config)), tally).unwrap()
}

fn purge(path: &str) -> Purge {
    Purge {
        what: What::Url(path.into()),
        host: Some("shop.example".into()),
        hard: false,
    }
}

#[test]
fn it_is_tried_again_until_it_is_taken() {
    let (at, asked) = outer(&[503, 500, 204]);
    let outward = outward(at);
    let told = outward.pass_on(&purge("/a?b")).unwrap();
    assert_eq!(
        (&told["state"], &told["status"], &told["tries"]),
        (&json!("done"), &json!(204), &json!(3))
    );
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(
        asked[2].starts_with("PURGE /a?b HTTP/1.1\r\n"),
        "{}",
        asked[2]
    );
    assert!(
        asked[2].to_lowercase().contains("host: shop.example\r\n"),
        "{}",
        asked[2]
    );
    assert_eq!(outward.tally.get(PASSED_ON), 1);
}

#[test]
fn what_is_refused_is_told_at_once_and_what_never_works_in_the_end() {
    let (at, asked) = outer(&[403]);
    let refused = outward(at).pass_on(&purge("/a")).unwrap();
    assert_eq!(
        (&refused["state"], &refused["tries"]),
        (&json!("failed"), &json!(1))
    );
    assert_eq!(refused["why"], "it answered 403");
    assert_eq!(asked.lock().unwrap().len(), 1);
    // Nobody listens there any more.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let outward = outward(nobody);
    let failed = outward.pass_on(&purge("/a")).unwrap();
    assert_eq!(
        (&failed["state"], &failed["tries"]),
        (&json!("failed"), &json!(3)),
        "{failed}"
    );
    assert_eq!(outward.tally.get(FAILED), 1);
}
