//! One question to a name server over UDP, and what of its answer can be believed.

use super::core::{Answer, MOST};
use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;

/// Time for one server to answer.
const LONGEST: Duration = Duration::from_secs(2);
/// Largest answer over UDP that passes everywhere (DNS flag day 2020).
const LARGEST: u16 = 1232;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    V4,
    V6,
}

/// Asks one server after the other.
pub async fn ask(servers: &[SocketAddr], host: &str, kind: Kind) -> Result<Answer, String> {
    let mut why = "there is no name server".to_owned();
    for server in servers {
        let asked = tokio::time::timeout(LONGEST, ask_one(*server, host, kind)).await;
        match asked {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(e)) => why = format!("{server}: {e}"),
            Err(_) => why = format!("{server}: no answer in {} s", LONGEST.as_secs()),
        }
    }
    Err(why)
}

async fn ask_one(server: SocketAddr, host: &str, kind: Kind) -> io::Result<Answer> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    // A port of its own for each question, and a number: hard to guess for who would like to answer in its stead.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    let id = std::hash::RandomState::new().hash_one(host) as u16;
    let question = question(id, host, kind).map_err(io::Error::other)?;
    socket.send(&question).await?;
    let mut buffer = [0; LARGEST as usize];
    loop {
        let n = socket.recv(&mut buffer).await?;
        // What is no answer to this question is passed over.
        if let Some(answer) = read(&buffer[..n], id, host, kind) {
            return answer.map_err(io::Error::other);
        }
    }
}

fn question(id: u16, host: &str, kind: Kind) -> simple_dns::Result<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let (name, qtype) = (Name::new(host)?, QTYPE::TYPE(record(kind)));
    packet
        .questions
        .push(Question::new(name, qtype, QCLASS::CLASS(CLASS::IN), false));
    *packet.opt_mut() = Some(OPT {
        opt_codes: Vec::new(),
        udp_packet_size: LARGEST,
        version: 0,
    });
    packet.build_bytes_vec()
}

fn record(kind: Kind) -> TYPE {
    match kind {
        Kind::V4 => TYPE::A,
        Kind::V6 => TYPE::AAAA,
    }
}

/// `None`: no answer to this question.
fn read(bytes: &[u8], id: u16, host: &str, kind: Kind) -> Option<Result<Answer, String>> {
    let packet = Packet::parse(bytes).ok()?;
    let asked = packet.questions.first()?;
    let ours = packet.id() == id
        && packet.has_flags(PacketFlag::RESPONSE)
        && asked.qname.to_string().eq_ignore_ascii_case(host)
        && asked.qtype == QTYPE::TYPE(record(kind));
    if !ours {
        return None;
    }
    if packet.rcode() != RCODE::NoError {
        return Some(Err(format!("it says {:?}", packet.rcode())));
    }
    // Aliases come with what they stand for, so the names of the records do not matter.
    let mut answer = Answer {
        addresses: Vec::new(),
        ttl: Duration::MAX,
    };
    for one in packet.answers.iter().filter(|r| r.class == CLASS::IN) {
        let address: IpAddr = match &one.rdata {
            RData::A(a) if kind == Kind::V4 => Ipv4Addr::from(a.address).into(),
            RData::AAAA(a) if kind == Kind::V6 => Ipv6Addr::from(a.address).into(),
            RData::CNAME(_) => {
                answer.ttl = answer.ttl.min(Duration::from_secs(one.ttl.into()));
                continue;
            }
            _ => continue,
        };
        answer.ttl = answer.ttl.min(Duration::from_secs(one.ttl.into()));
        if answer.addresses.len() < MOST {
            answer.addresses.push(address);
        }
    }
    Some(Ok(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, CNAME};

    fn answer(id: u16, host: &str, records: &[(&str, u32, RData<'static>)]) -> Vec<u8> {
        let asked = question(id, host, Kind::V4).unwrap();
        let mut packet = Packet::parse(&asked).unwrap().into_reply();
        packet.set_flags(PacketFlag::RESPONSE);
        for (name, ttl, data) in records {
            let name = Name::new_unchecked(name);
            let record = ResourceRecord::new(name, CLASS::IN, *ttl, data.clone());
            packet.answers.push(record);
        }
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn an_alias_and_its_addresses_are_one_answer_with_the_shortest_life() {
        let a = |n: u8| {
            RData::A(A {
                address: u32::from_be_bytes([10, 0, 0, n]),
            })
        };
        let alias = RData::CNAME(CNAME(Name::new_unchecked("b.test")));
        let bytes = answer(
            7,
            "a.test",
            &[
                ("a.test", 20, alias),
                ("b.test", 60, a(1)),
                ("b.test", 9, a(2)),
            ],
        );
        let got = read(&bytes, 7, "A.test", Kind::V4).unwrap().unwrap();
        assert_eq!((got.addresses.len(), got.ttl), (2, Duration::from_secs(9)));
        assert!(
            read(&bytes, 8, "a.test", Kind::V4).is_none(),
            "another number"
        );
        assert!(
            read(&bytes, 7, "c.test", Kind::V4).is_none(),
            "another name"
        );
        assert!(
            read(&bytes, 7, "a.test", Kind::V6).is_none(),
            "another question"
        );
        let asked = question(7, "a.test", Kind::V4).unwrap();
        assert!(
            read(&asked, 7, "a.test", Kind::V4).is_none(),
            "the question itself"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(0u8.., 0..300), cut in 0usize..100) {
            read(&bytes, 7, "a.test", Kind::V4);
            let good = answer(7, "a.test", &[("a.test", 1, RData::A(A { address: 1 }))]);
            let mut bent = good[..cut.min(good.len())].to_vec();
            bent.extend_from_slice(&bytes);
            read(&bent, 7, "a.test", Kind::V4);
        }
    }
}
