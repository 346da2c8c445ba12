//! The engine `nats` against the suites on a real server, and what only a server can get wrong.

mod jobs;
mod log;
mod topics;

use crate::remote::{self, BOUNDED, Remote};
use crate::suite::{self, Factory};
use peers::{NatsOptions, there};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use store::nats::{Jobs, Nats, Options};
use store::{Bounds, Error, Etag, Expect, Kv, Lease, Log, Precondition, Put, Queue};
use tempfile::TempDir;

/// A value of the largest size fits.
const LARGE: &str = "max_payload: 2MB";

type Server = remote::Server<Nats>;

fn options(url: String, prefix: &str) -> Options {
    Options {
        url,
        ca: None,
        prefix: prefix.into(),
        replicas: 1,
        size: 64 << 20,
        jobs: Some(64 << 20),
        events: Some(64 << 20),
        topics: Some(64 << 20),
    }
}

impl Remote for Nats {
    type Peer = peers::Nats;
    fn open(peer: &peers::Nats, prefix: &str) -> Nats {
        Nats::open(&options(peer.url(), prefix)).unwrap()
    }
    fn prefix(&self) -> &str {
        self.prefix()
    }
}

/// One of several nodes: a prefix of the server, and a file of its own in that directory.
type Node<T> = fn(&peers::Nats, &str, &Path) -> T;

/// For the suites: each store is the only node of a prefix of its own.
struct Nodes<'p, T> {
    peer: &'p peers::Nats,
    node: Node<T>,
    next: AtomicU64,
    last: RefCell<Option<(String, TempDir)>>,
}

impl<T> Nodes<'_, T> {
    fn of(peer: &peers::Nats, node: Node<T>) -> Nodes<'_, T> {
        Nodes {
            peer,
            node,
            next: AtomicU64::new(0),
            last: RefCell::default(),
        }
    }
}

impl<T: 'static> Factory for Nodes<'_, T> {
    type Store = T;
    fn fresh(&self) -> T {
        let prefix = format!("n{}", self.next.fetch_add(1, SeqCst));
        let dir = tempfile::tempdir().unwrap();
        let node = (self.node)(self.peer, &prefix, dir.path());
        *self.last.borrow_mut() = Some((prefix, dir));
        node
    }
    fn reopen(&self, closed: T) -> T {
        drop(closed);
        let last = self.last.borrow();
        let (prefix, dir) = last.as_ref().unwrap();
        (self.node)(self.peer, prefix, dir.path())
    }
}

fn start(jetstream: &str) -> Option<Server> {
    let options = NatsOptions {
        jetstream,
        more: LARGE,
        encrypted: false,
    };
    there(peers::Nats::start(options)).map(Server::of)
}

#[test]
fn nats_is_a_kv_and_gives_leases() {
    let Some(server) = start("") else {
        return;
    };
    suite::kv::all(&server);
    suite::lease::all(&server);
}

#[test]
fn many_values_are_counted_scanned_and_swept_a_page_at_a_time() {
    let Some(server) = start("") else {
        return;
    };
    let nats = server.open("p");
    let puts: Vec<_> = (0..700)
        .map(|i| {
            let put = Put {
                expires_ms: (i % 7 == 0).then_some(100),
                ..Put::new(format!("state/a/{i:03}"), vec![1])
            };
            nats.put(put, 0)
        })
        .chain([nats.put(Put::new("other", vec![2]), 0)])
        .collect();
    for put in puts {
        put.wait().unwrap();
    }
    let keys = |after: Option<&str>, limit| -> Vec<String> {
        let found = nats.scan("state/a/", after, limit, 0).unwrap();
        found.into_iter().map(|e| e.key).collect()
    };
    assert_eq!(keys(None, 1000).len(), 700);
    assert_eq!(keys(Some("state/a/350"), 2), ["state/a/351", "state/a/352"]);
    assert_eq!(nats.count("state/a/", 0).unwrap(), 700);
    let mut swept = 0;
    // Each look is one page: all of them are looked at after a few.
    for _ in 0..6 {
        swept += nats.sweep(1000, 200).wait().unwrap();
    }
    assert_eq!(swept, 100);
    assert_eq!(nats.count("state/a/", 200).unwrap(), 600);
}

