//! Routes that more than one service sees, over sockets: users who are divided, and copies that are compared.

mod common;

use common::*;
use config::Config;
use config::sections::Mirror;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn two_services(first: SocketAddr, second: SocketAddr) -> Config {
    let mut c = config(&[first]);
    c.services.push(service("next", &[second]));
    c
}

fn named(name: &'static str) -> Upstream {
    Upstream::http(move |_, _| ok(name.as_bytes()))
}

#[test]
fn a_user_stays_with_a_service_while_its_share_grows() {
    let (stable, next) = (named("stable"), named("next"));
    let of = |share: f64| {
        let mut c = two_services(stable.address, next.address);
        c.routes[0].split = vec![("s".into(), 1.0 - share), ("next".into(), share)];
        c
    };
    let running = Running::with(of(0.1));
    let answers = || {
        let mut client = running.client();
        let ask = |user: usize| {
            let head = format!("GET / HTTP/1.1\r\nHost: t\r\nX-User-Id: u{user}\r\n\r\n");
            (user, client.send(head).answer().text())
        };
        (0..300).map(ask).collect::<BTreeMap<_, _>>()
    };
    let count = |all: &BTreeMap<usize, String>| all.values().filter(|v| *v == "next").count();
    let small = answers();
    assert_eq!(answers(), small, "whatever the connection and the thread");
    running.gateway.apply(generation(2, of(0.3)));
    let large = answers();
    assert!((12..50).contains(&count(&small)), "{}", count(&small));
    assert!((65..115).contains(&count(&large)), "{}", count(&large));
    let stays = |(user, was): (&usize, &String)| was == "stable" || large[user] == "next";
    assert!(small.iter().all(stays), "nobody goes back");
    running.gateway.apply(generation(3, of(0.0)));
    assert_eq!(count(&answers()), 0, "and the retreat is whole");
}

fn mirrored(own: &Upstream, other: &Upstream, change: impl Fn(&mut Mirror)) -> Config {
    let mut c = two_services(own.address, other.address);
    let mut mirror = Mirror {
        to: "next".into(),
        share: 1.0,
        rate: 1e6,
        ..Mirror::default()
    };
    change(&mut mirror);
    c.routes[0].mirror = Some(mirror);
    c
}

struct Mirroring {
    running: Running,
    _control: tokio::runtime::Runtime,
}

fn start(c: Config) -> Mirroring {
    let control = tokio::runtime::Runtime::new().unwrap();
    let options = gateway::Options {
        threads: Some(2),
        control: Some(control.handle().clone()),
        ..gateway::Options::default()
    };
    Mirroring {
        running: Running::options(generation(1, c), options),
        _control: control,
    }
}

#[test]
fn copies_are_compared_and_what_differs_by_itself_is_known() {
    let turn = AtomicUsize::new(0);
    let own = Upstream::http(move |head, _| match head {
        h if h.starts_with("GET /same") => ok(b"same"),
        // Two answers of the same service are never equal.
        _ => ok(turn.fetch_add(1, SeqCst).to_string().as_bytes()),
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = seen.clone();
    let other = Upstream::http(move |head, _| {
        heads.lock().unwrap().push(head.to_owned());
        match head {
            h if h.starts_with("GET /same") => ok(b"same"),
            _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        }
    });
    let m = start(mirrored(&own, &other, |_| {}));
    let compared = |n: u64| {
        until("the copies to be compared", || {
            m.running.gateway.mirrors()[0].compared == n
        });
        m.running.gateway.mirrors().remove(0)
    };
    let mut client = m.running.client();
    for _ in 0..5 {
        let head = "GET /same?x=1 HTTP/1.1\r\nHost: shop\r\nX-One: 1\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n";
        assert_eq!(client.send(head).answer().text(), "same");
    }
    let same = compared(5);
    assert_eq!((same.differ, same.noise), ([0; 3], [0; 3]));
    let copy = seen.lock().unwrap()[0].to_lowercase();
    assert!(copy.starts_with("get /same?x=1 http/1.1\r\n"), "{copy}");
    assert!(
        copy.contains("host: shop\r\n") && copy.contains("x-one: 1\r\n"),
        "{copy}"
    );
    assert!(
        copy.contains("plimsoll-mirror: 1\r\n") && !copy.contains("x-hop"),
        "{copy}"
    );
    (0..4).for_each(|_| drop(client.get("/odd")));
    let odd = compared(9);
    assert_eq!(odd.differ, [4, 0, 4]);
    assert_eq!(odd.noise, [0, 0, 4], "its body always differs");
    let post = "POST /same HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(client.send(post).answer().status, 200);
    client.get("/same");
    assert_eq!(compared(10).route, "all");
    assert!(seen.lock().unwrap().iter().all(|h| !h.starts_with("POST")));
}

#[test]
fn a_service_that_hangs_costs_nobody_time_and_only_so_many_copies() {
    let own = named("own");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let other = Upstream::start(move |mut stream| {
        let mut buffer = Vec::new();
        // A health check only connects.
        if read_request(&mut stream, &mut buffer).is_some() {
            count.fetch_add(1, SeqCst);
            let _ = read_request(&mut stream, &mut buffer);
        }
    });
    let m = start(mirrored(&own, &other, |mirror| {
        mirror.in_flight = 3;
        mirror.timeout = Duration::from_secs(2);
    }));
    let began = Instant::now();
    let mut client = m.running.client();
    (0..50).for_each(|_| assert_eq!(client.get("/").text(), "own"));
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "it waited for copies"
    );
    let counts = || m.running.gateway.mirrors().remove(0);
    assert_eq!((counts().left_out, counts().in_flight), (47, 3));
    until("the time of the copies to be over", || {
        counts().unanswered[0] == 3
    });
    assert_eq!((counts().in_flight, asked.load(SeqCst)), (0, 3));
}
