//! What instances are told, and which connections to them are used again.

use crate::common::*;
use crate::http2::client;
use gateway::proxy_protocol::{Ends, Parsed, parse};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

/// Reads one header off a connection. The rest stays.
fn header(stream: &mut TcpStream) -> Option<Ends> {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
        match parse(&bytes).unwrap() {
            Parsed::Partial => {}
            Parsed::Whole { ends, .. } => return ends,
        }
    }
}

/// Answers each request with who its connection's header names, and counts connections that have ended.
struct Told {
    upstream: Upstream,
    ended: Arc<Mutex<Vec<Option<Ends>>>>,
}

fn told() -> Told {
    let ended: Arc<Mutex<Vec<Option<Ends>>>> = Arc::default();
    let gone = ended.clone();
    let upstream = Upstream::start(move |mut stream| {
        let ends = header(&mut stream);
        let mut buffer = Vec::new();
        while read_request(&mut stream, &mut buffer).is_some() {
            let who = ends.map_or("nobody".to_owned(), |e| format!("{} {}", e.from, e.to));
            stream.write_all(&ok(who.as_bytes())).unwrap();
        }
        gone.lock().unwrap().push(ends);
    });
    Told { upstream, ended }
}

impl Told {
    fn connections(&self) -> usize {
        let all = &self.upstream.connections;
        all.load(std::sync::atomic::Ordering::SeqCst)
    }
}

fn before(told: &Told) -> Running {
    let mut config = config(&[told.upstream.address]);
    config.services[0].proxy_protocol = true;
    Running::of(generation(1, config), 1)
}

fn local(client: &Client) -> SocketAddr {
    client.stream.local_addr().unwrap()
}

#[test]
fn a_connection_to_an_instance_is_one_client_s_and_ends_with_it() {
    let told = told();
    let running = before(&told);
    let at = running.gateway.address();
    let (mut a, mut b) = (running.client(), running.client());
    for _ in 0..3 {
        for client in [&mut a, &mut b] {
            let seen = client.get("/").text();
            assert_eq!(seen, format!("{} {at}", local(client)));
        }
    }
    assert_eq!(told.connections(), 2, "one for each client");
    let from = local(&a);
    a.hang_up();
    until("the first has ended", || {
        !told.ended.lock().unwrap().is_empty()
    });
    assert_eq!(told.ended.lock().unwrap()[0].unwrap().from, from);
    b.get("/");
    assert_eq!(
        (told.connections(), told.ended.lock().unwrap().len()),
        (2, 1)
    );
}

#[tokio::test]
async fn streams_of_one_client_share_its_connections() {
    let told = told();
    let running = before(&told);
    let (sender, ended) = client::connect(running.gateway.address()).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(client::ask(&sender, client::get("/")).await.unwrap().text());
    }
    assert!(
        seen.iter().all(|s| *s == seen[0] && s != "nobody"),
        "{seen:?}"
    );
    assert_eq!(told.connections(), 1);
    drop(sender);
    client::soon(ended).await.unwrap().unwrap();
    until("it has ended", || told.ended.lock().unwrap().len() == 1);
}

#[test]
fn a_check_speaks_for_itself() {
    let told = told();
    let mut config = config(&[told.upstream.address]);
    config.services[0].proxy_protocol = true;
    config.services[0].health.path = Some("/health".to_owned());
    let running = Running::looking(config, 1);
    until("a check", || !told.ended.lock().unwrap().is_empty());
    assert_eq!(told.ended.lock().unwrap()[0], None);
    let pools = running.gateway.gauges().pools;
    assert!(pools[0].usable, "{pools:?}");
    drop(running);
}

#[test]
fn the_next_client_of_the_same_balancer_is_another_client() {
    use config::Cidr;
    use config::sections::ProxyProtocol;
    let told = told();
    let mut config = config(&[told.upstream.address]);
    config.services[0].proxy_protocol = true;
    config.proxy_protocol = Some(ProxyProtocol {
        from: vec![Cidr::parse("127.0.0.0/8").unwrap()],
        unix: false,
    });
    let running = Running::of(generation(1, config), 1);
    let mut one = running.client();
    let seen = one.send(super::V1).get("/").text();
    assert_eq!(seen, "192.0.2.7:51000 198.51.100.1:443");
    let mut other = running.client();
    let seen = other.send(super::v2(9)).get("/").text();
    assert_eq!(seen, "192.0.2.9:51000 198.51.100.1:443");
}
