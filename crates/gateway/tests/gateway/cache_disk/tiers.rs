//! The same cases from memory and from disk, and from disk after a restart.

use super::*;

/// Where the answer comes from when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tier {
    Memory,
    Disk,
    Restarted,
}

const TIERS: [Tier; 3] = [Tier::Memory, Tier::Disk, Tier::Restarted];

/// Stores `path` by asking with `fields`, brings it to the tier, and asks again.
fn through(
    service: &Service,
    tier: Tier,
    path: &str,
    first: &str,
    then: impl FnOnce(&mut Client, Tier),
) {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(service.upstream.address, dir.path());
    let mut client = running.client();
    assert_eq!(ask(&mut client, "GET", path, first).status, 200);
    ask(&mut client, "GET", path, first);
    if tier != Tier::Memory {
        push_out(&mut client);
        settled(&running);
    }
    if tier == Tier::Restarted {
        drop(client);
        running.gateway.shutdown();
        running = start(service.upstream.address, dir.path());
        client = running.client();
    }
    then(&mut client, tier);
}

fn from(tier: Tier, answer: &Answer) {
    let said = said(answer);
    assert!(said.starts_with("plimsoll; hit"), "{tier:?}: {said}");
    let disk = said.contains("detail=disk");
    assert_eq!(disk, tier != Tier::Memory, "{tier:?}: {said}");
}

#[test]
fn a_stored_answer_is_the_same_with_its_age() {
    let fields = "Cache-Control: max-age=600\r\nAge: 7\r\nETag: \"1\"\r\nX-Own: kept\r\n";
    for tier in TIERS {
        let service = Service::new(move |_| message("200 OK", fields, "hello"));
        through(&service, tier, "/p?q=1", "", |client, tier| {
            let a = ask(client, "GET", "/p?q=1", "");
            from(tier, &a);
            assert_eq!((a.status, a.text().as_str()), (200, "hello"));
            assert_eq!(
                (a.header("etag"), a.header("x-own")),
                (Some("\"1\""), Some("kept"))
            );
            let age: u64 = a.header("age").unwrap().parse().unwrap();
            assert!((7..60).contains(&age), "{age}");
            from(Tier::Memory, &ask(client, "GET", "/p?q=1", ""));
            assert_eq!(service.asked(), 1, "{tier:?}");
        });
    }
}

