//! A connection that is given up at its first fault, and requests over it.

use super::bucket::Bucket;
use super::fault::{Fault, chain, fault, said, unreachable};
use super::link::PATIENCE;
use super::target::{Login, Target};
use async_nats::{
    Client, ConnectOptions, Event, HeaderMap, Message, Request, RequestErrorKind, Subscriber,
};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The library never connects again by itself: see `link`.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Clone)]
pub struct Conn {
    pub(super) client: Client,
    broken: Arc<watch::Sender<Option<String>>>,
    /// Largest message that the server takes, bytes.
    pub max_payload: usize,
    pub version: String,
    pub server: String,
}

impl Conn {
    /// Connects, and makes the buckets where they are not.
    pub async fn open(target: &Target) -> Result<Conn, String> {
        let (broken, _) = watch::channel(None);
        let broken = Arc::new(broken);
        let options = options(target, &broken);
        let is_open = Arc::new(AtomicBool::new(false));
        let asked = is_open.clone();
        let options = options.reconnect_delay_callback(move |_| match asked.load(Relaxed) {
            true => NEVER,
            false => Duration::ZERO,
        });
        let connected = timeout(PATIENCE, options.connect(target.servers.clone())).await;
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(e)) => return Err(fault(&chain(&e))),
            Err(_) => return Err(unreachable()),
        };
        is_open.store(true, Relaxed);
        let info = client.server_info();
        let conn = Conn {
            client,
            broken,
            max_payload: info.max_payload,
            version: info.version,
            server: info.server_name,
        };
        if let Some(needed) = conn.too_old_for(&target.buckets) {
            return Err(format!(
                "nats-server {} is too old: {needed} or later is needed",
                conn.version
            ));
        }
        let ensured = async {
            for bucket in &target.buckets {
                conn.ensure(bucket).await?;
            }
            Ok(())
        };
        match timeout(2 * PATIENCE, ensured).await {
            Ok(Ok(())) => {}
            Ok(Err(Fault::Lost(why) | Fault::Said { why, .. })) => return Err(why),
            Ok(Err(Fault::Own(e))) => return Err(e.to_string()),
            Err(_) => return Err(unreachable()),
        }
        Ok(conn)
    }

    /// The version that these need, where the server has an older one.
    pub fn too_old_for(&self, buckets: &[Bucket]) -> Option<String> {
        let mut numbers = self.version.split('.').map(|n| n.parse().unwrap_or(0));
        let version = [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)];
        let needed = buckets.iter().map(Bucket::oldest).max()?;
        (version < needed).then(|| format!("{}.{}", needed[0], needed[1]))
    }

    /// Nothing more is done over it.
    pub fn give_up(&self, why: &str) {
        self.broken.send_if_modified(|w| {
            let first = w.is_none();
            if first {
                *w = Some(why.to_owned());
            }
            first
        });
    }

    /// Waits until it is of no more use; why.
    pub async fn broken(&self) -> String {
        let mut broken = self.broken.subscribe();
        let why = broken.wait_for(Option::is_some).await;
        why.ok().and_then(|w| w.clone()).unwrap_or_default()
    }

    pub fn slow(&self) -> String {
        unreachable()
    }

    /// What is sent to an inbox from now on.
    pub(super) async fn subscribe(&self, inbox: &str) -> Result<Subscriber, Fault> {
        let subscribed = self.client.subscribe(inbox.to_owned()).await;
        subscribed.map_err(|e| Fault::Lost(fault(&chain(&e))))
    }

    pub(super) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Vec<u8>,
    ) -> Result<Message, Fault> {
        // Whose turn comes between the fault and the end of the connection would still be sent, and nobody waits for it.
        if let Some(why) = self.broken.borrow().clone() {
            return Err(Fault::Lost(why));
        }
        let mut request = Request::new()
            .payload(Bytes::from(payload))
            .timeout(Some(PATIENCE));
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let asked = self.client.send_request(subject, request).await;
        asked.map_err(|e| match e.kind() {
            RequestErrorKind::TimedOut => Fault::Lost(unreachable()),
            RequestErrorKind::NoResponders => Fault::Lost(
                "JetStream does not answer there: it is not enabled (`jetstream {}` in its config, or -js), not for this account, or has no leader now".into(),
            ),
            _ => Fault::Lost(fault(&chain(&e))),
        })
    }

    /// One of JetStream's own requests.
    pub(super) async fn api(&self, what: &str, ask: Value) -> Result<Value, Fault> {
        let payload = match ask {
            Value::Null => Vec::new(),
            ask => ask.to_string().into_bytes(),
        };
        let answer = self
            .request(format!("$JS.API.{what}"), None, payload)
            .await?;
        said(&answer.payload)
    }

    /// What it says of JetStream and the account.
    pub async fn account(&self) -> Result<Value, Fault> {
        self.api("INFO", Value::Null).await
    }

    pub async fn is_there(&self) -> Result<(), Fault> {
        self.account().await.map(drop)
    }
}

fn options(target: &Target, broken: &Arc<watch::Sender<Option<String>>>) -> ConnectOptions {
    let mut options = ConnectOptions::new();
    options = match target.login.clone() {
        Login::Nobody => options,
        Login::Token(token) => options.token(token),
        Login::User(user, password) => options.user_and_password(user, password),
    };
    if let Some(ca) = &target.ca {
        options = options.add_root_certificates(ca.clone());
    }
    let broken = broken.clone();
    options
        .name("plimsoll")
        .require_tls(target.encrypted)
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .ignore_discovered_servers()
        .event_callback(move |event| {
            let broken = broken.clone();
            let why = match event {
                Event::Disconnected | Event::Closed => Some("the connection broke".to_owned()),
                Event::LameDuckMode => Some("it is about to stop".to_owned()),
                // Who may not answer others is as one that does not.
                Event::ServerError(e) if is_of_an_answer(&e.to_string()) => None,
                Event::ServerError(e) => Some(fault(&e.to_string())),
                _ => None,
            };
            async move {
                if let Some(why) = why {
                    broken.send_if_modified(|w| {
                        let first = w.is_none();
                        if first {
                            *w = Some(why);
                        }
                        first
                    });
                }
            }
        })
}

/// Whether it is about an answer to another node: the user has no right to give any.
fn is_of_an_answer(said: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("permissions violation for publish") && said.contains("_inbox.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_allowed_to_an_inbox_is_no_fault_of_the_connection() {
        let of = is_of_an_answer;
        assert!(of(r#"Permissions Violation for Publish to "_INBOX.x7""#));
        assert!(!of(
            r#"Permissions Violation for Publish to "$KV.p_values.a""#
        ));
        assert!(!of(
            r#"Permissions Violation for Subscription to "_INBOX.x7""#
        ));
    }
}
