//! Idle connections that carry one client's requests only, because they have told the instance who that is.
//! They are the client's: taken for it alone, and closed when its own connection ends.

use super::link::Link;
use super::pool::Conn;
use crate::proxy_protocol::{Ends, Told};
use base::{InstanceIx, Nanos};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Idle connections that one client keeps; the oldest makes room.
const MOST: usize = 8;

/// Of one thread. Every client in it has a connection in it.
#[derive(Default)]
pub struct Private {
    by_client: RefCell<HashMap<Ends, Vec<(Conn, Nanos)>>>,
}

impl Private {
    /// The one to this instance that was used last.
    pub fn take(&self, told: Told, instance: InstanceIx, link: Option<&Arc<Link>>) -> Option<Conn> {
        let Told::Client(ends) = told else {
            return None;
        };
        let mut all = self.by_client.borrow_mut();
        let mine = all.get_mut(&ends)?;
        let mut found = None;
        while found.is_none()
            && let Some(at) = mine.iter().rposition(|(c, _)| c.instance().ix == instance)
        {
            let (mut conn, _) = mine.remove(at);
            found = conn.serves(link).then_some(conn);
        }
        if mine.is_empty() {
            all.remove(&ends);
        }
        found
    }

    /// What was Plimsoll's own is not kept.
    pub fn give(&self, told: Told, conn: Conn, now: Nanos) {
        if let Told::Client(ends) = told {
            let mut all = self.by_client.borrow_mut();
            let mine = all.entry(ends).or_default();
            if mine.len() == MOST {
                mine.remove(0);
            }
            mine.push((conn, now));
        }
    }

    /// The client's connection has ended.
    pub fn close(&self, ends: &Ends) {
        let mut all = self.by_client.borrow_mut();
        if !all.is_empty() {
            all.remove(ends);
        }
    }

    /// Closes what has been idle for longer than `longest` says; `None` for an instance closes all to it.
    pub fn expire(&self, now: Nanos, longest: impl Fn(InstanceIx) -> Option<Duration>) {
        self.by_client.borrow_mut().retain(|_, mine| {
            mine.retain(|(conn, since)| !conn.is_over(*since, now, longest(conn.instance().ix)));
            !mine.is_empty()
        });
    }
}
