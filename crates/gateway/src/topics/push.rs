//! One delivery to a subscriber: the request to a service, or the call of a webhook.

use super::call::Call;
use super::request::{Delivery, bytes, carry};
use super::{Subscriber, sign};
use crate::hash::hash;
use crate::jobs::Jobs;
use crate::jobs::outcome::{Answered, said};
use cloudevents::Event;
use config::sections::{Endpoint, Receiver};
use std::sync::Arc;
use store::Leased;

pub use super::outcome::decide;

/// Characters that are kept of why a call failed.
const REASON: usize = 300;

/// As it goes to an instance of a service.
pub fn request(s: &Subscriber, event: Event, job: &Leased) -> Vec<u8> {
    let (host, path) = match &s.config.to {
        Receiver::Service { service, path } => (service.as_str(), path.as_str()),
        _ => ("", "/"),
    };
    let delivery = Delivery {
        topic: &s.topic,
        subscription: &s.config.name,
        attempt: job.attempt,
        position: job.position,
    };
    bytes(event, s.config.mode, path, host, &delivery)
}

/// Why our own limits of heads and bodies refuse this event, as they always will: it must not hold up the others.
pub fn never_passes(answered: &Answered) -> Option<String> {
    let refused = !answered.tried && matches!(answered.status, 400 | 411 | 413 | 414 | 431);
    refused.then(|| format!("not sent, and never will be: {}", said(answered)))
}

/// Calls it; what it answered, and the first of its body.
///
/// # Errors
/// What keeps it from being called: no attempt was made.
pub async fn call(
    jobs: &Jobs,
    s: &Arc<Subscriber>,
    endpoint: &Endpoint,
    event: Event,
    job: &Leased,
    now_ms: u64,
) -> Result<(Answered, Vec<u8>), String> {
    let permit = jobs.calls.permits.clone().try_acquire_owned();
    let permit = permit.map_err(|_| "too many webhooks are called at once".to_owned())?;
    let call = prepare(s, endpoint, event, job.attempt, now_ms)?;
    let agreement = endpoint.handshake.clone().filter(|origin| {
        let what = hash(format!("{origin} {}", call.url).as_bytes());
        !jobs.has_agreed(&s.lane, what)
    });
    let url = call.url.clone();
    let (asked, clients) = (agreement.clone(), jobs.calls.clients.clone());
    let work = move || {
        let _permit = permit;
        if let Some(origin) = asked {
            clients.agree(&call, &origin).map_err(Kept::Back)?;
        }
        clients.post(&call).map_err(Kept::Failed)
    };
    let came = tokio::task::spawn_blocking(work).await;
    let came = came.unwrap_or_else(|_| Err(Kept::Back("the process ends".into())));
    if let (Some(origin), Ok(_) | Err(Kept::Failed(_))) = (agreement, &came) {
        let what = hash(format!("{origin} {url}").as_bytes());
        jobs.set_agreed(&s.lane, what);
    }
    match came {
        Ok(came) => {
            let answered = Answered {
                status: came.status,
                tried: true,
                retry_after: came.retry_after,
                ..Answered::default()
            };
            Ok((answered, came.body))
        }
        Err(Kept::Failed(reason)) => {
            let reason = reason.chars().take(REASON).collect();
            let failed = Answered {
                tried: true,
                reason,
                ..Answered::default()
            };
            Ok((failed, Vec::new()))
        }
        Err(Kept::Back(why)) => Err(why),
    }
}

/// Why there is no answer.
enum Kept {
    /// It was called.
    Failed(String),
    /// It was not.
    Back(String),
}

fn prepare(
    s: &Subscriber,
    endpoint: &Endpoint,
    event: Event,
    attempt: u32,
    now_ms: u64,
) -> Result<Call, String> {
    let url = endpoint.url.as_ref().ok_or("it has no url")?;
    let url = url.fetch().map_err(|f| f.what)?;
    let mut keys = Vec::with_capacity(endpoint.secrets.len());
    for secret in &endpoint.secrets {
        keys.push(sign::key(&secret.fetch().map_err(|f| f.what)?)?);
    }
    let digest = event.digest().into_iter().map(|b| format!("{b:02x}"));
    let id = format!("msg_{}", digest.collect::<String>());
    let at_s = now_ms / 1000;
    let (mut headers, body) = carry(event, s.config.mode);
    let own = [
        ("webhook-id", id.clone()),
        ("webhook-timestamp", at_s.to_string()),
        (
            "webhook-signature",
            sign::signature(&keys, &id, at_s, &body),
        ),
        ("plimsoll-attempt", attempt.to_string()),
    ];
    headers.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if let Some(origin) = &endpoint.handshake {
        headers.push(("origin".into(), origin.clone()));
    }
    Ok(Call {
        url,
        headers,
        body,
        timeout: s.config.timeout,
        allow: endpoint.allow.clone(),
    })
}
