//! TLS towards clients, over real sockets: who is let in, what goes on to instances, what happens when files change.

pub mod certs;

use self::certs::*;
use crate::common::*;
use config::sections::{Identity, ServiceTls, TlsVersion, UnknownName};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{HandshakeKind, ServerConfig, ServerConnection};

/// A gateway with one certificate for `shop.example` before an echo.
fn shop(authority: &Authority, change: impl FnOnce(&mut config::Config)) -> (Upstream, Running) {
    let upstream = Upstream::echo();
    let certificate = authority.sign("shop", &["shop.example"]);
    let section = authority.section(vec![certificate]);
    let mut config = over_tls(config(&[upstream.address]), section);
    change(&mut config);
    let running = Running::of(generation(1, config), 1);
    (upstream, running)
}

#[test]
fn requests_over_tls_pass_as_all_do_and_are_told_apart() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |_| {});
    let mut c = connect(
        &authority.client(None),
        running.gateway.address(),
        "shop.example",
    )
    .unwrap();
    for i in 0..3 {
        let seen = ask(&mut c, &get(&format!("/{i}"))).unwrap();
        assert!(seen.contains(&format!("GET /{i} HTTP/1.1")), "{seen}");
        assert!(seen.contains("X-Forwarded-Proto: https\r\n"), "{seen}");
    }
    let lie = "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Proto: http\r\n\r\n";
    let seen = ask(&mut c, lie).unwrap();
    assert!(!seen.contains("X-Forwarded-Proto: http\r\n"), "{seen}");
}

#[test]
fn large_bodies_pass_both_ways() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |_| {});
    let mut c = connect(
        &authority.client(None),
        running.gateway.address(),
        "shop.example",
    )
    .unwrap();
    let body = "0123456789abcdef".repeat(128 * 1024);
    let head = "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2097152\r\n\r\n";
    let seen = ask(&mut c, &format!("{head}{body}")).unwrap();
    assert!(seen.ends_with(&body) && seen.len() > body.len());
    // A slow reader of much: what TLS holds back comes when there is room.
    c.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut all = 0;
    let mut chunk = vec![0; 700];
    while all < body.len() {
        all += c.read(&mut chunk).unwrap();
    }
}

#[test]
fn plain_and_tls_beside_each_other() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |c| {
        c.tls.as_mut().unwrap().listen = Some(([127, 0, 0, 1], 0).into());
    });
    let (plain, tls) = (
        running.gateway.address(),
        running.gateway.tls_address().unwrap(),
    );
    assert_ne!(plain, tls);
    assert_eq!(Client::to(plain).get("/").status, 200);
    let mut c = connect(&authority.client(None), tls, "shop.example").unwrap();
    assert!(ask(&mut c, &get("/")).is_ok());
    // Plain words where TLS is spoken: no answer, and nothing passes.
    let mut lost = Client::to(tls);
    lost.send("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert!(lost.try_answer(true).is_none());
}

#[test]
fn the_certificate_is_chosen_by_name_and_an_unknown_name_is_refused() {
    let authority = Authority::new();
    let second = authority.sign("pay", &["pay.example", "*.pay.example"]);
    let (_upstream, running) = shop(&authority, |c| {
        c.tls.as_mut().unwrap().certificates.push(second);
    });
    let (client, at) = (authority.client(None), running.gateway.address());
    // The client verifies that the certificate is for the name.
    for name in ["shop.example", "pay.example", "eu.pay.example"] {
        connect(&client, at, name).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let refused = connect(&client, at, "other.example").unwrap_err();
    assert!(refused.to_string().contains("alert"), "{refused}");
    // Who asks for no name (an address is none) gets the first, which is not for that address.
    let first = connect(&client, at, "127.0.0.1").unwrap_err();
    assert!(first.to_string().contains("certificate"), "{first}");
}

#[test]
fn an_unknown_name_can_get_the_first() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |c| {
        c.tls.as_mut().unwrap().unknown_name = UnknownName::First;
    });
    let at = running.gateway.address();
    let not_for_it = connect(&authority.client(None), at, "other.example").unwrap_err();
    let said = not_for_it.to_string();
    assert!(
        said.contains("certificate") && !said.contains("alert"),
        "{said}"
    );
}

#[test]
fn a_client_must_show_a_certificate_and_the_instance_learns_whose() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |c| {
        c.tls.as_mut().unwrap().clients = Some(authority.clients(false));
        c.identity = Some(Identity {
            certificate: true,
            ..Identity::default()
        });
    });
    let at = running.gateway.address();
    let mut nobody = connect(&authority.client(None), at, "shop.example");
    let asked = nobody
        .as_mut()
        .map_or(Ok(()), |c| ask(c, &get("/")).map(|_| ()));
    assert!(asked.is_err() || nobody.is_err());
    let stranger = Authority::new();
    let foreign = stranger.sign("ann", &["ann.example"]);
    let mut nobody = connect(&authority.client(Some(&foreign)), at, "shop.example");
    let asked = nobody
        .as_mut()
        .map_or(Ok(()), |c| ask(c, &get("/")).map(|_| ()));
    assert!(asked.is_err() || nobody.is_err());

    let ann = authority.sign("ann", &["ann.example"]);
    let mut c = connect(&authority.client(Some(&ann)), at, "shop.example").unwrap();
    let forged = "GET / HTTP/1.1\r\nHost: shop.example\r\nx-forwarded-client-cert: DNS=root\r\nClient-Cert: :AA==:\r\n\r\n";
    let seen = ask(&mut c, forged).unwrap();
    assert!(
        seen.contains(";DNS=ann.example;Subject=\"CN=ann\"\r\n"),
        "{seen}"
    );
    assert!(!seen.contains("root") && !seen.contains("AA=="), "{seen}");
}

