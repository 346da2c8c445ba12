//! Routes that more than one service or instance sees, over sockets: users who are divided, and copies that are compared.

use crate::common::*;
use config::Config;
use config::sections::{Mirror, Stateful};
use gateway::attempt::stateful::{Finding, Verdict};
use std::collections::{BTreeMap, HashSet};
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

fn watched(share: f64) -> Option<Stateful> {
    Some(Stateful {
        share,
        rate: 1e6,
        in_flight: 100,
        ..Stateful::default()
    })
}

/// An instance that knows the sessions which began at it, and nobody else's.
fn forgetful(heads: &Arc<Mutex<Vec<String>>>) -> Upstream {
    let (sessions, heads) = (Mutex::new(HashSet::new()), heads.clone());
    Upstream::http(move |head, _| {
        heads.lock().unwrap().push(head.to_lowercase());
        let id = header(head, "cookie").unwrap_or("").to_owned();
        let mut sessions = sessions.lock().unwrap();
        match () {
            () if head.starts_with("POST") => {
                sessions.insert(id);
                ok(b"welcome")
            }
            () if sessions.contains(&id) => ok(b"your cart"),
            () => b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_vec(),
        }
    })
}

/// Two instances of a service, and a route to it of the same name.
fn pair(c: &mut Config, name: &str, instances: [&Upstream; 2], stateful: Option<Stateful>) {
    let mut made = service(name, &instances.map(|i| i.address));
    made.stateful = stateful;
    c.services.push(made);
    c.routes.push(route(name, name, &[name]));
}

#[test]
fn routes_that_keep_sessions_in_the_memory_of_their_instances_are_named_and_no_others() {
    let heads = Arc::default();
    let memory = [forgetful(&heads), forgetful(&heads)];
    let plain = [named("same"), named("same")];
    let turn = Arc::new(AtomicUsize::new(0));
    let noisy = [0, 1].map(|_| {
        let turn = turn.clone();
        Upstream::http(move |_, _| ok(turn.fetch_add(1, SeqCst).to_string().as_bytes()))
    });
    let told = [named("this is one"), named("this is two")];
    let mut c = two_services(plain[0].address, plain[1].address);
    for (name, pairs) in [
        ("memory", &memory),
        ("plain", &plain),
        ("noisy", &noisy),
        ("named", &told),
    ] {
        pair(&mut c, name, [&pairs[0], &pairs[1]], watched(1.0));
    }
    let m = start(c);
    let mut client = m.running.client();
    let login = "POST /memory HTTP/1.1\r\nHost: t\r\nCookie: id=7\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.send(login).answer().status, 200);
    let findings = || -> BTreeMap<String, Finding> {
        let all = m.running.gateway.stateful().into_iter();
        all.map(|f| (f.route.clone(), f)).collect()
    };
    // Without a session nothing is asked again.
    let before = heads.lock().unwrap().len();
    (0..5).for_each(|_| drop(client.get("/memory")));
    assert_eq!(heads.lock().unwrap().len(), before + 5);
    until("four verdicts", || {
        for name in ["memory", "plain", "noisy", "named"] {
            let head = format!(
                "GET /{name} HTTP/1.1\r\nHost: t\r\nCookie: id=7\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
            );
            client.send(head).answer();
        }
        findings().values().all(|f| f.verdict != Verdict::Unknown)
    });
    let found = findings();
    assert_eq!(found["memory"].verdict, Verdict::KeepsState, "{found:?}");
    assert_eq!(found["memory"].example, Some((200, 401)));
    assert!(found["memory"].confidence >= 0.999);
    assert_eq!(found["plain"].verdict, Verdict::NothingSeen, "{found:?}");
    assert!(found["plain"].at_most < 0.1);
    assert_eq!(found["noisy"].verdict, Verdict::NothingSeen, "{found:?}");
    let anyway = found["named"].verdict;
    assert_eq!(anyway, Verdict::InstancesDiffer, "{found:?}");
    let heads = heads.lock().unwrap();
    let copies: Vec<_> = heads
        .iter()
        .filter(|h| h.contains("plimsoll-mirror: 1"))
        .collect();
    assert!(
        copies
            .iter()
            .all(|h| h.starts_with("get ") && !h.contains("traceparent"))
    );
    assert!(copies.iter().any(|h| h.contains("cookie: id=7")));
    let posts = heads.iter().filter(|h| h.starts_with("post"));
    assert_eq!(
        posts.count(),
        1,
        "what changes something is never sent twice"
    );
}

#[test]
fn nothing_is_asked_again_above_the_load_line_or_with_one_instance() {
    let heads = Arc::default();
    let two = [forgetful(&heads), forgetful(&heads)];
    let mut c = two_services(two[0].address, two[1].address);
    pair(&mut c, "full", [&two[0], &two[1]], watched(1.0));
    c.services[2].limit = Some(1);
    pair(&mut c, "off", [&two[0], &two[1]], watched(1.0));
    c.routes[2].stateful = Some(Stateful::off());
    c.services[0].stateful = watched(1.0);
    let m = start(c);
    let mut client = m.running.client();
    for path in ["full", "off", ""] {
        for _ in 0..4 {
            let head = format!(
                "POST /{path} HTTP/1.1\r\nHost: t\r\nCookie: id=7\r\nContent-Length: 0\r\n\r\n"
            );
            client.send(head).answer();
        }
        for _ in 0..10 {
            let head = format!("GET /{path} HTTP/1.1\r\nHost: t\r\nCookie: id=7\r\n\r\n");
            client.send(head).answer();
        }
    }
    let found = m.running.gateway.stateful();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].route.as_str(), found[0].left_out), ("full", 10));
    let copied = |h: &String| h.contains("plimsoll-mirror");
    assert!(!heads.lock().unwrap().iter().any(copied));
}
