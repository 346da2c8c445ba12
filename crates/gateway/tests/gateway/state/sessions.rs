//! Sessions: what the service is told and may change, what the client sees, and what history its requests have.

use crate::common::*;
use crate::state::idempotency::lend;
use config::sections::{Conflict, Secure, Session};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{Embedded, Kv};

struct Stage {
    running: Running,
    store: Arc<Embedded>,
    _upstream: Upstream,
    _dir: tempfile::TempDir,
}

/// The service: `/add` counts in the session, `/set` and others do what they say, and the rest shows what it was told.
fn service() -> Upstream {
    Upstream::http(|head, _| {
        let data = header(head, "plimsoll-session").unwrap_or("");
        let path = head.split(' ').nth(1).unwrap_or("");
        let (lines, body) = match path {
            "/add" => {
                let n = data.parse::<u64>().unwrap_or(0) + 1;
                (format!("Plimsoll-Session-Set: {n}\r\n"), n.to_string())
            }
            "/set" => ("Plimsoll-Session-Set: user=7\r\n".into(), String::new()),
            "/login" => (
                "Plimsoll-Session-Set: user=8\r\nPlimsoll-Session-Rotate: 1\r\n".into(),
                String::new(),
            ),
            "/rotate" => ("Plimsoll-Session-Rotate: 1\r\n".into(), String::new()),
            "/logout" => ("Plimsoll-Session-End: 1\r\n".into(), String::new()),
            "/large" => (
                format!("Plimsoll-Session-Set: {}\r\n", "x".repeat(5000)),
                String::new(),
            ),
            _ => (String::new(), head.to_owned()),
        };
        format!(
            "HTTP/1.1 200 OK\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
}

fn stage(rules: Session) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let upstream = service();
    let mut c = config(&[upstream.address]);
    c.routes[0].session = Some(rules.name.clone());
    c.sessions = vec![rules];
    let running = Running::looking(c, 2);
    let store = Arc::new(Embedded::open(dir.path().join("state.db")).unwrap());
    lend(&running, &store);
    Stage {
        running,
        store,
        _upstream: upstream,
        _dir: dir,
    }
}

fn rules() -> Session {
    Session::named("shop")
}

/// A browser, as far as it matters.
struct Browser {
    client: Client,
    cookies: Vec<(String, String)>,
}

impl Stage {
    fn at(&self) -> SocketAddr {
        self.running.gateway.address()
    }

    fn browser(&self) -> Browser {
        Browser::at(self.at())
    }
}

impl Browser {
    fn at(at: SocketAddr) -> Browser {
        Browser {
            client: Client::to(at),
            cookies: Vec::new(),
        }
    }

    fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    fn get_with(&mut self, path: &str, lines: &str) -> Answer {
        let all: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let cookie = match all.is_empty() {
            true => String::new(),
            false => format!("Cookie: {}\r\n", all.join("; ")),
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\n{cookie}{lines}\r\n");
        let answer = self.client.send(request).answer();
        for line in answer.head.lines() {
            let Some(set) = line.strip_prefix("Set-Cookie: ") else {
                continue;
            };
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(n, _)| n != name);
            if !value.is_empty() {
                self.cookies.push((name.into(), value.into()));
            }
        }
        answer
    }

    fn id(&self) -> Option<&str> {
        let id = self.cookies.iter().find(|(n, _)| n == "session");
        id.map(|(_, v)| v.as_str())
    }

    /// State and data, as the service is told.
    fn seen(&mut self) -> (String, String) {
        let head = self.get("/show").text();
        let of = |name| header(&head, name).unwrap_or("-").to_owned();
        (of("plimsoll-session-state"), of("plimsoll-session"))
    }

    fn sees(&mut self, state: &str, data: &str) {
        assert_eq!(self.seen(), (state.to_owned(), data.to_owned()));
    }
}

#[test]
fn a_session_begins_when_the_service_says_so_and_is_told_to_it() {
    let s = stage(rules());
    let mut b = s.browser();
    b.sees("none", "-");
    assert_eq!(b.id(), None, "who has nothing to remember has no cookie");
    let set = b.get("/set");
    let cookie = set.header("set-cookie").unwrap();
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    assert!(
        !set.head.to_lowercase().contains("plimsoll-session"),
        "{}",
        set.head
    );
    b.sees("live", "user=7");
    assert_eq!(s.store.count("sess/shop/", 0).unwrap(), 1);
    // Nothing is written without need, and no cookie is sent again.
    let etag = s.store.scan("sess/", None, 1, 0).unwrap()[0].etag;
    assert_eq!(b.get("/show").header("set-cookie"), None);
    assert_eq!(s.store.scan("sess/", None, 1, 0).unwrap()[0].etag, etag);
    // The service sees neither our cookie nor what a client says of itself.
    b.cookies.push(("other".into(), "1".into()));
    let told = b.get_with(
        "/show",
        "Plimsoll-Session: forged\r\nPlimsoll-Session-Id: forged\r\n",
    );
    let told = told.text();
    assert_eq!(header(&told, "cookie"), Some("other=1"));
    assert!(!told.contains("forged"), "{told}");
    assert_eq!(header(&told, "plimsoll-session-id").unwrap().len(), 32);
    let mut forger = s.browser();
    let told = forger.get_with(
        "/show",
        "Plimsoll-Session: forged\r\nPlimsoll-Session-State: live\r\n",
    );
    assert!(
        !told.text().contains("forged") && told.text().contains("State: none")
            || told.text().contains("state: none")
    );
    // An id that was not given out here is nobody's, and never becomes anybody's.
    forger.cookies.push(("session".into(), "a".repeat(32)));
    forger.sees("none", "-");
    forger.get("/set");
    assert_ne!(forger.id(), Some("a".repeat(32).as_str()));
    let over = b.get("/logout");
    assert!(over.header("set-cookie").unwrap().contains("Max-Age=0"));
    b.sees("none", "-");
    assert_eq!(s.store.count("sess/shop/", 0).unwrap(), 1);
    let large = forger.get("/large");
    assert_eq!((large.status, large.reason()), (502, "session-data"));
    forger.sees("live", "user=7");
}

#[test]
fn an_id_is_replaced_on_request_and_the_old_one_fades() {
    let s = stage(rules());
    let mut b = s.browser();
    b.get("/set");
    let old = b.id().unwrap().to_owned();
    let name = |b: &mut Browser| {
        header(&b.get("/show").text(), "plimsoll-session-id")
            .unwrap()
            .to_owned()
    };
    let before = name(&mut b);
    b.get("/login");
    assert_ne!(b.id(), Some(old.as_str()));
    b.sees("live", "user=8");
    assert_eq!(
        name(&mut b),
        before,
        "for the service it is the same session"
    );
    let mut late = s.browser();
    late.cookies.push(("session".into(), old.clone()));
    late.sees("live", "user=8");
    // Whoever leaves by the old one has left.
    late.get("/logout");
    b.sees("none", "-");
    let none = Session {
        grace: Duration::ZERO,
        ..rules()
    };
    let s = stage(none);
    let mut b = s.browser();
    b.get("/set");
    let old = b.id().unwrap().to_owned();
    b.get("/rotate");
    b.sees("live", "user=7");
    late = s.browser();
    late.cookies.push(("session".into(), old));
    late.sees("none", "-");
}

#[test]
fn a_session_ends_at_its_time() {
    let short = Session {
        absolute: Duration::from_secs(2),
        ..rules()
    };
    let s = stage(short);
    let mut b = s.browser();
    b.get("/set");
    b.sees("live", "user=7");
    until("its end", || b.seen() == ("none".into(), "-".into()));
}

#[test]
fn over_tls_the_cookie_is_the_hosts() {
    let s = stage(Session {
        secure: Secure::Always,
        cookie: "sid".into(),
        ..rules()
    });
    let mut b = s.browser();
    let set = b.get("/set");
    let cookie = set.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-sid=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    b.sees("live", "user=7");
}

#[test]
fn nobody_is_logged_out_because_the_store_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "a long secret of the test").unwrap();
    for (copies, state, data) in [(false, "unknown", "-"), (true, "read-only", "user=7")] {
        let s = stage(Session {
            secret: copies.then(|| config::Secret::File(secret.clone())),
            ..rules()
        });
        let mut b = s.browser();
        b.get("/set");
        assert_eq!(b.cookies.len(), 1 + usize::from(copies));
        s.running.gateway.state().lend(None);
        b.sees(state, data);
        // What changes now is lost, and the cookie stays.
        let id = b.id().map(str::to_owned);
        assert_eq!(b.get("/login").status, 200);
        assert_eq!(b.id().map(str::to_owned), id);
        lend(&s.running, &s.store);
        b.sees("live", "user=7");
    }
}

