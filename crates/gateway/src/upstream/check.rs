//! Runs the active checks beside the path: asks every instance at its interval and tells its health what came back.

use super::connect::tell;
use super::health::{Event, Members};
use super::link::{Link, Reached};
use crate::looks::Looks;
use crate::proxy_protocol::Told;
use crate::runtime::Shared;
use base::InstanceIx;
use config::Address;
use config::sections::Health;
use http1::client::{ResponseReader, render_request};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

/// How often it is looked at what is due.
const LOOK: Duration = Duration::from_millis(50);
/// Checks under way at once.
const AT_ONCE: usize = 64;

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
            let told = service.config.proxy_protocol.then_some(Told::Own);
            let (rules, link, address, ix, index, clock) = (
                rules.clone(),
                service.link.clone(),
                instance.address.clone(),
                instance.ix,
                *index,
                shared.clock,
            );
            running.spawn(async move {
                let answer = tokio::time::timeout(rules.timeout, ask(&rules, link, told, address.clone())).await;
                let event = match answer {
                    Ok(Ok(true)) => Event::CheckOk,
                    _ => Event::CheckFailed,
                };
                if let Some((before, after)) = members.report(index, event, clock.now())
                    && before.check != after.check
                {
                    tracing::info!(instance = %address, before = ?before.check, after = ?after.check, "health");
                }
                ix
            });
        }
    }
}

/// Without a path, a connection (and its handshake) is the check; with one, a status below 400. An instance that speaks
/// nothing but HTTP/2 is not asked for a path.
async fn ask(
    rules: &Health,
    link: Option<Arc<Link>>,
    told: Option<Told>,
    address: Address,
) -> io::Result<bool> {
    match &address {
        Address::Ip(at) => {
            let mut stream = TcpStream::connect(at).await?;
            tell(&mut stream, told).await?;
            let host = at.to_string();
            let Some(link) = link else {
                return Ok(answers(rules, stream, &host).await);
            };
            match link.reach(stream, at.ip(), false).await? {
                (_, true) => Ok(true),
                (Reached::Plain(stream), _) => Ok(answers(rules, stream, &host).await),
                (Reached::Secure(stream), _) => Ok(answers(rules, *stream, &host).await),
            }
        }
        Address::Unix(path) => {
            let mut stream = UnixStream::connect(path).await?;
            tell(&mut stream, told).await?;
            match link.is_some_and(|link| link.speaks_http2()) {
                true => Ok(true),
                false => Ok(answers(rules, stream, "localhost").await),
            }
        }
    }
}

async fn answers(
    rules: &Health,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
) -> bool {
    let Some(path) = &rules.path else {
        return true;
    };
    let mut bytes = Vec::new();
    let headers = [
        ("User-Agent".to_owned(), "plimsoll-health".to_owned()),
        ("Connection".to_owned(), "close".to_owned()),
    ];
    if render_request(&mut bytes, "GET", path, host, &headers, None).is_err()
        || stream.write_all(&bytes).await.is_err()
        || stream.flush().await.is_err()
    {
        return false;
    }
    let mut reader = ResponseReader::new(http1::Limits::default());
    let mut lines = http1::Lines::default();
    reader.begin(http1::Method::Get);
    bytes.clear();
    loop {
        let answer = match stream.read_buf(&mut bytes).await {
            Ok(0) => reader.end_of_input(),
            Ok(_) => match reader.read(&bytes, &mut lines) {
                Ok((consumed, answer)) => {
                    bytes.drain(..consumed);
                    Ok(answer)
                }
                Err(e) => Err(e),
            },
            Err(_) => return false,
        };
        match answer {
            Ok(Some(response)) => return response.status < 400,
            Ok(None) if bytes.len() < 64 * 1024 && bytes.capacity() > 0 => {}
            _ => return false,
        }
    }
}

/// Keeps the checks running until dropped.
pub(crate) fn start(control: &tokio::runtime::Handle, shared: &Arc<Shared>) {
    control.spawn(run(Arc::downgrade(shared)));
}
