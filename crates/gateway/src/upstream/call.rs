//! HTTP/2 towards instances: connections that carry many exchanges, and one exchange on one of them, which is a socket
//! that speaks HTTP/1 (ADR 61).

use super::Instance;
use super::link::{Link, same};
use super::pool::Conn;
use crate::connection::Socket;
use crate::http2::{Call, Corked};
use base::{InstanceIx, Nanos};
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_local;

/// Body bytes of one answer that an instance may send ahead, and of all on a connection.
const WINDOW: u32 = 256 * 1024;
const WINDOW_OF_ALL: u32 = 4 * 1024 * 1024;
/// Bytes of requests that wait in the library, per exchange.
const SEND_BUFFER: usize = 64 * 1024;
/// Header lists of answers.
const HEAD: u32 = 64 * 1024;

/// One connection.
#[derive(Clone)]
pub struct Calls {
    sender: SendRequest<Bytes>,
    link: Option<Arc<Link>>,
    instance: Arc<Instance>,
    under_way: Rc<Cell<usize>>,
    ended: Rc<Cell<bool>>,
}

impl Calls {
    /// # Errors
    /// When the instance does not speak HTTP/2.
    pub async fn begin(conn: Conn) -> io::Result<Calls> {
        // It carries streams, which may be silent.
        conn.socket.keep_alive(Duration::ZERO);
        let (socket, counted) = conn.split();
        let socket = Corked::new(socket);
        let begin = Builder::new()
            .enable_push(false)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW_OF_ALL)
            .max_header_list_size(HEAD)
            .max_send_buffer_size(SEND_BUFFER)
            .handshake(socket.clone());
        let (sender, connection) = begin.await.map_err(io::Error::other)?;
        let ended = Rc::new(Cell::new(false));
        let calls = Calls {
            sender,
            link: counted.link.clone(),
            instance: counted.instance.clone(),
            under_way: Rc::default(),
            ended: ended.clone(),
        };
        spawn_local(async move {
            let end = socket.drive(connection).await;
            if let Err(e) = end.and_then(|end| end.map_err(io::Error::other)) {
                tracing::debug!(instance = %counted.instance.address, error = %e, "HTTP/2");
            }
            ended.set(true);
        });
        Ok(calls)
    }

    /// Room for one exchange.
    pub fn call(&self) -> Conn {
        let socket = Socket::Call(Box::new(Call::new(
            self.sender.clone(),
            self.under_way.clone(),
            self.ended.clone(),
        )));
        Conn::part(socket, self.instance.clone(), self.link.clone())
    }

    fn has_room(&self) -> bool {
        !self.ended.get() && self.under_way.get() < self.sender.current_max_send_streams()
    }
}

/// Connections to one instance, and when each was used last.
type Used = Vec<(Calls, Cell<Nanos>)>;

/// The connections of one thread.
#[derive(Default)]
pub struct AllCalls {
    by_instance: RefCell<HashMap<InstanceIx, Used>>,
}

impl AllCalls {
    /// On a connection that has room.
    pub fn take(&self, instance: InstanceIx, link: Option<&Arc<Link>>, now: Nanos) -> Option<Conn> {
        let all = self.by_instance.borrow();
        let fits = |(c, _): &&(Calls, _)| same(c.link.as_ref(), link) && c.has_room();
        let (calls, used) = all.get(&instance)?.iter().find(fits)?;
        used.set(now);
        Some(calls.call())
    }

    pub fn add(&self, calls: Calls, now: Nanos) {
        let mut all = self.by_instance.borrow_mut();
        let mine = all.entry(calls.instance.ix).or_default();
        mine.push((calls, Cell::new(now)));
    }

    /// Lets go of what has ended or was idle for longer than `longest` says; the library ends it when nothing is under way.
    pub fn expire(&self, now: Nanos, longest: impl Fn(InstanceIx) -> Option<Duration>) {
        let mut all = self.by_instance.borrow_mut();
        all.retain(|ix, mine| {
            let longest = longest(*ix);
            mine.retain(|(calls, used)| {
                if calls.under_way.get() > 0 {
                    used.set(now);
                }
                !calls.ended.get() && longest.is_some_and(|l| now.since(used.get()) < l)
            });
            !mine.is_empty()
        });
    }
}
