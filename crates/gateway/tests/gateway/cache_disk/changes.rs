//! Purges and unsafe requests reach what is on disk, for good.

use super::*;
use gateway::request::cache::{Purge, What};

const FIELDS: &str = "Cache-Control: max-age=600\r\nCache-Groups: \"g\"\r\n";

/// Answers with how often the path was changed.
fn versions() -> (Service, Arc<AtomicUsize>) {
    let version = Arc::new(AtomicUsize::new(1));
    let (now, told) = (version.clone(), version.clone());
    let service = Service::new(move |head| {
        if head.starts_with("GET") {
            return message("200 OK", FIELDS, &format!("v{}", now.load(SeqCst)));
        }
        if head.contains("/refused") || header(head, "x-refuse").is_some() {
            return message("405 Method Not Allowed", "", "");
        }
        now.fetch_add(1, SeqCst);
        match head.contains("/group") {
            true => message("200 OK", "Cache-Group-Invalidation: \"g\"\r\n", ""),
            false => message("200 OK", "", ""),
        }
    });
    (service, told)
}

/// Brings `/a/p` to disk, changes something, and asks; the same after a restart.
fn after(change: impl Fn(&Running, &mut Client), expected: &str, hit: bool) {
    for restart in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = versions();
        let mut running = start(service.upstream.address, dir.path());
        let mut client = running.client();
        on_disk(&running, &mut client, "/a/p");
        change(&running, &mut client);
        if restart {
            drop(client);
            running.gateway.shutdown();
            running = start(service.upstream.address, dir.path());
            client = running.client();
        }
        let a = client.get("/a/p");
        assert_eq!(a.text(), expected, "restart {restart}: {}", said(&a));
        assert_eq!(
            said(&a).contains("hit"),
            hit,
            "restart {restart}: {}",
            said(&a)
        );
    }
}

fn purge(running: &Running, what: What, hard: bool) -> u64 {
    running.gateway.purge(&Purge {
        what,
        host: None,
        hard,
    })
}

#[test]
fn nothing_happens_and_it_is_a_hit() {
    after(|_, _| {}, "v1", true);
}

#[test]
fn an_unsafe_request_makes_it_old() {
    after(
        |_, c| assert_eq!(ask(c, "POST", "/a/p", "Content-Length: 0\r\n").status, 200),
        "v2",
        false,
    );
    after(
        |_, c| assert_eq!(ask(c, "DELETE", "/a/p?x", "").status, 200),
        "v2",
        false,
    );
    // The host in capitals.
    after(
        |_, c| {
            let post = "POST /a/p HTTP/1.1\r\nHost: T\r\nContent-Length: 0\r\n\r\n";
            assert_eq!(c.send(post).answer().status, 200);
        },
        "v2",
        false,
    );
}

#[test]
fn a_group_makes_it_old() {
    after(
        |_, c| {
            assert_eq!(
                ask(c, "POST", "/group", "Content-Length: 0\r\n").status,
                200
            )
        },
        "v2",
        false,
    );
}

#[test]
fn an_unsafe_request_that_is_refused_changes_nothing_while_the_process_lives() {
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = versions();
    let running = start(service.upstream.address, dir.path());
    let mut client = running.client();
    on_disk(&running, &mut client, "/a/p");
    for _ in 0..3 {
        let refused = ask(
            &mut client,
            "POST",
            "/a/p",
            "X-Refuse: 1\r\nContent-Length: 0\r\n",
        );
        assert_eq!(refused.status, 405);
    }
    assert!(said(&client.get("/a/p")).contains("detail=disk"));
}

#[test]
fn hard_purges_take_it_out() {
    let all: [fn() -> What; 3] = [
        || What::Url("/a/p".into()),
        || What::Prefix("/a/".into()),
        || What::Group("g".into()),
    ];
    for what in all {
        after(|r, _| assert_eq!(purge(r, what(), true), 1), "v1", false);
    }
    after(
        |r, _| assert_eq!(purge(r, What::Url("/a/other".into()), true), 0),
        "v1",
        true,
    );
}

#[test]
fn a_soft_purge_leaves_it_for_bad_times_only() {
    after(
        |r, _| assert_eq!(purge(r, What::Prefix("/a/".into()), false), 1),
        "v1",
        false,
    );
}

#[test]
fn what_was_fetched_anew_is_not_followed_by_what_was_before() {
    let dir = tempfile::tempdir().unwrap();
    let (service, version) = versions();
    let running = start(service.upstream.address, dir.path());
    let mut client = running.client();
    on_disk(&running, &mut client, "/a/p");
    version.store(2, SeqCst);
    let a = ask(&mut client, "GET", "/a/p", "Cache-Control: no-cache\r\n");
    assert_eq!(a.text(), "v2");
    drop(client);
    // What is in memory alone goes with the process.
    running.gateway.shutdown();
    let running = start(service.upstream.address, dir.path());
    assert_eq!(running.client().get("/a/p").text(), "v2");
}

#[test]
fn a_disk_that_the_configuration_no_longer_names_is_not_trusted_again() {
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = versions();
    let running = start(service.upstream.address, dir.path());
    let mut client = running.client();
    on_disk(&running, &mut client, "/a/p");
    let mut without = with_disk(service.upstream.address, dir.path());
    without.routes[0].cache.as_mut().unwrap().disk = None;
    running.gateway.apply(generation(2, without));
    // Connections see the new generation with their next request.
    assert_eq!(
        ask(&mut client, "POST", "/a/p", "Content-Length: 0\r\n").status,
        200
    );
    running.gateway.apply(generation(
        3,
        with_disk(service.upstream.address, dir.path()),
    ));
    until("the disk", || {
        running.gateway.disks().iter().any(|d| !d.opening)
    });
    assert_eq!(running.client().get("/a/p").text(), "v2");
}

#[test]
fn what_a_canary_answered_is_not_kept_for_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = versions();
    let config = with_disk(service.upstream.address, dir.path());
    let mut generation = (*generation(1, config.clone())).clone();
    generation.canary = Some(config::generation::Canary {
        overlay: "try".into(),
        share: 1.0,
        config: Arc::new(config),
    });
    let running = Running::of(Arc::new(generation), 1);
    until("the disk", || !gauge(&running).opening);
    on_disk(&running, &mut running.client(), "/a/p");
    assert_eq!(gauge(&running).records, 0);
    let a = running.client().get("/a/p");
    assert!(said(&a).contains("fwd=uri-miss"), "{}", said(&a));
}
