//! The second level of caches on a real server: what is heard, what outdates what, and what happens when data is lost.

use super::start;
use peers::Redis as Peer;
use std::time::Duration;
use store::second::{About, Heard, Position, Stored, Storing, VARIANTS};
use store::{SecondLevel, redis::Second};

fn open(peer: &Peer) -> Second {
    Second::open(&super::options(peer.url(), "p")).unwrap()
}

/// Its first call may come before it is connected.
fn begun(second: &Second) -> Heard {
    for _ in 0..1000 {
        if let Ok(heard) = second.hear(None).wait() {
            return heard;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it is never heard");
}

fn hear(second: &Second, from: &Position) -> Heard {
    second.hear(Some(from)).wait().unwrap()
}

fn tell(second: &Second, about: About, body: &str) {
    second.tell(about, body.as_bytes().to_vec()).wait().unwrap();
}

fn storing(epoch: u64, number: u64, variant: &str, record: &str) -> Storing {
    Storing {
        epoch,
        number,
        key: "k".into(),
        variant: variant.into(),
        cells: vec![7, 9],
        record: record.as_bytes().to_vec(),
        ttl: Duration::from_secs(60),
    }
}

fn records(all: &[Stored]) -> Vec<String> {
    let text = |s: &Stored| String::from_utf8(s.record.clone()).unwrap();
    all.iter().map(text).collect()
}

#[test]
fn changes_are_heard_in_order_and_outdate_what_was_asked_for_before() {
    let Some(server) = start(&[]) else {
        return;
    };
    let [one, other] = [open(&server.peer), open(&server.peer)];
    let first = begun(&one);
    assert!(first.is_gap && first.changes.is_empty());
    let at = begun(&other).position;
    assert_eq!(at, first.position);
    let epoch = at.epoch;

    let put = |s: Storing| one.store(s).wait();
    while one.store(storing(epoch, 0, "v", "bound\n")).wait().is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let get = || other.fetch(epoch, "k").wait().unwrap();
    assert_eq!(records(&get()), ["bound\n"]);
    assert_eq!(put(storing(epoch, 1, "v", "from the future")), Ok(false));
    assert_eq!(
        put(storing(epoch + 1, 0, "v", "of another epoch")),
        Ok(false)
    );

    tell(&one, About::Cell(8), "another");
    assert_eq!(records(&get()), ["bound\n"]);
    tell(&one, About::Cell(9), "its own");
    assert!(get().is_empty());
    tell(&one, About::Purge, "purge with blanks");
    let heard = hear(&other, &at);
    let bodies: Vec<_> = (heard.changes.iter())
        .map(|c| (c.number, std::str::from_utf8(&c.body).unwrap()))
        .collect();
    assert_eq!(
        bodies,
        [(1, "another"), (2, "its own"), (3, "purge with blanks")]
    );
    assert!(!heard.is_gap);
    assert!(hear(&other, &heard.position).changes.is_empty());

    // Newer than what is there, and not replaced by what is older.
    assert_eq!(put(storing(epoch, 3, "v", "new")), Ok(true));
    assert_eq!(put(storing(epoch, 2, "v", "late")), Ok(false));
    assert_eq!(records(&get()), ["new"]);
    for i in 0..VARIANTS {
        assert_eq!(put(storing(epoch, 3, &i.to_string(), "more")), Ok(true));
    }
    assert_eq!(get().len(), VARIANTS);
    assert!(get().iter().all(|s| s.since < Duration::from_secs(60)));

    // Who comes later knows the purges.
    let late = begun(&open(&server.peer));
    assert!(late.is_gap && late.position == heard.position);
    assert_eq!(late.changes, heard.changes[2..]);
}

#[test]
fn what_is_lost_is_noticed_and_begins_anew() {
    let settings = [["appendonly", "yes"], ["appendfsync", "always"]];
    let Some(mut server) = start(&settings) else {
        return;
    };
    let second = open(&server.peer);
    let at = begun(&second).position;
    tell(&second, About::Cell(1), "kept");
    let kept = hear(&second, &at).position;
    server.peer.stop();
    assert!(second.hear(Some(&kept)).wait().is_err());
    server.peer.start_again().unwrap();
    let heard = loop {
        match second.hear(Some(&kept)).wait() {
            Ok(heard) => break heard,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert_eq!((heard.is_gap, &heard.position), (false, &kept));

    // The last of what it had is gone, and something else has its number.
    tell(&second, About::Cell(1), "lost");
    let lost = hear(&second, &kept).position;
    server
        .peer
        .commands("HSET p:cache:order n 1\r\nRPOP p:cache:changes")
        .unwrap();
    tell(&second, About::Cell(1), "another");
    let anew = hear(&second, &lost);
    assert!(anew.is_gap && anew.position.epoch > lost.epoch && anew.position.number == 0);

    server.peer.commands("FLUSHALL").unwrap();
    let empty = hear(&second, &anew.position);
    assert!(empty.is_gap && empty.position.epoch > anew.position.epoch);
    // More than is remembered was missed.
    for i in 0..store::second::CHANGES + 1 {
        let _ = second.tell(About::Cell(1), vec![b'x'; i % 3]).wait();
    }
    let missed = hear(&second, &empty.position);
    assert!(missed.is_gap && missed.position.epoch == empty.position.epoch);
    assert!(!hear(&second, &missed.position).is_gap);
}
