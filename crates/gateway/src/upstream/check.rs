//! Runs the active checks beside the path: asks every instance at its interval and tells its health what came back.

use super::ask::{Question, Way};
use super::grpc_health;
use super::health::{Event, Members};
use crate::looks::Looks;
use crate::runtime::Shared;
use base::InstanceIx;
use config::sections::Health;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often it is looked at what is due.
const LOOK: Duration = Duration::from_millis(50);
/// Checks under way at once.
const AT_ONCE: usize = 64;
/// Bytes of an answer's body that are read.
const ANSWER: usize = 64 * 1024;

/// Ends when the gateway does.
pub(crate) async fn run(shared: Weak<Shared>) {
    let mut due: HashMap<InstanceIx, Instant> = HashMap::new();
    let mut running: JoinSet<InstanceIx> = JoinSet::new();
    let mut looks = Looks::every(LOOK, shared);
    while let Some(shared) = looks.next().await {
        while running.try_join_next().is_some() {}
        let snapshot = shared.current.load_full();
        let now = Instant::now();
        let instances = &snapshot.instances;
        // Every instance is due at some time; only when there are more than that, some are gone.
        if due.len() > instances.len() {
            due.retain(|ix, _| instances.iter().any(|(_, _, i)| i.ix == *ix));
        }
        for (service, index, instance) in instances {
            let rules = &service.config.health;
            let at = due.entry(instance.ix).or_insert(now);
            if *at > now || running.len() >= AT_ONCE {
                continue;
            }
            // Never due again while it runs: a check takes at most its timeout.
            *at = now + rules.interval.max(rules.timeout).max(LOOK);
            let members = Members::of(&shared.kept, service);
            let way = Way::to(service, instance.address.clone());
            let (rules, ix, index, clock) = (rules.clone(), instance.ix, *index, shared.clock);
            running.spawn(async move {
                let answer = tokio::time::timeout(rules.timeout, is_well(&rules, &way)).await;
                let event = match answer {
                    Ok(true) => Event::CheckOk,
                    _ => Event::CheckFailed,
                };
                if let Some((before, after)) = members.report(index, event, clock.now())
                    && before.check != after.check
                {
                    tracing::info!(instance = %way.address(), before = ?before.check, after = ?after.check, "health");
                }
                ix
            });
        }
    }
}

/// Without a path, a connection (and its handshake) is the check; with one, a status below 400; with gRPC, what the
/// instance says of itself.
async fn is_well(rules: &Health, way: &Way) -> bool {
    if let Some(service) = &rules.grpc {
        let question = grpc_health::question(service, way.host());
        let told = way.ask(&question, ANSWER, true).await;
        return told.is_ok_and(|told| grpc_health::is_serving(&told));
    }
    let Some(path) = &rules.path else {
        return way.open(false).await.is_ok();
    };
    let question = Question {
        method: "GET".into(),
        target: path.clone(),
        host: way.host(),
        headers: vec![("User-Agent".into(), "plimsoll-health".into())],
        body: None,
    };
    let told = way.ask(&question, ANSWER, false).await;
    told.is_ok_and(|told| told.status < 400)
}

/// Keeps the checks running until dropped.
pub(crate) fn start(control: &tokio::runtime::Handle, shared: &Arc<Shared>) {
    control.spawn(run(Arc::downgrade(shared)));
}
