//! Tells notifiers: a thread for each, so that one that hangs does not keep the others. What is still to be told is in
//! the alerts themselves, which are stored: nothing is lost by a restart, and no queue can grow.

use super::shown::Shown;
use ::slo::notify::{Manner, alertmanager, due, pagerduty, webhook, went};
use ::slo::{Alert, State};
use config::Secret;
use config::sections::Alerts;
use control::ports::{SystemWall, Wall};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;
use ureq::tls::{RootCerts, TlsConfig};

/// Of one try.
const TIMEOUT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// What is kept of an answer that says why not, bytes.
const MAX_WHY: usize = 200;

#[derive(Clone, PartialEq)]
enum Kind {
    Alertmanager { url: String, token: Option<Secret> },
    PagerDuty { url: String, key: Secret },
    Webhook { url: Secret, token: Option<Secret> },
}

#[derive(Clone, PartialEq)]
struct Notifier {
    /// By which alerts remember what it was told.
    name: String,
    kind: Kind,
    link: Option<String>,
}

/// The running notifiers. A changed configuration replaces them.
pub struct Notifiers {
    shown: Arc<Shown>,
    stop: Arc<AtomicBool>,
    running: Vec<(Notifier, Thread, Arc<AtomicBool>)>,
}

impl Notifiers {
    pub fn new(shown: Arc<Shown>, stop: Arc<AtomicBool>) -> Notifiers {
        Notifiers {
            shown,
            stop,
            running: Vec::new(),
        }
    }

    pub fn configure(&mut self, alerts: &Alerts) {
        let wanted = list(alerts);
        self.running.retain(|(n, _, ends)| {
            let stays = wanted.contains(n);
            ends.fetch_or(!stays, Ordering::AcqRel);
            stays
        });
        for notifier in wanted {
            if self.running.iter().any(|(n, ..)| *n == notifier) {
                continue;
            }
            let (shown, ends) = (self.shown.clone(), Arc::new(AtomicBool::new(false)));
            let (all, mine, theirs) = (self.stop.clone(), ends.clone(), notifier.clone());
            let spawned = std::thread::Builder::new()
                .name("notify".into())
                .spawn(move || {
                    let ended = || all.load(Ordering::Acquire) || mine.load(Ordering::Acquire);
                    while !ended() {
                        turn(&theirs, &shown, &ended);
                        std::thread::park_timeout(SECOND);
                    }
                });
            match spawned {
                Ok(thread) => self.running.push((notifier, thread.thread().clone(), ends)),
                Err(e) => tracing::error!("`{}` cannot be told of alerts: {e}", notifier.name),
            }
        }
    }

    /// What has changed is told at once.
    pub fn wake(&self, changed: bool) {
        if changed {
            self.running
                .iter()
                .for_each(|(_, thread, _)| thread.unpark());
        }
    }
}

fn list(alerts: &Alerts) -> Vec<Notifier> {
    let mut all = Vec::new();
    let mut add = |name: String, kind| {
        all.push(Notifier {
            name,
            kind,
            link: alerts.link.clone(),
        })
    };
    if let Some(a) = &alerts.alertmanager {
        for url in &a.urls {
            let kind = Kind::Alertmanager {
                url: url.clone(),
                token: a.token.clone(),
            };
            add(format!("alertmanager {url}"), kind);
        }
    }
    if let Some(p) = &alerts.pagerduty
        && let Some(key) = &p.routing_key
    {
        add(
            "pagerduty".into(),
            Kind::PagerDuty {
                url: p.url.clone(),
                key: key.clone(),
            },
        );
    }
    if let Some(w) = &alerts.webhook
        && let Some(url) = &w.url
    {
        add(
            "webhook".into(),
            Kind::Webhook {
                url: url.clone(),
                token: w.token.clone(),
            },
        );
    }
    all
}

/// Tells everything that is due, oldest first.
fn turn(notifier: &Notifier, shown: &Shown, ended: &dyn Fn() -> bool) {
    let manner = match notifier.kind {
        Kind::Alertmanager { .. } => Manner::Repeat,
        _ => Manner::Once,
    };
    let now_ms = SystemWall.now_ms();
    let all: Vec<(Alert, State)> = {
        let watch = shown.watch();
        let alerts = watch.alerts();
        let pick = |a: &Alert| {
            let state = due(a, alerts, &notifier.name, manner, now_ms)?;
            Some((a.clone(), state))
        };
        alerts.iter().filter_map(pick).collect()
    };
    for (alert, state) in all {
        if ended() {
            return;
        }
        let result = send(notifier, &alert, state, now_ms);
        if let Err(why) = &result {
            tracing::warn!(
                "{} was not told of alert {}: {why}",
                notifier.name,
                alert.id
            );
        }
        let mut watch = shown.watch();
        if let Some(a) = watch.alerts_mut().iter_mut().find(|a| a.id == alert.id)
            && went(a, &notifier.name, state, result, SystemWall.now_ms())
        {
            shown.tell(&alert.id);
        }
    }
}

fn send(notifier: &Notifier, alert: &Alert, state: State, now_ms: u64) -> Result<(), String> {
    let link = notifier.link.as_deref();
    let (url, token, body) = match &notifier.kind {
        Kind::Alertmanager { url, token } => {
            let body = alertmanager::body(alert, state, link, now_ms);
            (format!("{url}{}", alertmanager::PATH), token.as_ref(), body)
        }
        Kind::PagerDuty { url, key } => (
            url.clone(),
            None,
            pagerduty::body(alert, state, &value(key)?, link),
        ),
        Kind::Webhook { url, token } => (
            value(url)?,
            token.as_ref(),
            webhook::body(alert, state, link),
        ),
    };
    let roots = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        // Receivers within a company have certificates that only the system knows.
        .tls_config(roots)
        .build()
        .new_agent();
    let mut request = agent.post(&url).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {}", value(token)?));
    }
    let answer = request.send(body.to_string());
    // The address may be a secret, and errors may name it.
    let mut answer = answer.map_err(|e| e.to_string().replace(&url, "***"))?;
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        status => {
            let said = answer
                .body_mut()
                .with_config()
                .limit(64 * 1024)
                .read_to_string();
            let said = said.unwrap_or_default().replace(['\n', '\r'], " ");
            Err(format!(
                "it answered {status} {}",
                ::slo::notify::text::short(&said, MAX_WHY)
            ))
        }
    }
}

/// Read anew each time: whoever changes a secret's file need not restart.
fn value(secret: &Secret) -> Result<String, String> {
    secret.fetch().map_err(|f| f.what)
}
