//! Connections that are made up, and one that is real.

use super::*;
use crate::probes::Targets;
use crate::probes::procfs::fake::shop;
use base::Names;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

fn conn(cookie: u64, local: u16, peer: u16, busy: f64, receiver: f64) -> Conn {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Conn {
        cookie,
        local: at(local),
        peer: at(peer),
        info: Info {
            busy,
            receiver,
            sent: 100.0 * busy,
            again: 2.0 * busy,
            ..Info::default()
        },
    }
}

fn answers(connections: Vec<Conn>, done: bool) -> Answers {
    Answers {
        connections,
        done,
        error: None,
    }
}

#[test]
fn sums_become_differences_and_new_connections_count_whole() {
    let mut a = Account::default();
    let at = Nanos::from_secs_f64;
    let who = |_: &Conn| Some(InstanceIx::NONE);
    let mut take = |s: f64, all: Vec<Conn>| {
        let sums = a.take(at(s), &answers(all, true), who);
        sums.get(&InstanceIx::NONE)
            .map(|s| (s.connections, s.grown.busy, s.grown.receiver))
    };
    // Whatever was before we looked is nobody's second.
    assert_eq!(
        take(1.0, vec![conn(1, 80, 1, 50.0, 40.0)]),
        Some((1.0, 0.0, 0.0))
    );
    let both = vec![conn(1, 80, 1, 50.5, 40.25), conn(2, 80, 2, 0.5, 0.25)];
    assert_eq!(take(2.0, both), Some((2.0, 1.0, 0.5)));
    // An old one that was out of sight, and a sum that falls.
    let odd = vec![conn(3, 80, 3, 9.0, 9.0), conn(1, 80, 1, 1.0, 0.0)];
    assert_eq!(take(3.0, odd), Some((2.0, 0.0, 0.0)));
    assert_eq!(take(4.0, vec![]), None);
}

#[test]
fn a_long_round_is_taken_in_parts() {
    let mut a = Account::default();
    let who = |_: &Conn| Some(InstanceIx::NONE);
    let mut grown = |s: f64, cookies: std::ops::Range<u64>, busy: f64, done: bool| {
        let all = cookies.map(|c| conn(c, 80, c as u16, busy, 0.0)).collect();
        let sums = a.take(Nanos::from_secs_f64(s), &answers(all, done), who);
        let s = sums[&InstanceIx::NONE];
        (s.grown.busy, s.seconds)
    };
    grown(1.0, 0..10, 5.0, false);
    grown(2.0, 10..20, 5.0, true);
    assert_eq!(grown(3.0, 0..10, 6.0, false), (10.0, 20.0));
    assert_eq!(
        grown(4.0, 10..20, 7.0, true),
        (20.0, 20.0),
        "of two seconds"
    );
    // More than are remembered are counted, and tell nothing, in no round.
    grown(5.0, 0..TRACKED as u64 + 10, 8.0, true);
    let beyond = 1_000_000..1_000_010;
    assert_eq!(grown(6.0, beyond, 0.1, true), (0.0, 0.0));
    assert!(a.seen.len() <= TRACKED);
}

#[test]
fn slow_clients_and_instances_are_told_apart() {
    let second = |s: f64| {
        let list = vec![
            conn(1, 80, 9999, s, 0.8 * s),
            // To the instance of `shop`, and somebody else's.
            conn(2, 7777, 1, s, 0.0),
            conn(3, 1, 7777, s, s),
        ];
        Ok((answers(list, true), Duration::ZERO))
    };
    let script = vec![second(1.0), second(2.0), Err("no netlink socket".into())];
    let targets = Targets {
        ports: vec![80],
        ..shop()
    };
    let names = Names::default();
    let mut script = script.into_iter();
    let ask = move || script.next().unwrap_or_else(|| Err("it is over".into()));
    let mut probe = ConnectionsProbe::of(Box::new(ask));
    let mut read = |s: f64| {
        let mut r = Reading::new(Nanos::from_secs_f64(s), &targets, &names);
        probe.read(&mut r);
        (r.cells, r.signals, r.notes)
    };
    assert!(read(1.0).0.is_empty());
    let (cells, signals, _) = read(2.0);
    let name = |i: base::ResourceIx| names.resources.name(i).unwrap().to_string();
    let told: Vec<_> = cells.iter().map(|c| (name(c.resource), c.busy)).collect();
    assert_eq!(
        told,
        [
            ("peers.shop".to_owned(), 0.0),
            ("peers.clients".to_owned(), 0.8)
        ]
    );
    let of = |resource: &str, signal| {
        let mut mine = signals
            .iter()
            .filter(|s| name(s.resource) == resource && s.signal == signal);
        mine.next().map(|s| s.value)
    };
    assert_eq!(of("peers.clients", Signal::ReceiverLimited), Some(0.8));
    assert_eq!(of("peers.clients", Signal::Sending), Some(1.0));
    assert_eq!(of("peers.shop", Signal::Retransmits), Some(0.02));
    let (cells, _, notes) = read(3.0);
    assert!(cells.is_empty() && notes[0].blind && notes[0].text.contains("no netlink"));
}

/// The real kernel says of a real connection that its reader holds it up, where it lets us ask.
#[test]
fn a_reader_that_does_not_read_is_seen_by_the_kernel() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    let mut kernel = Kernel::default();
    let deadline = Instant::now() + Duration::from_secs(10);
    let limited = loop {
        let block = [0u8; 64 << 10];
        while server.write(&block).is_ok() {}
        let mut mine = None;
        let mut done = false;
        while !done {
            match kernel.look() {
                Ok(a) => {
                    done = a.done;
                    let ours = |c: &Conn| c.local.port() == port;
                    mine = mine.or(a.connections.into_iter().find(ours));
                }
                Err(why) => {
                    println!("not here: {why}");
                    return;
                }
            }
        }
        let info = mine.unwrap().info;
        if info.receiver > 0.2 || Instant::now() > deadline {
            break info;
        }
        std::thread::yield_now();
    };
    assert!(
        limited.receiver > 0.2 && limited.receiver <= limited.busy,
        "{limited:?}"
    );
    drop(server);
    let mut rest = Vec::new();
    let mut client = client;
    client.read_to_end(&mut rest).unwrap();
}