/// Read-your-writes and monotonic reads: a client alone sees each of its own changes in the next request, on whatever
/// connection and thread, over new generations.
#[test]
fn a_client_reads_what_it_wrote() {
    let s = stage(rules());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let at = s.at();
            scope.spawn(move || {
                let mut b = Browser::at(at);
                for n in 1..=60 {
                    assert_eq!(b.get("/add").text(), n.to_string());
                    b.sees("live", &n.to_string());
                    // Any thread may have the next one.
                    b.client = Client::to(at);
                }
            });
        }
    });
    assert_eq!(s.store.count("sess/shop/", 0).unwrap(), 4);
}

/// Many requests of one session at once: each change that is acknowledged is in the history once, and none is lost.
#[test]
fn concurrent_changes_are_refused_or_kept() {
    let s = stage(rules());
    let mut first = s.browser();
    first.get("/add");
    let cookies = first.cookies.clone();
    let seen: Vec<u64> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (at, cookies) = (s.at(), cookies.clone());
                scope.spawn(move || {
                    let mut b = Browser::at(at);
                    b.cookies = cookies;
                    let mut mine = Vec::new();
                    while mine.len() < 25 {
                        let answer = b.get("/add");
                        match answer.status {
                            200 => mine.push(answer.text().parse::<u64>().unwrap()),
                            409 => assert_eq!(answer.reason(), "session-conflict"),
                            _ => panic!("{}", answer.head),
                        }
                    }
                    assert!(
                        mine.windows(2).all(|w| w[0] < w[1]),
                        "reads go back: {mine:?}"
                    );
                    mine
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|c| c.join().unwrap())
            .collect()
    });
    let distinct: BTreeSet<u64> = seen.iter().copied().collect();
    assert_eq!(distinct.len(), 100, "two changes were one");
    assert_eq!(distinct.last(), Some(&101));
    first.sees("live", "101");
}

#[test]
fn the_last_one_holds_where_that_is_wanted() {
    let s = stage(Session {
        conflict: Conflict::Last,
        durable: true,
        ..rules()
    });
    let mut first = s.browser();
    first.get("/add");
    let cookies = first.cookies.clone();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (at, cookies) = (s.at(), cookies.clone());
            scope.spawn(move || {
                let mut b = Browser::at(at);
                b.cookies = cookies;
                for _ in 0..20 {
                    assert_eq!(b.get("/add").status, 200);
                }
            });
        }
    });
}
