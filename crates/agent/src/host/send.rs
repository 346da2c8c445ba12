//! One request to the gateway and its answer, over a connection that is kept.

use crate::message::{MESSAGE, Message, PATH, Reply};
use base::Nanos;
use std::fmt;
use std::time::Duration;

/// A reading that takes longer is dropped; the next one has its sums.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Sender {
    url: String,
    authorization: String,
    agent: ureq::Agent,
}

/// Why a reading was not taken.
#[derive(Debug)]
pub enum Failed {
    Unreachable(String),
    Refused(u16, String),
    NotUnderstood(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Unreachable(why) => write!(f, "the gateway does not answer: {why}"),
            Failed::Refused(401, _) => f.write_str(
                "the gateway refuses our token: it must be the one of `agents.token` in its config",
            ),
            Failed::Refused(404, _) => f.write_str(
                "what answers there takes no agents: is it the address of `agents.listen`?",
            ),
            Failed::Refused(_, why) => write!(f, "the gateway refuses us: {why}"),
            Failed::NotUnderstood(why) => write!(
                f,
                "what answers is no gateway, or one of another version: {why}"
            ),
        }
    }
}

impl Sender {
    /// `gateway` is `http://HOST:PORT` or `https://HOST:PORT`.
    pub fn new(gateway: &str, token: &str, tls: Option<ureq::tls::TlsConfig>) -> Sender {
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None);
        if let Some(tls) = tls {
            config = config.tls_config(tls);
        }
        Sender {
            url: format!("{}{PATH}", gateway.trim_end_matches('/')),
            authorization: format!("Bearer {token}"),
            agent: config.build().new_agent(),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The answer, and when it was asked for and came.
    pub fn send(
        &self,
        message: &Message,
        now: impl Fn() -> Nanos,
    ) -> Result<(Reply, Nanos, Nanos), Failed> {
        let unreachable = |e: ureq::Error| Failed::Unreachable(e.to_string());
        let body = serde_json::to_vec(message).map_err(|e| Failed::NotUnderstood(e.to_string()))?;
        let asked = now();
        let answer = self
            .agent
            .post(&self.url)
            .header("authorization", &self.authorization)
            .content_type("application/json")
            .send(&body[..]);
        let answered = now();
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let limited = answer.body_mut().with_config().limit(MESSAGE as u64);
        let body = limited.read_to_vec().map_err(unreachable)?;
        match status {
            200 => match serde_json::from_slice(&body) {
                Ok(reply) => Ok((reply, asked, answered)),
                Err(e) => Err(Failed::NotUnderstood(e.to_string())),
            },
            status => {
                let said = String::from_utf8_lossy(&body[..body.len().min(500)]);
                Err(Failed::Refused(status, said.trim().to_owned()))
            }
        }
    }
}