#[test]
fn of_two_nodes_each_sees_what_the_other_did() {
    let Some(server) = start("sync_interval: always") else {
        return;
    };
    let nodes = [server.open("p"), server.open("p")];
    let put = |n: &Nats, value: &str, is| {
        let put = Put {
            precondition: is,
            ..Put::new("session/1", value.as_bytes().to_vec())
        };
        n.put(put, 0).wait()
    };
    let mut etag = put(&nodes[0], "0", Precondition::Absent).unwrap();
    assert!(put(&nodes[1], "no", Precondition::Absent).is_err());
    for i in 1..50 {
        let (writer, reader) = (&nodes[i % 2], &nodes[(i + 1) % 2]);
        let value = i.to_string();
        let stale = etag;
        etag = put(writer, &value, Precondition::Is(etag)).unwrap();
        let seen = reader.get("session/1", 0).unwrap().unwrap();
        assert_eq!((seen.value, seen.etag), (value.into_bytes(), etag));
        let refused = put(reader, "no", Precondition::Is(stale));
        assert!(matches!(refused, Err(Error::Stale { actual: Some(e), .. }) if e == etag));
    }
    // A write that cannot be comes in its turn behind those before it.
    let first = nodes[0].put(Put::new("k", vec![1]), 0);
    let barrier = Put {
        precondition: Precondition::Is(Etag::NONE),
        ..Put::new("k", vec![2])
    };
    let told = nodes[0].put(barrier, 0).wait().unwrap_err();
    let first = first.wait().unwrap();
    assert!(matches!(told, Error::Stale { actual: Some(e), .. } if e == first));
}

fn until_answered(nats: &Nats) {
    remote::until_answered(
        || nats.put(Put::new("up", vec![]), 0).wait().is_ok(),
        || nats.standing(),
    );
}

/// Every call fails, in time, and soon at once.
fn fails_in_time(nats: &Nats) {
    let away =
        |said: Result<(), Error>| assert!(matches!(said, Err(Error::Away { .. })), "{said:?}");
    remote::fail_in_time(
        || {
            away(nats.put(Put::new("k", vec![1]), 0).wait().map(drop));
            away(nats.get("k", 0).map(drop));
        },
        || {
            away(nats.get("k", 0).map(drop));
            away(nats.put(Put::new("k", vec![1]), 0).wait().map(drop));
            away(nats.holder("l", 0).map(drop));
        },
    );
    assert!(nats.standing().wrong.is_some() && nats.standing().failed >= 3000);
}

#[test]
fn killed_and_stalled_it_fails_in_time_and_comes_back_by_itself() {
    let Some(mut server) = start("sync_interval: always") else {
        return;
    };
    let nats = server.open("p");
    let kept = Put::new("kept", b"kept".to_vec());
    let before = nats.put(kept, 0).wait().unwrap();
    let held = nats
        .acquire("l", "me", Duration::from_secs(600), 0)
        .unwrap();
    let ours = |server: &Server| {
        let all = server.peer.monitored("/connz").unwrap();
        all.matches("\"name\": \"plimsoll\"").count()
    };
    assert_eq!(ours(&server), 1);

    server.peer.stall(true);
    // Those are on their way when it stalls; nobody waits for them any more when it goes on.
    let late: Vec<_> = (0..200)
        .map(|i| nats.put(Put::new(format!("late{i}"), vec![1]), 0))
        .collect();
    let begun = Instant::now();
    for ack in late {
        assert!(matches!(ack.wait(), Err(Error::Away { .. })));
    }
    assert!(begun.elapsed() < BOUNDED, "{:?}", begun.elapsed());
    fails_in_time(&nats);
    server.peer.stall(false);
    until_answered(&nats);
    // What was on its way may be there; what waited behind that is not, and is not sent later.
    assert!(nats.count("late", 0).unwrap() <= 64);

    server.peer.stop();
    fails_in_time(&nats);
    remote::until_wrong("is it running", || nats.standing().wrong);
    server.peer.start_again().unwrap();
    until_answered(&nats);
    assert_eq!(nats.standing().wrong, None);
    // What it kept on its disk is there, and nothing is given out twice.
    assert_eq!(nats.get("kept", 0).unwrap().unwrap().etag, before);
    assert!(nats.put(Put::new("k", vec![]), 0).wait().unwrap() > before);
    assert_eq!(nats.holder("l", 0).unwrap().unwrap().token, held.token);
    assert_eq!(ours(&server), 1);
}

