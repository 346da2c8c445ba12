//! Looks whether a certificate is due, until the gateway ends.

use super::Standing;
use super::core::{again, due};
use super::files::held;
use super::order::order;
use crate::looks::Looks;
use crate::runtime::Shared;
use config::sections::Acme;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn run(shared: Weak<Shared>) {
    let mut looks = Looks::every(LOOK, shared);
    let mut seen: Option<(Acme, PathBuf)> = None;
    let (mut next, mut failures) = (0, 0);
    while let Some(shared) = looks.next().await {
        let base = shared.generation().base.clone();
        let Some(acme) = base.tls.as_ref().and_then(|tls| tls.acme.clone()) else {
            shared.set_acme(None);
            seen = None;
            continue;
        };
        let wanted = (acme, base.data_dir.clone());
        if seen.as_ref() != Some(&wanted) {
            next = look(&shared, &wanted, None);
            failures = 0;
            seen = Some(wanted.clone());
        }
        // A process that leaves lets the next one ask.
        if now() < next || shared.draining.load(Relaxed) {
            continue;
        }
        let challenges = shared.tls.challenges().clone();
        drop(shared);
        let (acme, data_dir) = &wanted;
        let done = order(acme, data_dir, &challenges).await;
        let Some(shared) = looks.next().await else {
            return;
        };
        next = match done {
            Ok(()) => {
                failures = 0;
                let next = look(&shared, &wanted, None);
                tracing::info!(names = ?acme.names, "a new certificate is in service");
                for finding in shared.load_tls(false) {
                    tracing::error!("the old certificates stay in service: {finding}");
                }
                // However short its life: the authority is not asked without a pause.
                next.max(again(now(), 1, 1.0))
            }
            Err(why) => {
                failures += 1;
                let next = again(now(), failures, chance());
                tracing::warn!(
                    names = ?acme.names, next_try_s = next.saturating_sub(now()),
                    "no new certificate, the old one goes on: {why}"
                );
                look(&shared, &wanted, Some((why, next)));
                next
            }
        };
    }
}

/// Notes how it stands, and gives when the next certificate is due; `failed`: why there was none, and the next try.
fn look(shared: &Arc<Shared>, wanted: &(Acme, PathBuf), failed: Option<(String, u64)>) -> u64 {
    let (acme, data_dir) = wanted;
    let held = held(data_dir);
    let (wrong, next) = match failed {
        Some((why, next)) => (Some(why), next),
        None => (None, due(held.as_ref(), &acme.names, chance())),
    };
    shared.set_acme(Some(Standing {
        names: acme.names.clone(),
        until: held.map(|h| h.life.until),
        next,
        wrong,
    }));
    next
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |d| d.as_secs())
}

/// From 0 to 1, another one each time.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0u8) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

impl Shared {
    fn set_acme(&self, standing: Option<Standing>) {
        *self.acme.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}
