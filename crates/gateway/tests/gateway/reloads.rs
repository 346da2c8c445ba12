//! A thousand generations under load, with two hundred tunnels open: nothing is lost.

use crate::common::*;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

const RELOADS: u64 = 1000;
const TUNNELS: usize = 200;
const CLIENTS: usize = 4;

#[test]
fn a_thousand_reloads_lose_no_request_and_no_tunnel() {
    let upstream = Upstream::start(|mut stream| {
        let mut buffer = Vec::new();
        while let Some((head, _)) = read_request(&mut stream, &mut buffer) {
            if header(&head, "upgrade").is_none() {
                stream.write_all(&ok(b"ok")).unwrap_or(());
                continue;
            }
            let yes = b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
            stream.write_all(yes).unwrap_or(());
            let mut chunk = [0; 64];
            while let Ok(n @ 1..) = stream.read(&mut chunk) {
                stream.write_all(&chunk[..n]).unwrap_or(());
            }
            return;
        }
    });
    let running = Running::with(config(&[upstream.address]));
    let tunnel = |_| {
        let mut client = running.client();
        client.send("GET /t HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        assert_eq!(client.try_answer(false).unwrap().status, 101);
        client
    };
    let mut tunnels: Vec<Client> = (0..TUNNELS).map(tunnel).collect();
    let (stop, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let asking = |_| {
        let (mut client, stop, answered) = (running.client(), stop.clone(), answered.clone());
        std::thread::spawn(move || {
            while !stop.load(SeqCst) {
                let answer = client
                    .try_get("/p")
                    .expect("an answer on a kept connection");
                assert_eq!(answer.status, 200);
                answered.fetch_add(1, SeqCst);
            }
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(asking).collect();
    for number in 2..=RELOADS {
        let mut next = config(&[upstream.address]);
        next.limits.headers = 50 + (number % 50) as usize;
        // A route comes and goes with every other one.
        if number % 2 == 0 {
            next.routes.push(route("other", "s", &["other"]));
        }
        running.gateway.apply(generation(number, next));
        let before = answered.load(SeqCst);
        until("an answer in this generation", || {
            answered.load(SeqCst) > before
        });
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.join().unwrap();
    }
    for client in &mut tunnels {
        client.send("ping");
        let mut back = [0; 4];
        client.stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ping");
    }
    assert_eq!(running.gateway.gauges().generation, RELOADS);
}