#[test]
fn stalled_no_job_and_no_event_is_stored_later_that_nobody_waits_for() {
    let Some(server) = start("sync_interval: always") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let options = options(server.peer.url(), "p");
    let jobs = Jobs::open(&options).unwrap();
    let events = log::opened(server.peer.url(), "p", dir.path(), Box::new(|_| {}));
    let enqueue = |lane: &str| jobs.enqueue(vec![suite::queue::new(lane, "x")], Bounds::NONE);
    let append = |stream: &str| {
        let new = vec![suite::log::event("k", b"x")];
        events.append(stream, Expect::Any, new)
    };
    enqueue("before").wait().unwrap();
    append("before").wait().unwrap();

    server.peer.stall(true);
    let begun = Instant::now();
    let late: Vec<_> = (0..200)
        .map(|i| (enqueue("late"), append(&format!("late{i}"))))
        .collect();
    for (job, event) in late {
        assert!(matches!(job.wait(), Err(Error::Away { .. })));
        assert!(matches!(event.wait(), Err(Error::Away { .. })));
    }
    assert!(begun.elapsed() < BOUNDED, "{:?}", begun.elapsed());
    server.peer.stall(false);
    remote::until_answered(|| enqueue("back").wait().is_ok(), || jobs.stander()());
    remote::until_answered(|| append("back").wait().is_ok(), || events.following());
    // As of values: what was on its way may be there, what waited behind that is not.
    let fresh = Jobs::open(&options).unwrap().lanes().unwrap();
    let late = fresh.iter().find(|l| l.name == "late");
    assert!(late.is_none_or(|l| l.waiting <= 64), "{fresh:?}");
    let streams = events.streams("", 1000).unwrap();
    let late = streams.iter().filter(|s| s.0.starts_with("late"));
    assert!(late.count() <= 64, "{streams:?}");
}

#[test]
fn a_server_that_lost_everything_gives_no_etag_and_no_token_twice() {
    let Some(mut server) = start("") else {
        return;
    };
    let nats = server.open("p");
    let put = |nats: &Nats| nats.put(Put::new("k", vec![]), 0).wait().unwrap();
    let lease = |nats: &Nats, who: &str| {
        nats.acquire("l", who, Duration::from_secs(60), 0)
            .unwrap()
            .token
    };
    let (etag, token) = (put(&nats), lease(&nats, "one"));
    server.peer.stop();
    server.peer.start_empty().unwrap();
    until_answered(&nats);
    assert!(put(&nats) > etag);
    assert!(lease(&nats, "two") > token);
}

