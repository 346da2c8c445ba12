//! What the cache asks the instance, and what it answers with what it has, through sockets.

use crate::common::*;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// An instance that answers by what it is asked, and what it was asked.
fn cached(
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> (Upstream, Running, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    let upstream = Upstream::http(move |head, _| {
        seen.lock().unwrap().push(head.to_owned());
        answer(head)
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].cache = Some(Default::default());
    c.routes[0].retry.attempts = 1;
    let running = Running::of(generation(1, c), 1);
    (upstream, running, heads)
}

fn message(status: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = match status.starts_with("304") {
        true => String::new(),
        false => format!("Content-Length: {}\r\n", body.len()),
    };
    format!("HTTP/1.1 {status}\r\n{length}{fields}\r\n{body}").into_bytes()
}

/// Stored, and to be confirmed by every request.
const OLD: &str = "Cache-Control: max-age=0\r\nETag: \"1\"\r\nX-Kept: a\r\nX-New: old\r\n";

fn ask(client: &mut Client, fields: &str) -> Answer {
    let request = format!("GET /p HTTP/1.1\r\nHost: t\r\n{fields}\r\n");
    client.send(request).answer()
}

#[test]
fn what_is_not_fresh_is_confirmed_by_the_instance_on_one_connection() {
    let (upstream, mut running, heads) = cached(|head| match header(head, "if-none-match") {
        Some("\"1\"") => message("304 Not Modified", "X-New: new\r\n", ""),
        _ => message("200 OK", OLD, "hello"),
    });
    let mut client = running.client();
    assert_eq!(ask(&mut client, "").text(), "hello");
    let a = ask(&mut client, "");
    assert_eq!((a.status, a.text().as_str()), (200, "hello"));
    assert_eq!(
        (a.header("x-kept"), a.header("x-new")),
        (Some("a"), Some("new"))
    );
    assert!(
        a.header("cache-status")
            .unwrap()
            .starts_with("plimsoll; fwd=stale; fwd-status=304")
    );
    // The client's conditions are judged by what is stored.
    let a = ask(&mut client, "If-None-Match: \"0\", \"1\"\r\n");
    assert_eq!((a.status, a.header("etag")), (304, Some("\"1\"")));
    let a = ask(&mut client, "If-None-Match: \"0\"\r\n");
    assert_eq!((a.status, a.text().as_str()), (200, "hello"));
    let a = ask(&mut client, "Range: bytes=1-3\r\n");
    assert_eq!((a.status, a.text().as_str()), (206, "ell"));
    assert_eq!(a.header("content-range"), Some("bytes 1-3/5"));
    assert_eq!(heads.lock().unwrap().len(), 5);
    assert_eq!(
        upstream.connections.load(SeqCst),
        1,
        "a 304 leaves its connection whole"
    );
    let samples = running.samples(10);
    assert!(samples.iter().all(|s| s.outcome == base::Outcome::Done));
}

#[test]
fn another_version_takes_the_place_of_the_stored_one() {
    let changed = Arc::new(AtomicBool::new(false));
    let now = changed.clone();
    let (_upstream, running, _) = cached(move |head| {
        let new = now.load(SeqCst);
        match (new, header(head, "if-none-match")) {
            (false, _) => message("200 OK", OLD, "one"),
            (true, Some("\"2\"")) => message("304 Not Modified", "", ""),
            (true, _) => message(
                "200 OK",
                "Cache-Control: max-age=60\r\nETag: \"2\"\r\n",
                "two",
            ),
        }
    });
    let mut client = running.client();
    assert_eq!(ask(&mut client, "").text(), "one");
    changed.store(true, SeqCst);
    let a = ask(&mut client, "");
    assert_eq!(a.text(), "two");
    let said = a.header("cache-status").unwrap();
    assert!(
        said.starts_with("plimsoll; fwd=stale; fwd-status=200; ttl="),
        "{said}"
    );
    assert!(
        ask(&mut client, "")
            .header("cache-status")
            .unwrap()
            .starts_with("plimsoll; hit")
    );
    let a = ask(&mut client, "Cache-Control: no-cache\r\n");
    let said = a.header("cache-status").unwrap();
    assert!(
        said.starts_with("plimsoll; fwd=request; fwd-status=304"),
        "{said}"
    );
}

#[test]
fn a_refresh_behind_the_client_is_conditional_too() {
    let fields = "Cache-Control: max-age=0, stale-while-revalidate=60\r\nETag: \"1\"\r\n";
    let (_upstream, running, heads) = cached(move |head| match header(head, "if-none-match") {
        Some(_) => message("304 Not Modified", "Cache-Control: max-age=60\r\n", ""),
        None => message("200 OK", fields, "hello"),
    });
    let mut client = running.client();
    assert_eq!(ask(&mut client, "").text(), "hello");
    let a = ask(&mut client, "Range: bytes=0-0\r\nIf-None-Match: \"0\"\r\n");
    assert_eq!(
        (a.status, a.text().as_str()),
        (206, "h"),
        "the old one at once"
    );
    until("the fetch", || heads.lock().unwrap().len() == 2);
    let head = heads.lock().unwrap()[1].clone();
    assert_eq!(header(&head, "if-none-match"), Some("\"1\""));
    assert_eq!(header(&head, "range"), None, "all of it is fetched");
    until("the confirmed one", || {
        let a = ask(
            &mut client,
            "Cache-Control: only-if-cached, min-fresh=1\r\n",
        );
        a.status == 200
    });
}

#[test]
fn parts_of_one_version_become_the_whole() {
    let (_upstream, running, heads) = cached(|head| {
        let part = |range: &str, body: &str| {
            let fields = format!(
                "Cache-Control: max-age=60\r\nETag: \"1\"\r\nContent-Range: bytes {range}\r\n"
            );
            message("206 Partial Content", &fields, body)
        };
        match header(head, "range") {
            Some("bytes=0-2") => part("0-2/6", "abc"),
            Some("bytes=2-") => part("2-5/6", "cdef"),
            _ => message("500 Internal Server Error", "", ""),
        }
    });
    let mut client = running.client();
    assert_eq!(ask(&mut client, "Range: bytes=0-2\r\n").text(), "abc");
    let a = ask(&mut client, "Range: bytes=1-1\r\n");
    assert_eq!((a.status, a.text().as_str()), (206, "b"));
    assert_eq!(ask(&mut client, "Range: bytes=2-\r\n").text(), "cdef");
    let a = ask(&mut client, "");
    assert_eq!((a.status, a.text().as_str()), (200, "abcdef"));
    assert_eq!(a.header("content-range"), None);
    let a = ask(&mut client, "Range: bytes=6-\r\n");
    assert_eq!(
        (a.status, a.header("content-range")),
        (416, Some("bytes */6"))
    );
    assert_eq!(heads.lock().unwrap().len(), 2);
}

#[test]
fn an_answer_stands_in_for_an_error_when_it_says_so() {
    let broken = Arc::new(AtomicBool::new(false));
    let now = broken.clone();
    let (_upstream, running, _) = cached(move |_| match now.load(SeqCst) {
        true => message("503 Service Unavailable", "", "bad"),
        false => message(
            "200 OK",
            "Cache-Control: max-age=0, stale-if-error=60\r\n",
            "good",
        ),
    });
    let mut client = running.client();
    assert_eq!(ask(&mut client, "").text(), "good");
    broken.store(true, SeqCst);
    let a = ask(&mut client, "");
    assert_eq!((a.status, a.text().as_str()), (200, "good"));
    assert!(
        a.header("cache-status")
            .unwrap()
            .ends_with("detail=stale-if-error")
    );
    // One that says nothing does not, and the instance's own words pass.
    let a = client.get("/other");
    assert_eq!((a.status, a.text().as_str()), (503, "bad"));
}

#[test]
fn a_change_reaches_its_groups_and_the_addresses_it_names() {
    let (_upstream, running, heads) = cached(|head| match head.starts_with("POST") {
        true => message(
            "200 OK",
            "Cache-Group-Invalidation: \"cart\"\r\nLocation: /named\r\n",
            "",
        ),
        false => message(
            "200 OK",
            "Cache-Control: max-age=60\r\nCache-Groups: \"cart\", \"b\"\r\n",
            "x",
        ),
    });
    let mut client = running.client();
    let mut hit = |path: &str| {
        let a = client.get(path);
        a.header("cache-status").unwrap().contains("hit")
    };
    assert!(!hit("/a") && !hit("/named") && hit("/a") && hit("/named"));
    let post = "POST /elsewhere HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n";
    let a = running.client().send(post).answer();
    assert_eq!(a.header("cache-status"), Some("plimsoll; fwd=method"));
    assert!(!hit("/a") && !hit("/named"));
    assert_eq!(heads.lock().unwrap().len(), 5);
}

#[test]
fn a_change_is_of_the_same_host_in_capitals() {
    let (_upstream, running, _) =
        cached(|_| message("200 OK", "Cache-Control: max-age=60\r\n", "x"));
    let mut client = running.client();
    let mut hit = |host: &str| {
        client.send(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let a = client.answer();
        a.header("cache-status").unwrap().contains("hit")
    };
    assert!(!hit("shop.example") && hit("Shop.Example"));
    let post = "POST /a HTTP/1.1\r\nHost: SHOP.example\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(running.client().send(post).answer().status, 200);
    assert!(!hit("shop.example") && hit("Shop.Example"));
}

#[test]
fn what_head_tells_is_believed() {
    let (_upstream, running, _) = cached(|head| {
        match head.starts_with("HEAD") {
        true => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nCache-Control: max-age=60\r\nETag: \"1\"\r\n\r\n".to_vec(),
        false => message("200 OK", OLD, "hello"),
    }
    });
    let mut client = running.client();
    assert_eq!(ask(&mut client, "").text(), "hello");
    client.send("HEAD /p HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(client.try_answer(false).unwrap().status, 200);
    let a = ask(&mut client, "");
    assert!(
        a.header("cache-status").unwrap().contains("hit"),
        "{}",
        a.head
    );
    assert_eq!(
        (a.text().as_str(), a.header("x-kept")),
        ("hello", Some("a"))
    );
}

#[test]
fn a_purge_reaches_the_stored_answers_and_why_tells_what_is_there() {
    use gateway::request::cache::{Purge, What};
    let fields = "Cache-Control: max-age=60, stale-while-revalidate=9\r\nVary: Accept\r\nCache-Groups: \"g\"\r\n";
    let (_upstream, running, heads) = cached(move |head| match head.starts_with("GET /no") {
        true => message("200 OK", "Cache-Control: no-store\r\n", "x"),
        false => message("200 OK", fields, "x"),
    });
    let gateway = &running.gateway;
    let why = |target: &str| gateway.why("GET", target, &[("Host", "t"), ("Accept", "b")]);
    assert_eq!(why("/p").verdict, "miss: nothing is stored under this key");
    let mut client = running.client();
    client
        .send("GET /p HTTP/1.1\r\nHost: t\r\nAccept: a\r\n\r\n")
        .answer();
    assert!(
        why("/p")
            .verdict
            .starts_with("miss: what is stored is for requests with other fields")
    );
    let told = &why("/p").variants[0];
    let vary = ("accept".to_owned(), "a".to_owned(), "b".to_owned());
    assert_eq!(
        (told.lifetime, &told.vary[0], told.fits),
        (60, &vary, false)
    );
    client
        .send("GET /p HTTP/1.1\r\nHost: t\r\nAccept: b\r\n\r\n")
        .answer();
    assert!(why("/p").verdict.starts_with("hit: "));
    client.get("/no");
    assert_eq!(
        why("/no").verdict,
        "miss: the last answer was not stored (directive)"
    );
    let purge = |what, hard| {
        gateway.purge(&Purge {
            what,
            host: None,
            hard,
        })
    };
    assert_eq!(purge(What::Group("g".into()), false), 2);
    assert!(
        why("/p")
            .verdict
            .starts_with("hit, and fetched anew behind it")
    );
    assert!(why("/p").variants.iter().all(|v| v.purged));
    assert_eq!(purge(What::Prefix("/".into()), true), 2);
    assert_eq!(why("/p").variants.len(), 0);
    assert_eq!(heads.lock().unwrap().len(), 3);
}

#[test]
fn a_route_tells_browsers_and_cdns_its_own_words_from_the_cache_or_not() {
    let upstream = Upstream::http(|_, _| {
        message("200 OK", "Cache-Control: max-age=60\r\nExpires: 0\r\n", "x")
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].cache = Some(Default::default());
    c.routes[0].cache_control = Some(config::sections::CacheControl {
        browsers: Some("max-age=5".into()),
        cdns: Some("max-age=50".into()),
    });
    let running = Running::of(generation(1, c), 1);
    let mut client = running.client();
    for from in ["fwd=uri-miss", "hit"] {
        let a = ask(&mut client, "");
        assert!(a.header("cache-status").unwrap().contains(from));
        let told = (
            a.header("cache-control"),
            a.header("cdn-cache-control"),
            a.header("expires"),
        );
        assert_eq!(
            told,
            (Some("max-age=5"), Some("max-age=50"), None),
            "{from}"
        );
    }
}