#[test]
fn conditions_ranges_and_heads_are_answered() {
    let fields = "Cache-Control: max-age=600\r\nETag: \"1\"\r\n";
    type Case = (&'static str, &'static str, u16, &'static str);
    let cases: [Case; 5] = [
        ("GET", "If-None-Match: \"0\", \"1\"\r\n", 304, ""),
        ("GET", "If-None-Match: \"0\"\r\n", 200, "hello"),
        ("GET", "Range: bytes=1-3\r\n", 206, "ell"),
        ("GET", "Range: bytes=9-\r\n", 416, ""),
        ("HEAD", "", 200, ""),
    ];
    for tier in TIERS {
        for (method, asks, status, body) in cases {
            let service = Service::new(move |_| message("200 OK", fields, "hello"));
            through(&service, tier, "/p", "", |client, tier| {
                let a = ask(client, method, "/p", asks);
                from(tier, &a);
                assert_eq!(
                    (a.status, a.text().as_str()),
                    (status, body),
                    "{tier:?} {asks}"
                );
                assert_eq!(service.asked(), 1);
            });
        }
    }
}

#[test]
fn vary_selects() {
    for tier in TIERS {
        let service = Service::new(|head| {
            let language = header(head, "accept-language").unwrap_or("none");
            let fields = "Cache-Control: max-age=600\r\nVary: Accept-Language\r\n";
            message("200 OK", fields, language)
        });
        through(
            &service,
            tier,
            "/p",
            "Accept-Language: de\r\n",
            |client, tier| {
                let a = ask(client, "GET", "/p", "Accept-Language: de\r\n");
                from(tier, &a);
                assert_eq!(a.text(), "de");
                let a = ask(client, "GET", "/p", "Accept-Language: fr\r\n");
                assert_eq!(a.text(), "fr");
                assert!(said(&a).contains("fwd=vary-miss"), "{}", said(&a));
            },
        );
    }
}

#[test]
fn what_is_not_fresh_is_confirmed() {
    let old = "Cache-Control: max-age=0\r\nETag: \"1\"\r\n";
    for tier in TIERS {
        let service = Service::new(move |head| match header(head, "if-none-match") {
            Some("\"1\"") => message("304 Not Modified", "", ""),
            _ => message("200 OK", old, "hello"),
        });
        through(&service, tier, "/p", "", |client, _| {
            let before = service.asked();
            let a = ask(client, "GET", "/p", "");
            assert_eq!((a.status, a.text().as_str()), (200, "hello"));
            assert!(
                said(&a).contains("fwd=stale; fwd-status=304"),
                "{}",
                said(&a)
            );
            assert_eq!(service.asked(), before + 1);
        });
    }
}

#[test]
fn a_failing_service_is_stood_in_for() {
    let fields = "Cache-Control: max-age=0, stale-if-error=600\r\nETag: \"1\"\r\n";
    for tier in TIERS {
        let failing = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let now = failing.clone();
        let service = Service::new(move |_| match now.load(SeqCst) {
            true => message("500 Internal Server Error", "", ""),
            false => message("200 OK", fields, "hello"),
        });
        through(&service, tier, "/p", "", |client, tier| {
            failing.store(true, SeqCst);
            let a = ask(client, "GET", "/p", "");
            assert_eq!((a.status, a.text().as_str()), (200, "hello"), "{tier:?}");
        });
    }
}

#[test]
fn a_restart_brings_back_what_was_asked_for_again_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let fields = "Cache-Control: max-age=600\r\n";
    let service =
        Service::new(move |head| message("200 OK", fields, head.split(' ').nth(1).unwrap()));
    let running = start(service.upstream.address, dir.path());
    let mut client = running.client();
    assert_eq!(client.get("/once").status, 200);
    on_disk(&running, &mut client, "/twice");
    let why = running.gateway.why("GET", "/twice", &[("Host", "t")]);
    assert_eq!(why.variants[0].tier, "disk");
    assert!(why.verdict.starts_with("hit: "), "{}", why.verdict);
    drop(client);
    running.gateway.shutdown();
    let running = start(service.upstream.address, dir.path());
    let mut client = running.client();
    assert!(said(&client.get("/twice")).contains("detail=disk"));
    assert!(said(&client.get("/once")).contains("fwd=uri-miss"));
    let gauge = gauge(&running);
    assert_eq!(
        (gauge.hits, gauge.wrong.as_str(), gauge.damaged),
        (1, "", 0)
    );
    assert!(gauge.records > 1 && gauge.bytes > 0);
}

#[test]
fn a_restart_brings_back_what_was_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let fields = "Cache-Control: max-age=600\r\n";
    let service = Service::new(move |_| message("200 OK", fields, "hello"));
    let running = start(service.upstream.address, dir.path());
    running.client().get("/p");
    running.client().get("/p");
    running.gateway.shutdown();
    let running = start(service.upstream.address, dir.path());
    assert!(said(&running.client().get("/p")).contains("detail=disk"));
}

#[test]
fn many_who_ask_at_once_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let fields = "Cache-Control: max-age=600\r\n";
    let service = Service::new(move |_| message("200 OK", fields, "hello"));
    let running = start(service.upstream.address, dir.path());
    on_disk(&running, &mut running.client(), "/p");
    let mut clients: Vec<_> = (0..50).map(|_| running.client()).collect();
    for client in &mut clients {
        client.send("GET /p HTTP/1.1\r\nHost: t\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.answer().text(), "hello");
    }
    assert_eq!(service.asked(), 1);
}