#[test]
fn nobody_can_forge_a_certificate_over_a_plain_connection() {
    let upstream = Upstream::echo();
    let running = Running::with(config(&[upstream.address]));
    let seen = running
        .client()
        .send("GET / HTTP/1.1\r\nHost: t\r\nX-Forwarded-Client-Cert: DNS=root\r\nClient-Cert: x\r\nClient-Cert-Chain: x\r\nX-Kept: 1\r\n\r\n")
        .answer()
        .text();
    assert!(seen.contains("X-Kept: 1"), "{seen}");
    assert!(!seen.to_lowercase().contains("client-cert"), "{seen}");
}

#[test]
fn a_client_may_show_a_certificate() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |c| {
        c.tls.as_mut().unwrap().clients = Some(authority.clients(true));
    });
    let at = running.gateway.address();
    let mut c = connect(&authority.client(None), at, "shop.example").unwrap();
    let seen = ask(&mut c, &get("/")).unwrap();
    assert!(!seen.contains("Client-Cert"), "{seen}");
    let ann = authority.sign("ann", &["ann.example"]);
    let mut c = connect(&authority.client(Some(&ann)), at, "shop.example").unwrap();
    assert!(ask(&mut c, &get("/")).unwrap().contains("DNS=ann.example"));
}

#[test]
fn new_files_are_for_new_connections_and_bad_ones_for_none() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |_| {});
    let (client, at) = (authority.client(None), running.gateway.address());
    let served = |c: &Encrypted| c.conn.peer_certificates().unwrap()[0].to_vec();
    let mut old = connect(&client, at, "shop.example").unwrap();
    authority.sign("shop", &["shop.example"]);
    assert_eq!(running.gateway.reload_certificates(), []);
    let new = connect(&authority.client(None), at, "shop.example").unwrap();
    assert_ne!(served(&old), served(&new));
    assert!(
        ask(&mut old, &get("/")).is_ok(),
        "the old connection lives on"
    );

    std::fs::write(
        authority.path("shop.key"),
        "-----BEGIN PRIVATE KEY-----\nTOPSECRET\n",
    )
    .unwrap();
    let findings = running.gateway.reload_certificates();
    let said = findings[0].to_string();
    assert!(findings.len() == 1 && said.contains("shop.key"), "{said}");
    assert!(!said.contains("TOPSECRET"), "{said}");
    let still = connect(&authority.client(None), at, "shop.example").unwrap();
    assert_eq!(served(&new), served(&still));
}

#[test]
fn whatever_is_wrong_with_a_file_is_said_with_its_name() {
    let authority = Authority::new();
    let good = authority.sign("shop", &["shop.example"]);
    let other = authority.sign("other", &["other.example"]);
    let wrong = |cert: &std::path::Path, key: &std::path::Path| {
        let mut config = config(&[]);
        let pair = config::sections::Certificate {
            cert: cert.into(),
            key: key.into(),
        };
        config.tls = Some(authority.section(vec![pair]));
        let findings = gateway::tls::check(&config);
        findings.iter().map(|f| f.to_string()).collect::<String>()
    };
    assert_eq!(wrong(&good.cert, &good.key), "");
    let said = wrong(&authority.path("no.pem"), &good.key);
    assert!(said.contains("no.pem cannot be read"), "{said}");
    let said = wrong(&good.cert, &other.key);
    assert!(
        said.contains("other.key does not belong to") && said.contains("shop.pem"),
        "{said}"
    );
    let said = wrong(&good.key, &good.key);
    assert!(said.contains("shop.key has no certificate in it"), "{said}");
    let said = wrong(&good.cert, &good.cert);
    assert!(said.contains("shop.pem has no private key in it"), "{said}");
    let mut config = config(&[]);
    config.tls = Some(authority.section(vec![good]));
    config.tls.as_mut().unwrap().clients = Some(config::sections::Clients {
        ca: other.key,
        accept: false,
    });
    let said = gateway::tls::check(&config)[0].to_string();
    assert!(
        said.contains("other.key has no certificate in it"),
        "{said}"
    );
}

