//! Calls a webhook: looks its name up, refuses addresses that it must not be at, connects to one of the others.

use super::guard::refuses;
use config::Cidr;
use std::fmt;
use std::io::Read;
use std::time::Duration;
use ureq::http::{Request, Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Error};

/// What is read of an answer, bytes.
const ANSWER: u64 = 4096;

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

fn agent(call: &Call) -> Agent {
    // Receivers within a company have certificates that only the system knows.
    let roots = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    let config = Agent::config_builder()
        .timeout_global(Some(call.timeout))
        .http_status_as_error(false)
        // A redirect leads past the guard, and is a failure.
        .max_redirects(0)
        // So does a proxy of the environment.
        .proxy(None)
        .max_idle_connections(0)
        .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
        .allow_non_standard_methods(true)
        .tls_config(roots)
        .build();
    let guarded = Guarded {
        allow: call.allow.clone(),
    };
    Agent::with_parts(config, DefaultConnector::default(), guarded)
}

/// Posts it. Blocks up to its timeout.
///
/// # Errors
/// Why there was no answer.
pub fn post(call: &Call) -> Result<Said, String> {
    let mut request = Request::post(call.url.as_str());
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let request = request.body(&call.body[..]).map_err(|e| e.to_string())?;
    let answer = agent(call).run(request).map_err(|e| why(&e))?;
    Ok(said(answer))
}

/// Asks whether it agrees to events from this origin (CloudEvents HTTP 1.1 Web Hooks, 4). Blocks up to its timeout.
///
/// # Errors
/// Why it does not.
pub fn agree(call: &Call, origin: &str) -> Result<(), String> {
    let request = Request::options(call.url.as_str()).header("WebHook-Request-Origin", origin);
    let request = request.body(()).map_err(|e| e.to_string())?;
    let answer = agent(call).run(request).map_err(|e| why(&e))?;
    let allowed = answer.headers().get("WebHook-Allowed-Origin");
    let allowed = allowed.and_then(|v| v.to_str().ok()).unwrap_or("").trim();
    let agreed = allowed == "*" || allowed.eq_ignore_ascii_case(origin);
    match (answer.status().is_success(), agreed) {
        (true, true) => Ok(()),
        (false, _) => Err(format!(
            "asked for its consent it answers {}",
            answer.status().as_u16()
        )),
        (true, false) => Err(format!("it does not agree to events from `{origin}`")),
    }
}

fn why(e: &Error) -> String {
    match e {
        Error::Io(e) => e.to_string(),
        e => e.to_string(),
    }
}

fn said(answer: Response<Body>) -> Said {
    let retry_after = answer.headers().get("retry-after");
    let seconds = retry_after.and_then(|v| v.to_str().ok()?.trim().parse().ok());
    let mut said = Said {
        status: answer.status().as_u16(),
        retry_after: seconds.map(Duration::from_secs),
        body: Vec::new(),
    };
    // Its status has decided; what breaks off behind it does not matter.
    let mut body = answer.into_body().into_reader().take(ANSWER);
    let _ = body.read_to_end(&mut said.body);
    said
}
