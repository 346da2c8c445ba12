//! Certificates by ACME, against Pebble (an authority for tests) where it is installed, and against nobody.

use crate::common::*;
use crate::tls::certs::{self, Authority};
use config::sections::{Acme, AcmeChallenge, Tls};
use config::{Address, Config};
use gateway::Standing;
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, ResourceRecord, TYPE};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

const NAME: &str = "shop.example";
/// Pebble signs on its own time.
const LONG: Duration = Duration::from_secs(60);

/// Addresses that are ours.
fn free() -> [SocketAddr; 4] {
    [(); 4].map(|()| peers::free_port().unwrap())
}

/// Says 127.0.0.1 of every name.
fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((n, from)) = socket.recv_from(&mut buffer) {
            let question = Packet::parse(&buffer[..n]).unwrap();
            let v4 = question.questions[0].qtype == TYPE::A.into();
            let name = question.questions[0].qname.clone();
            let mut answer = question.into_reply();
            answer.set_flags(PacketFlag::RESPONSE);
            if v4 {
                let address = Ipv4Addr::LOCALHOST.to_bits();
                let data = RData::A(A { address });
                answer
                    .answers
                    .push(ResourceRecord::new(name, CLASS::IN, 1, data));
            }
            let bytes = answer.build_bytes_vec().unwrap();
            socket.send_to(&bytes, from).unwrap();
        }
    });
    at
}