#[test]
fn full_it_refuses_says_so_and_takes_again_when_there_is_room() {
    let Some(server) = start("") else {
        return;
    };
    let small = Options {
        size: 2 << 20,
        ..options(server.peer.url(), "p")
    };
    let nats = Nats::open(&small).unwrap();
    let put = |i: usize| {
        nats.put(Put::new(format!("k{i}"), vec![7; 100_000]), 0)
            .wait()
    };
    let full = (0..100).find_map(|i| put(i).err()).unwrap();
    let said = full.to_string();
    assert!(
        matches!(full, Error::Refused { .. }) && said.contains("raise its max_bytes"),
        "{said}"
    );
    assert!(
        nats.standing()
            .wrong
            .unwrap()
            .contains("the bucket is full")
    );
    assert!(nats.get("k0", 0).unwrap().is_some(), "it can be read");
    for i in 0..100 {
        let _ = nats.delete(&format!("k{i}"), Precondition::Any, 0).wait();
    }
    put(0).unwrap();
    assert_eq!(nats.standing().wrong, None);
    assert_eq!(nats.scan("k", None, 10, 0).unwrap().len(), 1);
}

/// The rights of `docs/engines.md`.
const RIGHTS: &str = r#"
authorization { users: [ { user: u, password: hunter2, permissions: {
  subscribe: ["_INBOX.>"]
  publish: ["_INBOX.>"
    "$JS.API.INFO"
    "$JS.API.STREAM.INFO.KV_p_values", "$JS.API.STREAM.INFO.KV_p_leases"
    "$JS.API.STREAM.CREATE.KV_p_values", "$JS.API.STREAM.CREATE.KV_p_leases"
    "$JS.API.STREAM.MSG.GET.KV_p_values", "$JS.API.STREAM.MSG.GET.KV_p_leases"
    "$JS.API.STREAM.MSG.DELETE.KV_p_values", "$JS.API.DIRECT.GET.KV_p_values"
    "$KV.p_values.>", "$KV.p_leases.>"
    "$JS.API.STREAM.INFO.p_jobs", "$JS.API.STREAM.CREATE.p_jobs", "$JS.API.STREAM.MSG.GET.p_jobs"
    "$JS.API.STREAM.PURGE.p_jobs", "$JS.API.CONSUMER.CREATE.p_jobs", "$JS.API.CONSUMER.MSG.NEXT.p_jobs.>"
    "p_jobs.>"
    "$JS.API.STREAM.INFO.p_events", "$JS.API.STREAM.CREATE.p_events"
    "$JS.API.STREAM.MSG.GET.p_events", "$JS.API.CONSUMER.CREATE.p_events"
    "$JS.API.CONSUMER.MSG.NEXT.p_events.>", "$JS.API.STREAM.PURGE.p_events", "p_events.>"
    "$JS.API.STREAM.INFO.p_topics", "$JS.API.STREAM.CREATE.p_topics"
    "$JS.API.STREAM.MSG.GET.p_topics", "$JS.API.CONSUMER.CREATE.p_topics"
    "$JS.API.CONSUMER.MSG.NEXT.p_topics.>", "$JS.API.STREAM.PURGE.p_topics", "p_topics.>"
  ] } } ] }
"#;

