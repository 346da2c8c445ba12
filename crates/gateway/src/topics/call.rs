//! Calls a webhook: looks its name up, refuses addresses that it must not be at, connects to one of the others.
//!
//! Connections are kept for the next event. One client for each list of allowed networks: what was let through for one
//! subscription is never used by another that allows less.

use super::guard::refuses;
use crate::retry::asked;
use config::Cidr;
use std::fmt;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use ureq::http::{Request, Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, AsSendBody, Body, Error};

/// What is read of an answer, bytes: those that say more are connected to anew.
const ANSWER: u64 = 4096;
/// Clients, the oldest of which gives way; connections that each keeps, and of them to one endpoint.
const CLIENTS: usize = 16;
const IDLE: usize = 32;
const IDLE_EACH: usize = 8;
/// How long a connection is kept without a call.
const IDLE_FOR: Duration = Duration::from_secs(10);

/// One request.
pub struct Call {
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Of all of it.
    pub timeout: Duration,
    pub allow: Vec<Cidr>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Said {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// The first of it.
    pub body: Vec<u8>,
}

/// Looks names up, and keeps what may be called.
#[derive(Debug)]
struct Guarded {
    allow: Vec<Cidr>,
}

#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Refused {}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let mut good = self.empty();
        let mut refused = None;
        for address in found.iter() {
            match refuses(address.ip(), &self.allow) {
                None => good.push(*address),
                Some(what) => refused = Some((address.ip(), what)),
            }
        }
        match refused {
            // One name for an inner and an outer address is no slip.
            Some((ip, what)) => {
                let why = format!(
                    "it is at {ip}, {what}, and is not called; `allow` in its config names networks that may be"
                );
                Err(Error::Io(std::io::Error::other(Refused(why))))
            }
            None => Ok(good),
        }
    }
}

/// Clients by the networks that they may reach beside public ones.
#[derive(Default)]
pub struct Clients(Mutex<Vec<(Vec<Cidr>, Agent)>>);

impl Clients {
    /// The one for these networks.
    fn of(&self, allow: &[Cidr]) -> Agent {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, agent)) = all.iter().find(|(a, _)| a == allow) {
            return agent.clone();
        }
        if all.len() >= CLIENTS {
            all.remove(0);
        }
        let agent = agent(allow);
        all.push((allow.to_vec(), agent.clone()));
        agent
    }

    /// Posts it. Blocks up to its timeout.
    ///
    /// # Errors
    /// Why there was no answer.
    pub fn post(&self, call: &Call) -> Result<Said, String> {
        let mut request = Request::post(call.url.as_str());
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request.body(&call.body[..]).map_err(|e| e.to_string())?;
        self.send(call, request).map(said)
    }

    /// Asks whether it agrees to events from this origin (CloudEvents HTTP 1.1 Web Hooks, 4). Blocks up to its timeout.
    ///
    /// # Errors
    /// Why it does not.
    pub fn agree(&self, call: &Call, origin: &str) -> Result<(), String> {
        let request = Request::options(call.url.as_str()).header("WebHook-Request-Origin", origin);
        let request = request.body(()).map_err(|e| e.to_string())?;
        let answer = self.send(call, request)?;
        let allowed = answer.headers().get("WebHook-Allowed-Origin");
        let allowed = allowed.and_then(|v| v.to_str().ok()).unwrap_or("").trim();
        let agreed = allowed == "*" || allowed.eq_ignore_ascii_case(origin);
        match (said(answer).status, agreed) {
            (200..300, true) => Ok(()),
            (200..300, false) => Err(format!("it does not agree to events from `{origin}`")),
            (status, _) => Err(format!("asked for its consent it answers {status}")),
        }
    }

    fn send(
        &self,
        call: &Call,
        request: Request<impl AsSendBody>,
    ) -> Result<Response<Body>, String> {
        let agent = self.of(&call.allow);
        let request = agent.configure_request(request);
        let request = request.timeout_global(Some(call.timeout)).build();
        agent.run(request).map_err(|e| why(&e))
    }
}

fn agent(allow: &[Cidr]) -> Agent {
    // Receivers within a company have certificates that only the system knows.
    let roots = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // A redirect leads past the guard, and is a failure.
        .max_redirects(0)
        // So does a proxy of the environment.
        .proxy(None)
        .max_idle_connections(IDLE)
        .max_idle_connections_per_host(IDLE_EACH)
        .max_idle_age(IDLE_FOR)
        .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
        .allow_non_standard_methods(true)
        .tls_config(roots)
        .build();
    let guarded = Guarded {
        allow: allow.to_vec(),
    };
    Agent::with_parts(config, DefaultConnector::default(), guarded)
}

fn why(e: &Error) -> String {
    match e {
        Error::Io(e) => e.to_string(),
        e => e.to_string(),
    }
}

fn said(answer: Response<Body>) -> Said {
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.map(|v| asked(v.as_bytes()));
    let mut said = Said {
        status: answer.status().as_u16(),
        retry_after,
        body: Vec::new(),
    };
    // Its status has decided; what breaks off behind it does not matter.
    let mut body = answer.into_body().into_reader().take(ANSWER);
    let _ = body.read_to_end(&mut said.body);
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    /// Answers on each connection until it is closed; how many there were.
    fn receiver() -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, count) = (
            listener.local_addr().unwrap(),
            Arc::<AtomicUsize>::default(),
        );
        let counted = count.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, SeqCst);
                std::thread::spawn(move || {
                    let (mut stream, mut line) = (BufReader::new(stream), String::new());
                    while stream.read_line(&mut line).is_ok_and(|n| n > 0) {
                        if line == "\r\n" {
                            let answer = b"HTTP/1.1 200 ok\r\nContent-Length: 2\r\n\r\nok";
                            let _ = stream.get_mut().write_all(answer);
                        }
                        line.clear();
                    }
                });
            }
        });
        (at, count)
    }

    fn call(at: SocketAddr, allow: &[&str]) -> Call {
        Call {
            url: format!("http://{at}/hook"),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
            allow: allow.iter().map(|a| Cidr::parse(a).unwrap()).collect(),
        }
    }

    #[test]
    fn a_connection_is_used_again_by_those_who_may_only() {
        let (at, count) = receiver();
        let clients = Clients::default();
        let host = call(at, &["127.0.0.0/8"]);
        for _ in 0..3 {
            let said = clients.post(&host).unwrap();
            assert_eq!((said.status, &said.body[..]), (200, &b"ok"[..]));
        }
        assert_eq!(count.load(SeqCst), 1);
        // Who does not allow this host does not get there by the connection of another.
        for allow in [&[][..], &["10.0.0.0/8"]] {
            let why = clients.post(&call(at, allow)).unwrap_err();
            assert!(why.contains("an address of this host"), "{why}");
        }
        let whole = clients.post(&call(at, &["127.0.0.1/32"])).unwrap();
        assert_eq!((whole.status, count.load(SeqCst)), (200, 2));
    }

    #[test]
    fn there_are_no_more_clients_than_that() {
        let clients = Clients::default();
        for n in 0..2 * CLIENTS {
            clients.of(&[Cidr::parse(&format!("10.{n}.0.0/16")).unwrap()]);
        }
        assert_eq!(clients.0.lock().unwrap().len(), CLIENTS);
    }
}