struct Pebble {
    child: Child,
    directory: String,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `None`: it is not installed. It validates at these ports.
fn pebble(authority: &Authority, [plain, tls, at, management]: [SocketAddr; 4]) -> Option<Pebble> {
    let own = authority.sign("pebble", &["localhost"]);
    let config = serde_json::json!({ "pebble": {
        "listenAddress": at.to_string(),
        "managementListenAddress": management.to_string(),
        "certificate": own.cert,
        "privateKey": own.key,
        "httpPort": plain.port(),
        "tlsPort": tls.port(),
    }});
    let file = authority.path("pebble.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let child = Command::new("pebble")
        .arg("-config")
        .arg(&file)
        .args(["-strict", "-dnsserver", &name_server().to_string()])
        .env("PEBBLE_VA_NOSLEEP", "1")
        // It turns 5 % of good nonces down by chance, and now and then three in a row.
        .env("PEBBLE_WFE_NONCEREJECT", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        eprintln!("NOT TESTED: pebble is not installed (Debian: apt-get install pebble)");
        return None;
    };
    let directory = format!("https://localhost:{}/dir", at.port());
    let pebble = Pebble { child, directory };
    until("pebble", || TcpStream::connect(at).is_ok());
    Some(pebble)
}

struct Stage {
    authority: Authority,
    upstream: Upstream,
    plain: SocketAddr,
    tls: SocketAddr,
    /// Those two, and two for Pebble.
    ports: [SocketAddr; 4],
}

impl Stage {
    fn new() -> Stage {
        let ports = free();
        Stage {
            authority: Authority::new(),
            upstream: Upstream::echo(),
            plain: ports[0],
            tls: ports[1],
            ports,
        }
    }

    fn config(&self, directory: &str, challenge: AcmeChallenge) -> Config {
        let mut config = config(&[self.upstream.address]);
        config.listen = Address::Ip(self.plain);
        config.data_dir = self.authority.path("data");
        config.tls = Some(Tls {
            listen: Some(self.tls),
            acme: Some(Acme {
                directory: directory.to_owned(),
                names: vec![NAME.to_owned()],
                contact: vec!["ops@shop.example".to_owned()],
                challenge,
                ca: Some(self.authority.ca()),
            }),
            ..Tls::default()
        });
        config
    }

    /// Puts a certificate by the test's own authority where one by ACME would be.
    fn give(&self, names: &[&str]) -> Vec<u8> {
        let made = self.authority.sign("given", names);
        let read = |p: &Path| std::fs::read_to_string(p).unwrap();
        let both = read(&made.cert) + &read(&made.key);
        let folder = self.authority.path("data/acme");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("certificate.pem"), both).unwrap();
        served_der(&made.cert)
    }
}

fn served_der(pem: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(pem).unwrap().to_vec()
}

fn standing(running: &Running) -> Standing {
    running.gateway.gauges().certificate.unwrap_or_default()
}

/// Looks for longer than `until`, and says how it stood at the end.
fn wait(running: &Running, holds: impl Fn(&Standing) -> bool) -> Standing {
    let began = Instant::now();
    loop {
        let standing = standing(running);
        if holds(&standing) {
            return standing;
        }
        assert!(began.elapsed() < LONG, "{standing:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the port shows whoever trusts anybody.
fn shown(at: SocketAddr) -> Option<Vec<u8>> {
    let config = Arc::new(certs::trusting());
    let stream = certs::connect(&config, at, NAME).ok()?;
    let all = stream.conn.peer_certificates()?;
    Some(all.first()?.to_vec())
}

fn gets_one(challenge: AcmeChallenge) {
    let stage = Stage::new();
    let Some(pebble) = pebble(&stage.authority, stage.ports) else {
        return;
    };
    let config = stage.config(&pebble.directory, challenge);
    let running = Running::looking(config.clone(), 1);
    let got = wait(&running, |s| s.until.is_some() || s.wrong.is_some());
    assert_eq!((got.wrong, got.names), (None, vec![NAME.to_owned()]));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    assert!(got.next > now.unwrap().as_secs(), "the next one is later");
    until("it is served", || shown(stage.tls).is_some());
    let first = shown(stage.tls).unwrap();
    for name in ["account.json", "certificate.pem"] {
        let meta = std::fs::metadata(stage.authority.path("data/acme").join(name)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(Client::to(stage.plain).get("/").status, 200);

    // Another start asks for none; another name is asked for at once, by the same account.
    drop(running);
    let running = Running::looking(config.clone(), 1);
    wait(&running, |s| s.until.is_some());
    assert_eq!(shown(stage.tls).unwrap(), first);
    let account = || std::fs::read(stage.authority.path("data/acme/account.json")).unwrap();
    let before = account();
    let mut more = config;
    let acme = more.tls.as_mut().unwrap().acme.as_mut().unwrap();
    acme.names.push("pay.example".to_owned());
    running.gateway.apply(generation(2, more));
    wait(&running, |s| {
        s.names.len() == 2 && s.until.is_some() && s.next > 0
    });
    until("the second", || {
        shown(stage.tls).is_some_and(|c| c != first)
    });
    assert_eq!(account(), before);
}

#[test]
fn a_certificate_is_got_by_a_handshake() {
    gets_one(AcmeChallenge::TlsAlpn);
}

#[test]
fn a_certificate_is_got_by_a_request() {
    gets_one(AcmeChallenge::Http);
}

#[test]
fn what_the_authority_says_of_a_failure_is_told() {
    let stage = Stage::new();
    // It validates where nobody answers.
    let Some(pebble) = pebble(&stage.authority, free()) else {
        return;
    };
    let given = stage.give(&["old.example", NAME]);
    let mut config = stage.config(&pebble.directory, AcmeChallenge::Http);
    let acme = config.tls.as_mut().unwrap().acme.as_mut().unwrap();
    acme.names.push("new.example".to_owned());
    let running = Running::looking(config, 1);
    let failed = wait(&running, |s| s.wrong.is_some());
    let why = failed.wrong.unwrap();
    assert!(why.contains(".example") && why.contains("refused"), "{why}");
    assert_eq!(shown(stage.tls).unwrap(), given, "the old one goes on");
}

#[test]
fn without_an_authority_the_old_one_goes_on_and_the_next_try_is_told() {
    let stage = Stage::new();
    let given = stage.give(&["old.example", NAME]);
    let nobody = format!("https://localhost:{}/dir", stage.ports[2].port());
    let mut config = stage.config(&nobody, AcmeChallenge::TlsAlpn);
    let acme = config.tls.as_mut().unwrap().acme.as_mut().unwrap();
    acme.names.push("new.example".to_owned());
    let running = Running::looking(config, 1);
    let failed = wait(&running, |s| s.wrong.is_some());
    assert!(failed.until.is_some() && failed.next > 0, "{failed:?}");
    assert_eq!(shown(stage.tls).unwrap(), given);
    assert_eq!(Client::to(stage.plain).get("/").status, 200);
    let text = format!("{failed:?}");
    assert!(!text.contains("PRIVATE"), "{text}");
}

#[test]
fn without_any_certificate_handshakes_are_refused_and_the_plain_port_serves() {
    let stage = Stage::new();
    let nobody = format!("https://localhost:{}/dir", stage.ports[2].port());
    let running = Running::looking(stage.config(&nobody, AcmeChallenge::TlsAlpn), 1);
    let failed = wait(&running, |s| s.wrong.is_some());
    assert_eq!(failed.until, None);
    assert_eq!(shown(stage.tls), None);
    assert_eq!(Client::to(stage.plain).get("/").status, 200);
}