#[test]
fn who_it_is_is_checked_and_nothing_secret_is_shown() {
    let secured = NatsOptions {
        more: RIGHTS,
        encrypted: true,
        ..NatsOptions::default()
    };
    let Some(peer) = there(peers::Nats::start(secured)) else {
        return;
    };
    let open = |host: &str, password: &str, ca: bool| {
        let options = Options {
            ca: ca.then(|| peer.ca().to_owned()),
            ..options(format!("tls://u:{password}@{host}:{}", peer.port()), "p")
        };
        assert!(!format!("{options:?}").contains("hunter2"));
        Nats::open(&options).unwrap()
    };
    let trusted = open("localhost", "hunter2", true);
    let short = Put {
        expires_ms: Some(1),
        ..Put::new("k", vec![1])
    };
    trusted.put(short, 0).wait().unwrap();
    assert_eq!(trusted.count("", 0).unwrap(), 1);
    assert_eq!(trusted.sweep(10, 2).wait().unwrap(), 1);
    let second = Duration::from_secs(1);
    let token = trusted.acquire("l", "me", second, 0).unwrap().token;
    assert!(trusted.release("l", "me", token, 0).unwrap());
    let settings = trusted.settings().unwrap();
    assert_eq!(
        (settings.server.as_str(), settings.buckets.len()),
        ("alone", 2)
    );
    let with_ca = Options {
        ca: Some(peer.ca().to_owned()),
        ..options(format!("tls://u:hunter2@localhost:{}", peer.port()), "p")
    };
    jobs::all_is_done_with_these_rights(&with_ca);
    for (password, ca, advice) in [
        ("hunter2", false, "name the CA's file"),
        ("wrong-hunter2", true, "correct the URL"),
    ] {
        let refused = open("localhost", password, ca)
            .get("k", 0)
            .unwrap_err()
            .to_string();
        assert!(refused.contains(advice), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    for bad in [
        "",
        "nonsense",
        "http://u:hunter2@h",
        "nats://u:hunter2@h:port",
        "nats://u:hunter2@",
        "nats://u:hunter2%zz@h",
    ] {
        let refused = Nats::check(&options(bad.into(), "p"))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("cannot be read") && !refused.contains("hunter2"),
            "{refused}"
        );
    }
    let dotted = Nats::check(&options("nats://h".into(), "a.b")).unwrap_err();
    assert!(dotted.to_string().contains("no dot"), "{dotted}");
}

#[test]
fn a_token_lets_in_and_a_server_without_jetstream_says_so() {
    let secured = NatsOptions {
        jetstream: "enabled: false",
        more: "authorization { token: t0ken }",
        ..NatsOptions::default()
    };
    let Some(peer) = there(peers::Nats::start(secured)) else {
        return;
    };
    let said = |url: String| {
        let nats = Nats::open(&options(url, "p")).unwrap();
        nats.get("k", 0).unwrap_err().to_string()
    };
    let refused = said(peer.url());
    assert!(refused.contains("correct the URL"), "{refused}");
    let none = said(peer.url().replace("://", "://t0ken@"));
    assert!(none.contains("JetStream does not answer"), "{none}");
}

#[test]
fn a_cluster_goes_on_when_the_leader_dies_and_has_all_that_it_acknowledged() {
    let Some(mut peers) = there(peers::Nats::cluster("sync_interval: always")) else {
        return;
    };
    let url = peers.each_ref().map(peers::Nats::url).join(",");
    let nats = Nats::open(&Options {
        replicas: 3,
        ..options(url, "p")
    })
    .unwrap();
    until_answered(&nats);
    let (mut acked, mut numbers) = (Vec::new(), 0..);
    let mut write = |nats: &Nats, many: usize| {
        let (end, goal) = (Instant::now() + Duration::from_secs(60), acked.len() + many);
        for i in numbers.by_ref() {
            let (key, begun) = (format!("k{i}"), Instant::now());
            match nats.put(Put::new(&key, vec![1]), 0).wait() {
                Ok(etag) => acked.push((key, etag)),
                // Nothing is known of it: it counts for nothing.
                Err(Error::Away { .. } | Error::Refused { .. }) => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(e) => panic!("{e}"),
            }
            assert!(begun.elapsed() < BOUNDED);
            assert!(Instant::now() < end, "{:?}", nats.standing());
            if acked.len() == goal {
                break;
            }
        }
    };
    write(&nats, 50);
    let servers = nats.settings().unwrap().buckets[0].servers.clone();
    assert_eq!(servers.len(), 3);
    let leader = ["a", "b", "c"].iter().position(|n| *n == servers[0]);
    let leader = leader.unwrap();
    peers[leader].stop();
    write(&nats, 50);
    for (key, etag) in &acked {
        assert_eq!(nats.get(key, 0).unwrap().unwrap().etag, *etag, "{key}");
    }
    peers[leader].start_again().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !nats
        .settings()
        .is_ok_and(|s| s.buckets.len() == 2 && s.buckets.iter().all(|b| b.behind.is_empty()))
    {
        assert!(Instant::now() < end, "{:?}", nats.settings());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A server that says that it is one of Debian 12, and nothing else.
#[test]
fn a_server_that_is_too_old_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let info = r#"{"server_id":"A","server_name":"old","version":"2.9.10","go":"go1.19","host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576,"proto":1,"client_id":1}"#;
            let _ = write!(stream, "INFO {info}\r\n");
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for line in lines.map_while(Result::ok) {
                if line.starts_with("PING") && stream.write_all(b"PONG\r\n").is_err() {
                    break;
                }
            }
        }
    });
    let nats = Nats::open(&options(format!("nats://{at}"), "p")).unwrap();
    let said = nats.get("k", 0).unwrap_err().to_string();
    assert!(said.contains("2.9.10 is too old"), "{said}");
}

