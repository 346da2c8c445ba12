//! Who may do what, over real sockets: tokens, sessions, roles, certificates, a Unix socket; and what hostile pages try.

use crate::common::{Console, Said, World};
use console::access::{Access, Role, User};
use console::{Listener, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned,
};

const ANN: &str = "ann-has-a-long-token";
const BOB: &str = "bob-has-another-token";
const CAROL: &str = "carol-may-do-everything";
const TRY: &str = "which=cache-route-000&share=20&who=mallory";

fn users() -> Access {
    Access {
        users: vec![
            User::new("ann", Role::Operate).with_token(ANN),
            User::new("bob", Role::Read).with_token(BOB),
            User::new("carol", Role::Admin).with_token(CAROL),
        ],
        ..Access::default()
    }
}

fn start() -> Console {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    Console::start_with(World::of(2, 60), users(), at, || {
        Listener::Tcp(tokio::net::TcpListener::from_std(listener).unwrap())
    })
}

/// A call of the API, as a command makes it.
fn call(console: &Console, method: &str, target: &str, token: &str, body: &str) -> Said {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![
        ("plimsoll-api", "1"),
        ("content-type", "application/json"),
        ("plimsoll-who", "mallory"),
    ];
    if !token.is_empty() {
        headers.push(("authorization", &bearer));
    }
    console.ask(method, target, &headers, body)
}

/// As the browser sends it back.
fn cookie(said: &Said) -> String {
    let line = said.set_cookie.as_deref().unwrap();
    line.split(';').next().unwrap().to_owned()
}

#[test]
fn without_a_token_only_whether_it_lives_is_told() {
    let console = start();
    for open in ["/livez", "/readyz", "/signin"] {
        assert_eq!(console.get(open).status, 200, "{open}");
    }
    for closed in [
        "/api/v1/status",
        "/api/v1/openapi.json",
        "/metrics",
        "/live?page=/",
    ] {
        for token in ["", "wrong-but-long-enough"] {
            let said = call(&console, "GET", closed, token, "");
            assert_eq!(said.status, 401, "{closed} {token}");
            assert!(
                said.head.contains("www-authenticate: bearer"),
                "{}",
                said.head
            );
            said.has("PLIMSOLL_TOKEN");
        }
    }
    for page in ["/", "/routes?q=a", "/advice", "/history", "/nowhere"] {
        let said = console.get(page);
        assert_eq!(said.status, 303, "{page}");
        assert!(
            said.head.contains("location: /signin?to=%2f"),
            "{}",
            said.head
        );
        said.has_not("route-000");
    }
}

#[test]
fn each_role_may_do_what_those_before_it_may() {
    let console = start();
    let purge = r#"{"prefix":"/"}"#;
    let folder = r#"{"folder":"/nowhere"}"#;
    for (token, reads, purges, records) in [
        (BOB, 200, 403, 403),
        (ANN, 200, 200, 403),
        (CAROL, 200, 200, 200),
    ] {
        let post = |target, body| call(&console, "POST", target, token, body).status;
        assert_eq!(
            call(&console, "GET", "/api/v1/status", token, "").status,
            reads
        );
        assert_eq!(call(&console, "GET", "/metrics", token, "").status, reads);
        assert_eq!(post("/api/v1/cache/purge", purge), purges, "{token}");
        assert_eq!(post("/api/v1/recording", folder), records, "{token}");
        assert_eq!(post("/api/v1/upgrade", "{}"), records, "{token}");
    }
    let said = call(&console, "POST", "/api/v1/cache/purge", BOB, purge);
    said.has("`bob` has the role read, and this needs operate");
}

