//! What an attempt needs before it can be sent: a place in the pool of its instance, and a connection.

use super::Busy;
use super::attempt::{Tried, failed, late};
use super::client::{Client, Cut};
use super::exchange::{Ending, gate_reply};
use super::live::micros;
use super::socket::Socket;
use crate::exchange::Reply;
use crate::proxy_protocol::Told;
use crate::retry::Failure;
use crate::snapshot::Route;
use crate::upstream::Instance;
use crate::upstream::connect::{Made, connect};
use crate::upstream::pool::{self, Ask, Conn, Place};
use crate::worker::Worker;
use base::{Nanos, Outcome};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

/// A place in the pool and a connection.
pub(super) struct Opened {
    pub conn: Conn,
    pub place: Place,
    /// It was used before, and may have died since.
    pub reused: bool,
}

impl Opened {
    /// Makes it what the route needs.
    pub fn ready(&mut self, route: &Route) {
        if let (Socket::Call(call), true) = (&mut self.conn.socket, route.grpc_web) {
            call.translate();
        }
    }
}

/// A place in the pool and a connection: an idle one, or a new one.
pub(super) async fn open(
    worker: &Rc<Worker>,
    client: &mut Client,
    room: &mut Busy,
    route: &Route,
    instance: &Arc<Instance>,
    began: Nanos,
) -> Result<Opened, Tried> {
    let rules = &route.service.config.pool;
    let late = |room: &mut Busy| late(worker, room, route, instance, "a connection");
    let place = match pool::ask(instance) {
        Ask::Now(place) => place,
        Ask::Full => {
            // Rare, so its room is not part of every connection.
            let wait = Box::pin(pool::wait(instance.clone(), rules.wait));
            let waited = client.race(&mut room.down.bytes, wait).await;
            let ns = worker.now().0.saturating_sub(began.0);
            room.live.facts.waited_ns += ns;
            if let Some(trial) = &mut room.live.trial {
                trial.wait_us = micros(ns);
            }
            match waited {
                Ok(Some(place)) => place,
                Ok(None) => {
                    room.live.end_attempt(0, Outcome::Refused, worker.now());
                    let detail = format!(
                        "all connections to {}/{} were busy for {} ms",
                        instance.service,
                        instance.address,
                        rules.wait.as_millis()
                    );
                    let reply = Reply::problem(503, "pool-wait", &detail);
                    return Err(Tried::End(gate_reply(reply.with("Retry-After", "1"))));
                }
                Err(Cut::ClientGone) => return Err(Tried::End(Ending::Gone)),
                Err(Cut::Late) => return Err(late(room)),
            }
        }
    };
    let told = (route.service.config.proxy_protocol).then(|| client.told());
    if let Some((conn, reused)) = kept(worker, route, instance, told) {
        return Ok(Opened {
            conn,
            place,
            reused,
        });
    }
    let made = Box::pin(made(worker, route, instance, told));
    match client.race(&mut room.down.bytes, made).await {
        Ok(Ok(conn)) => Ok(Opened {
            conn,
            place,
            reused: false,
        }),
        Ok(Err(e)) => {
            drop(place);
            let detail = format!("cannot connect: {e}");
            let now = worker.now();
            Err(failed(
                room,
                route,
                instance,
                Failure::Connect,
                "upstream-connect",
                &detail,
                now,
            ))
        }
        Err(Cut::ClientGone) => Err(Tried::End(Ending::Gone)),
        Err(Cut::Late) => Err(late(room)),
    }
}

/// A connection that is there; and whether it was used before and may have died since.
pub(super) fn kept(
    worker: &Worker,
    route: &Route,
    instance: &Instance,
    told: Option<Told>,
) -> Option<(Conn, bool)> {
    let link = route.service.link.as_ref();
    let idle = match told {
        None => worker.idle.take(instance.ix, link),
        Some(told) => worker.private.take(told, instance.ix, link),
    };
    if let Some(conn) = idle {
        return Some((conn, true));
    }
    if link.is_none() || told.is_some() {
        return None;
    }
    let part = worker.calls.take(instance.ix, link, worker.now())?;
    Some((part, false))
}

/// A new one.
pub(super) async fn made(
    worker: &Worker,
    route: &Route,
    instance: &Arc<Instance>,
    told: Option<Told>,
) -> io::Result<Conn> {
    let link = route.service.link.clone();
    let longest = route.service.config.pool.connect_timeout;
    Ok(
        match connect(link, instance.clone(), told, longest).await? {
            Made::Conn(conn) => conn,
            Made::Calls(calls) => {
                let conn = calls.call();
                worker.calls.add(calls, worker.now());
                conn
            }
        },
    )
}