/// NATS' own client for Python, where `cargo xtask test` has installed it.
const CLIENT: &str = r#"
import asyncio, sys, nats

async def main(url, bucket, key):
    nc = await nats.connect(url)
    kv = await nc.jetstream().key_value(bucket)
    entry = await kv.get(key)
    print(entry.revision, entry.value.decode())
    print(await kv.update(key, b"theirs", last=entry.revision))
    print(sorted(await kv.keys()))
    try:
        await kv.get("state.carts.gone")
    except nats.js.errors.KeyNotFoundError:
        print("gone")
    await nc.close()

asyncio.run(main(*sys.argv[1:]))
"#;

#[test]
fn a_client_of_nats_reads_what_we_wrote_and_we_what_it_wrote() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(peers::NATS_FOLDER)
        .join("venv/bin/python");
    let Some(server) = start("") else {
        return;
    };
    if !python.exists() {
        eprintln!("NOT TESTED: NATS' client for Python is missing: `cargo xtask test` installs it");
        return;
    }
    let nats = server.open("shop");
    let put = |key: &str| nats.put(Put::new(key, b"ours".to_vec()), 0).wait().unwrap();
    let etag = put("state/carts/ann");
    put("state/carts/gone");
    let gone = nats.delete("state/carts/gone", Precondition::Any, 0);
    assert!(gone.wait().unwrap());
    let (bucket, key) = nats.place_of("state/carts/ann");
    let out = Command::new(python)
        .args(["-c", CLIENT, &server.peer.url(), &bucket, &key])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    let found = nats.get("state/carts/ann", 0).unwrap().unwrap();
    let read = format!("{} ours", etag.0);
    let written = found.etag.0.to_string();
    assert_eq!(
        lines,
        [&read, &written, "['state.carts.ann']", "gone"],
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(found.value, b"theirs");
}

#[test]
fn how_streams_are_stored_is_seen_of_jobs_and_events_too() {
    let Some(server) = start("") else {
        return;
    };
    let memory = r#"{"name":"p_jobs","subjects":["p_jobs.>"],"storage":"memory","discard":"new","max_msgs_per_subject":1,"allow_atomic":true,"allow_msg_ttl":true}"#;
    let early =
        r#"{"name":"p_events","subjects":["p_events.>"],"storage":"file","persist_mode":"async"}"#;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(server.peer.url()).await.unwrap();
        for (name, config) in [("p_jobs", memory), ("p_events", early)] {
            let subject = format!("$JS.API.STREAM.CREATE.{name}");
            let made = client.request(subject, config.into()).await.unwrap();
            let made = String::from_utf8_lossy(&made.payload).into_owned();
            assert!(!made.contains("\"error\""), "{made}");
        }
    });
    let looks = Nats::open_to_look(&options(server.peer.url(), "p"));
    let told = looks.and_then(|nats| nats.settings()).unwrap();
    assert_eq!(told.missing, ["KV_p_values", "KV_p_leases", "p_topics"]);
    let [jobs, events] = told.buckets.as_slice() else {
        panic!("{told:?}");
    };
    assert!(jobs.in_memory && !jobs.acks_early && jobs.lacks.is_none());
    assert!(!events.in_memory && events.acks_early && events.drops_old);
    assert_eq!((events.lacks, told.too_old), (Some("discard `new`"), None));
}
