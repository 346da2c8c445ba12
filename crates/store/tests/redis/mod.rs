//! The engine `redis` against the suites on a real server, and what only a server can get wrong.

mod second;

use crate::remote::{self, Remote};
use crate::suite;
use peers::there;
use std::time::Duration;
use store::redis::{Options, Redis};
use store::{Counter, Error, Kv, Lease, Put, Quota, Take};

type Server = remote::Server<Redis>;

fn options(url: String, prefix: &str) -> Options {
    Options {
        url,
        ca: None,
        prefix: prefix.into(),
    }
}

impl Remote for Redis {
    type Peer = peers::Redis;
    fn open(peer: &peers::Redis, prefix: &str) -> Redis {
        Redis::open(&options(peer.url(), prefix)).unwrap()
    }
    fn prefix(&self) -> &str {
        self.prefix()
    }
}

fn start(settings: &[[&str; 2]]) -> Option<Server> {
    there(peers::Redis::start(settings)).map(Server::of)
}

#[test]
fn redis_is_a_kv_and_counts_and_gives_leases() {
    let Some(server) = start(&[]) else {
        return;
    };
    suite::kv::all(&server);
    suite::counter::all(&server);
    suite::lease::all(&server);
}

fn one() -> Take {
    Take {
        key: "k".into(),
        group: "g".into(),
        quota: Quota::new(1000.0, 1000),
        want: 1000,
        least: 1000,
    }
}

fn until_answered(redis: &Redis) {
    remote::until_answered(
        || redis.take(one(), 0).wait().is_ok() && redis.get("k", 0).is_ok(),
        || redis.standing(),
    );
}

/// Every call fails, in time, and soon at once.
fn fails_in_time(redis: &Redis) {
    remote::fail_in_time(
        || {
            assert!(matches!(
                redis.take(one(), 0).wait(),
                Err(Error::Away { .. })
            ));
            assert!(matches!(redis.get("k", 0), Err(Error::Away { .. })));
        },
        || {
            assert!(redis.take(one(), 0).wait().is_err());
            assert!(redis.put(Put::new("k", vec![1]), 0).wait().is_err());
        },
    );
    assert!(redis.standing().wrong.is_some());
}

#[test]
fn killed_and_stalled_it_fails_in_time_and_comes_back_by_itself() {
    let Some(mut server) = start(&[["appendonly", "yes"], ["appendfsync", "always"]]) else {
        return;
    };
    let redis = server.open("p");
    let before = redis
        .put(Put::new("k", b"kept".to_vec()), 0)
        .wait()
        .unwrap();
    let held = redis
        .acquire("l", "me", Duration::from_secs(600), 0)
        .unwrap();
    // Connections are bounded, and stay so while it is away.
    let ours = || {
        server
            .peer
            .commands("CLIENT LIST")
            .unwrap()
            .matches(" name=")
            .count()
            - 1
    };
    assert_eq!(ours(), 2);

    server.peer.stall(true);
    fails_in_time(&redis);
    server.peer.stall(false);
    until_answered(&redis);

    server.peer.stop();
    fails_in_time(&redis);
    remote::until_wrong("is it running", || redis.standing().wrong);
    server.peer.start_again().unwrap();
    until_answered(&redis);
    assert_eq!(redis.standing().wrong, None);
    // What it kept on its disk is there, and nothing is given out twice.
    assert_eq!(redis.get("k", 0).unwrap().unwrap().etag, before);
    assert!(redis.put(Put::new("k", vec![]), 0).wait().unwrap() > before);
    assert_eq!(redis.holder("l", 0).unwrap().unwrap().token, held.token);
    // Scripts that it was told to forget are given to it again.
    server.peer.commands("SCRIPT FLUSH").unwrap();
    assert!(redis.take(one(), 0).wait().is_ok());
    let ours = server
        .peer
        .commands("CLIENT LIST")
        .unwrap()
        .matches(" name=")
        .count()
        - 1;
    assert_eq!(ours, 2);
}

#[test]
fn a_server_that_lost_everything_gives_no_etag_and_no_token_twice() {
    let Some(server) = start(&[]) else {
        return;
    };
    let redis = server.open("p");
    let put = || redis.put(Put::new("k", vec![]), 0).wait().unwrap();
    let lease = |who: &str| redis.acquire("l", who, Duration::from_secs(60), 0).unwrap();
    let (etag, token) = (put(), lease("one").token);
    server.peer.commands("FLUSHALL").unwrap();
    assert!(put() > etag);
    assert!(lease("two").token > token);
}

#[test]
fn full_it_refuses_says_so_and_takes_again_when_there_is_room() {
    let settings = [["maxmemory", "3mb"], ["maxmemory-policy", "noeviction"]];
    let Some(server) = start(&settings) else {
        return;
    };
    let redis = server.open("p");
    let put = |i: usize| {
        redis
            .put(Put::new(format!("k{i}"), vec![7; 100_000]), 0)
            .wait()
    };
    let full = (0..100).find_map(|i| put(i).err()).unwrap();
    let said = full.to_string();
    assert!(
        matches!(full, Error::Refused { .. }) && said.contains("raise maxmemory"),
        "{said}"
    );
    assert!(redis.standing().wrong.unwrap().contains("memory is full"));
    assert!(redis.get("k0", 0).unwrap().is_some(), "it can be read");
    for i in 0..100 {
        let _ = redis
            .delete(&format!("k{i}"), store::Precondition::Any, 0)
            .wait();
    }
    put(0).unwrap();
    assert_eq!(redis.standing().wrong, None);
    assert_eq!(redis.scan("k", None, 10, 0).unwrap().len(), 1);
}

#[test]
fn who_it_is_is_checked_and_nothing_secret_is_shown() {
    let Some(peer) = there(peers::Redis::start_encrypted(&[["requirepass", "hunter2"]])) else {
        return;
    };
    let url = |host: &str, password: &str| {
        let place = peer.encrypted_url(host);
        place.replace("rediss://", &format!("rediss://:{password}@"))
    };
    let open = |host: &str, password: &str, ca: bool| {
        let options = Options {
            ca: ca.then(|| peer.ca().to_owned()),
            ..options(url(host, password), "p")
        };
        assert!(!format!("{options:?}").contains("hunter2"));
        Redis::open(&options).unwrap()
    };
    let trusted = open("localhost", "hunter2", true);
    assert!(trusted.put(Put::new("k", vec![1]), 0).wait().is_ok());
    assert_eq!(trusted.settings().unwrap().role, "master");
    for (host, password, ca, advice) in [
        ("localhost", "hunter2", false, "name the CA's file"),
        ("127.0.0.1", "hunter2", true, "another name"),
        ("localhost", "wrong-hunter2", true, "correct the URL"),
    ] {
        let refused = open(host, password, ca)
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
        "redis://u:hunter2@h:port",
    ] {
        let refused = Redis::open(&options(bad.into(), "p"))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("cannot be read") && !refused.contains("hunter2"),
            "{refused}"
        );
    }
}
