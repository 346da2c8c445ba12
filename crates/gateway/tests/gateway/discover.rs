//! Instances given by name, with a name server of the test's own on loopback.

use crate::common::*;
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, RCODE, ResourceRecord};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// What the server says of every name: last parts of 127.0.0.0/24, or a failure.
type Says = Arc<Mutex<Option<Vec<u8>>>>;

struct NameServer {
    at: SocketAddr,
    says: Says,
    asked: Arc<AtomicUsize>,
}

/// Its answers hold for a second, the shortest time there is.
fn name_server() -> NameServer {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = NameServer {
        at: socket.local_addr().unwrap(),
        says: Arc::default(),
        asked: Arc::default(),
    };
    let (says, asked) = (server.says.clone(), server.asked.clone());
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((n, from)) = socket.recv_from(&mut buffer) {
            let question = Packet::parse(&buffer[..n]).unwrap();
            let v4 = question.questions[0].qtype == simple_dns::TYPE::A.into();
            let name = question.questions[0].qname.clone();
            let mut answer = question.into_reply();
            answer.set_flags(PacketFlag::RESPONSE);
            match says.lock().unwrap().as_ref() {
                None => *answer.rcode_mut() = RCODE::ServerFailure,
                Some(all) if v4 => {
                    for last in all {
                        let address = Ipv4Addr::new(127, 0, 0, *last).to_bits();
                        let data = RData::A(A { address });
                        let record = ResourceRecord::new(name.clone(), CLASS::IN, 1, data);
                        answer.answers.push(record);
                    }
                }
                Some(_) => {}
            }
            asked.fetch_add(1, SeqCst);
            socket
                .send_to(&answer.build_bytes_vec().unwrap(), from)
                .unwrap();
        }
    });
    server
}

impl NameServer {
    fn say(&self, last: Option<&[u8]>) {
        *self.says.lock().unwrap() = last.map(<[u8]>::to_vec);
    }

    /// Two more questions, one for each kind of address, have been answered as it says now.
    fn asked_again(&self) {
        let before = self.asked.load(SeqCst);
        until("another question", || self.asked.load(SeqCst) >= before + 4);
    }
}

#[test]
fn instances_come_and_go_with_the_answers_and_stay_when_dns_fails() {
    // The same port on two addresses of loopback.
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let [_first, _second] = [(first, "1"), (second, "2")].map(|(listener, name)| {
        Upstream::on(listener, move |mut stream| {
            let mut buffer = Vec::new();
            while read_request(&mut stream, &mut buffer).is_some() {
                std::io::Write::write_all(&mut stream, &ok(name.as_bytes())).unwrap_or(());
            }
        })
    });
    let dns = name_server();
    dns.say(Some(&[1]));
    let mut c = config(&[]);
    c.nameserver = Some(dns.at);
    c.services[0].names = vec![format!("app.test:{port}").parse().unwrap()];
    let running = Running::looking(c.clone(), 2);
    until("the first answer", || running.gateway.has_asked_names());
    let known = || -> Vec<u8> {
        let all = running.gateway.instances().into_iter();
        let last = |a: SocketAddr| match a {
            SocketAddr::V4(a) => a.ip().octets()[3],
            SocketAddr::V6(_) => 0,
        };
        all.filter_map(|(_, _, a)| a.ip()).map(last).collect()
    };
    let mut client = running.client();
    let mut who = || client.get("/").text();
    assert_eq!((known(), who()), (vec![1], "1".into()));

    dns.say(Some(&[2, 1]));
    until("the second instance", || known() == [1, 2]);
    until("its first request", || who() == "2");

    dns.say(Some(&[2]));
    until("the first one to go", || known() == [2]);
    assert_eq!([who(), who(), who()], ["2", "2", "2"]);

    dns.say(None);
    dns.asked_again();
    assert_eq!((known(), who()), (vec![2], "2".into()));
    dns.say(Some(&[]));
    dns.asked_again();
    assert_eq!(known(), [2], "an empty answer is a mistake");

    // A reload keeps what was found.
    running.gateway.apply(generation(2, c));
    assert_eq!((known(), who()), (vec![2], "2".into()));
    let counted = |what: &str| {
        let all = running.gateway.gauges().decisions;
        let one = all.iter().find(|d| d.gate == "dns" && d.what == what);
        one.map_or(0, |d| d.count)
    };
    let counts = ["failed", "changed"].map(counted);
    assert!(counts[0] >= 2 && counts[1] == 3, "{counts:?}");
}
