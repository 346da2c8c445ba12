//! Follows the stream for as long as one connection lasts, and keeps the index.

use super::note::{self, Card, JOB, Note, STATE};
use super::work;
use super::{Shared, lock};
use crate::JobId;
use crate::State;
use crate::nats::conn::Conn;
use crate::nats::fault::Fault;
use crate::nats::follow::{Told, Wanted};
use crate::nats::message::Found;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::interval;

/// How often it is asked how full the stream is.
const LOOK: Duration = Duration::from_secs(1);

/// Why it ended.
pub fn follow(shared: Arc<Shared>, conn: Conn) -> Pin<Box<dyn Future<Output = Fault> + Send>> {
    Box::pin(async move {
        // Known before the first job is accepted.
        if let Err(fault) = measure(&shared, &conn).await {
            return fault;
        }
        let ended = tokio::select! {
            ended = read(&shared, &conn) => ended,
            ended = look(&shared, &conn) => ended,
        };
        match ended {
            Err(fault) => fault,
        }
    })
}

async fn read(shared: &Shared, conn: &Conn) -> Result<Infallible, Fault> {
    let wanted = Wanted {
        filter: format!("{}.>", shared.stream),
        stream: shared.stream.clone(),
        headers_only: true,
    };
    let place = lock(&shared.index).place.clone();
    let mut follow = conn.follow(wanted, place).await?;
    loop {
        let told = follow.next().await?;
        let place = follow.place().clone();
        match told {
            Told::Message(found) => {
                let heard = shared.learn(&found);
                lock(&shared.index).place = place;
                shared.seen.send_modify(|seen| seen.0 = found.seq);
                if let (Some(id), Some(tell)) = (heard, shared.heard.get()) {
                    tell(id);
                }
            }
            Told::Anew => {
                lock(&shared.index).clear();
                shared.seen.send_replace((0, false));
            }
            // What was thrown away had ended.
            Told::Gap(_) => {}
            Told::Caught => {
                shared.seen.send_modify(|seen| seen.1 = true);
                let doubtful = std::mem::take(&mut lock(&shared.held).doubtful);
                for (id, attempt) in doubtful {
                    work::give_up(conn, shared, id, attempt, false).await?;
                }
            }
        }
    }
}

async fn look(shared: &Shared, conn: &Conn) -> Result<Infallible, Fault> {
    let mut tick = interval(LOOK);
    loop {
        tick.tick().await;
        measure(shared, conn).await?;
    }
}

/// How full the stream is.
async fn measure(shared: &Shared, conn: &Conn) -> Result<(), Fault> {
    let info = conn.stream(&shared.stream).await?;
    let most = info["config"]["max_bytes"].as_i64();
    let mut index = lock(&shared.index);
    index.used = info["state"]["bytes"].as_u64().unwrap_or(0);
    index.room = most.and_then(|most| u64::try_from(most).ok());
    Ok(())
}

impl Shared {
    /// Puts into the index what a message says; of which job that has ended or whose attempt has.
    pub fn learn(&self, found: &Found) -> Option<JobId> {
        let mut index = lock(&self.index);
        index.followed = index.followed.max(found.seq);
        let secret = note::secret(&self.stream, &found.subject)?;
        if let Some(card) = note::read::<Card>(&found.headers, JOB) {
            index.accept(found.seq, secret, card);
            return None;
        }
        let note = note::read::<Note>(&found.headers, STATE)?;
        let id = JobId {
            seq: note.job,
            secret,
        };
        let heard = (note.state != State::Leased).then_some(id);
        index.note(found.seq, secret, note);
        heard
    }
}