#[test]
fn the_ledger_has_who_it_was_whatever_they_call_themselves() {
    let console = start();
    call(
        &console,
        "POST",
        "/api/v1/cache/purge",
        ANN,
        r#"{"group":"prices","hard":true}"#,
    );
    call(&console, "POST", "/api/v1/upgrade", CAROL, "");
    let try_it = r#"{"which":"1","options":{"who":"mallory"}}"#;
    assert_eq!(
        call(&console, "POST", "/api/v1/try", ANN, try_it).status,
        200
    );
    let ledger = call(&console, "GET", "/api/v1/history", BOB, "");
    ledger
        .has("caches: group prices taken out")
        .has("upgrade to another binary asked for")
        .has(r#""who":"ann""#)
        .has(r#""who":"carol""#)
        .has_not("mallory");
}

#[test]
fn a_browser_signs_in_once_and_out_again() {
    let console = start();
    let wrong = console.sign_in("wrong-but-long-enough");
    assert_eq!((wrong.status, wrong.set_cookie.is_none()), (401, true));
    wrong.has("No user has this token.");
    let said = console.sign_in(ANN);
    assert_eq!(said.status, 303);
    assert!(said.head.contains("location: /advice"));
    let set = said.set_cookie.clone().unwrap();
    assert!(
        set.contains("HttpOnly; SameSite=Strict") && !set.contains(ANN),
        "{set}"
    );
    let session = cookie(&said);
    let page = console.ask("GET", "/advice", &[("cookie", &session)], "");
    page.has("ann")
        .has("Sign out")
        .has("Try it")
        .has_not("Your name");
    let origin = format!("http://{}", console.at);
    let headers = [("cookie", session.as_str()), ("origin", &origin)];
    assert_eq!(console.post_from("/advice/try", TRY, &headers).status, 303);
    let trial = console.control.status().trial.unwrap();
    assert_eq!(
        console.control.trial(&trial.id).unwrap().record.id,
        trial.id
    );
    let ledger = console.ask("GET", "/history", &[("cookie", &session)], "");
    ledger.has(" · ann").has_not("mallory");
    let out = console.post_from("/signout", "", &headers);
    assert!(out.set_cookie.unwrap().contains("Max-Age=0"));
}

#[test]
fn who_may_only_look_sees_no_button_and_cannot_press_one() {
    let console = start();
    let session = cookie(&console.sign_in(BOB));
    let page = console.ask("GET", "/advice", &[("cookie", &session)], "");
    page.has("Signed in as bob, who may only look")
        .has_not("Try it");
    let origin = format!("http://{}", console.at);
    let headers = [("cookie", session.as_str()), ("origin", &origin)];
    assert_eq!(console.post_from("/advice/try", TRY, &headers).status, 403);
    assert!(console.control.status().trial.is_none());
}

#[test]
fn a_page_of_another_site_gets_nothing_by_a_session() {
    let console = start();
    let session = cookie(&console.sign_in(CAROL));
    let cookie = ("cookie", session.as_str());
    for foreign in [
        &[cookie][..],
        &[cookie, ("origin", "http://evil.example")],
        &[cookie, ("origin", "null")],
        &[
            cookie,
            ("origin", "http://evil.example"),
            ("plimsoll-api", "1"),
        ],
        &[
            cookie,
            ("host", "evil.example"),
            ("origin", "http://evil.example"),
        ],
    ] {
        let said = console.post_from("/advice/try", TRY, foreign);
        assert_eq!(said.status, 403, "{foreign:?}");
        let signs = console.post_from("/signin", &format!("token={ANN}"), foreign);
        assert_eq!(
            signs.status, 403,
            "nobody is signed in as somebody else: {foreign:?}"
        );
    }
    let named = console.ask("GET", "/", &[cookie, ("host", "evil.example")], "");
    assert_eq!(named.status, 403, "a page that had its name point here");
    assert!(console.control.status().trial.is_none());
}

#[test]
fn a_unix_socket_is_asked_like_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console.sock");
    let at = "127.0.0.1:1".parse().unwrap();
    let _console = Console::start_with(World::of(2, 60), users(), at, || {
        Listener::Unix(tokio::net::UnixListener::bind(&path).unwrap())
    });
    let ask = |headers: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        write!(
            stream,
            "GET /api/v1/routes HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("").starts_with("HTTP/1.1 401"));
    assert!(ask(&format!("authorization: Bearer {BOB}\r\n")).contains("route-000"));
}

/// An authority, and what it has signed.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots.into()
    }

    fn sign(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        (vec![signed.der().clone()], key)
    }
}

#[test]
fn a_certificate_says_who_it_is_and_one_of_another_authority_does_not() {
    let authority = Authority::new();
    let verifier = WebPkiClientVerifier::builder(authority.roots());
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let (chain, key) = authority.sign("localhost");
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key);
    let tls = Tls {
        config: Arc::new(config.unwrap()),
        // What reads names is the gateway's; here every certificate that is verified is carol's.
        name: |_| Some("carol@example.com".into()),
    };
    let mut carol = User::new("carol", Role::Admin);
    carol.certificate = Some("carol@example.com".into());
    let access = Access {
        users: vec![carol],
        encrypted: true,
        ..Access::default()
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let console = Console::start_with(World::of(2, 60), access, at, || {
        Listener::Tls(tokio::net::TcpListener::from_std(listener).unwrap(), tls)
    });
    let ask = |shown: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>| {
        let client = ClientConfig::builder().with_root_certificates(authority.roots());
        let client = match shown {
            Some((chain, key)) => client.with_client_auth_cert(chain, key).unwrap(),
            None => client.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut stream = StreamOwned::new(session, console.connect());
        let request = "GET /api/v1/routes HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let mut answer = String::new();
        let asked = stream.write_all(request.as_bytes());
        asked.and_then(|()| stream.read_to_string(&mut answer)).ok();
        answer
    };
    assert!(ask(Some(authority.sign("carol@example.com"))).contains("route-000"));
    assert!(ask(None).starts_with("HTTP/1.1 401"));
    assert_eq!(ask(Some(Authority::new().sign("carol@example.com"))), "");
}