#[test]
fn sessions_are_resumed() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |_| {});
    for versions in [
        authority.client(None),
        authority.client_config(None, &[&TLS12]).into(),
    ] {
        let kind = || {
            let mut c = connect(&versions, running.gateway.address(), "shop.example").unwrap();
            ask(&mut c, &get("/")).unwrap();
            c.conn.handshake_kind()
        };
        assert_eq!(kind(), Some(HandshakeKind::Full));
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
        // A certificate that is renewed ends no session.
        assert_eq!(running.gateway.reload_certificates(), []);
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
    }
}

#[test]
fn an_old_version_is_refused_when_it_shall_be() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |c| {
        c.tls.as_mut().unwrap().min = TlsVersion::V13
    });
    let old = authority.client_config(None, &[&TLS12]).into();
    assert!(connect(&old, running.gateway.address(), "shop.example").is_err());
    assert!(
        connect(
            &authority.client(None),
            running.gateway.address(),
            "shop.example"
        )
        .is_ok()
    );
}

#[test]
fn handshakes_are_bounded_in_time_and_number() {
    let authority = Authority::new();
    let (_upstream, running) = shop(&authority, |c| {
        let tls = c.tls.as_mut().unwrap();
        tls.handshakes = 1;
        tls.handshake_timeout = Duration::from_millis(300);
    });
    let at = running.gateway.address();
    // It has the only turn and says nothing.
    let mut silent = TcpStream::connect(at).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let began = Instant::now();
    // Whoever waits for it has less time left than that, so it may take two tries.
    until("a handshake", || {
        connect(&authority.client(None), at, "shop.example").is_ok()
    });
    assert!(
        began.elapsed() >= Duration::from_millis(250),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(silent.read(&mut [0; 8]).unwrap_or(0), 0, "it is closed");
}

#[test]
fn a_change_of_protocol_passes_through_tls() {
    let authority = Authority::new();
    let upstream = Upstream::start(|mut s| {
        let mut buffer = Vec::new();
        read_request(&mut s, &mut buffer).unwrap();
        s.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
        )
        .unwrap();
        let mut chunk = [0; 1024];
        while let Ok(n @ 1..) = s.read(&mut chunk) {
            s.write_all(&chunk[..n]).unwrap();
        }
    });
    let section = authority.section(vec![authority.sign("shop", &["shop.example"])]);
    let running = Running::with(over_tls(config(&[upstream.address]), section));
    let mut c = connect(
        &authority.client(None),
        running.gateway.address(),
        "shop.example",
    )
    .unwrap();
    let ask_for =
        "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    assert!(ask(&mut c, ask_for).unwrap().starts_with("HTTP/1.1 101"));
    for word in ["one", "two"] {
        c.write_all(word.as_bytes()).unwrap();
        let mut back = [0; 3];
        c.read_exact(&mut back).unwrap();
        assert_eq!(&back, word.as_bytes());
    }
}

/// An instance of HTTP/1 over TLS that answers with what it got.
fn encrypted(server: tokio_rustls::rustls::ServerConfig) -> Upstream {
    let server = std::sync::Arc::new(server);
    Upstream::start(move |stream| {
        let session = ServerConnection::new(server.clone()).unwrap();
        let mut stream = tokio_rustls::rustls::StreamOwned::new(session, stream);
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..n]);
            if bytes.ends_with(b"\r\n\r\n") {
                let answer = ok(&std::mem::take(&mut bytes));
                if stream
                    .write_all(&answer)
                    .and_then(|()| stream.flush())
                    .is_err()
                {
                    return;
                }
            }
        }
    })
}

#[test]
fn instances_are_reached_over_tls_and_see_our_certificate() {
    let authority = Authority::new();
    let pair = authority.sign("instance", &["shop.internal"]);
    let provider = std::sync::Arc::new(ring::default_provider());
    let roots = std::sync::Arc::new(authority.roots());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&pair.cert).unwrap()],
            PrivateKeyDer::from_pem_file(&pair.key).unwrap(),
        )
        .unwrap();
    let instance = encrypted(server);
    let mut c = config(&[instance.address]);
    c.services[0].tls = Some(ServiceTls {
        ca: authority.ca(),
        name: Some("shop.internal".into()),
        certificate: Some(authority.sign("plimsoll", &["plimsoll.internal"])),
    });
    let running = Running::of(generation(1, c.clone()), 1);
    let mut client = running.client();
    for i in 0..5 {
        let answer = client.get(&format!("/{i}"));
        assert!(
            answer.text().starts_with(&format!("GET /{i} ")),
            "{}",
            answer.text()
        );
    }
    let connections = || {
        instance
            .connections
            .load(std::sync::atomic::Ordering::SeqCst)
    };
    assert_eq!(connections(), 1, "it is kept");
    // Who is shown nothing lets nobody in, and no connection of before is used.
    c.services[0].tls.as_mut().unwrap().certificate = None;
    running.gateway.apply(generation(2, c.clone()));
    assert_eq!(client.get("/").status, 502);
    assert!(connections() > 1);
    c.services[0].tls.as_mut().unwrap().ca = authority.path("no.pem");
    let said = gateway::tls::check(&c)[0].to_string();
    assert!(said.contains("no.pem cannot be read"), "{said}");
}
