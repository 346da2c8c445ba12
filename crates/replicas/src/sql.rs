//! What databases are asked. Any role that may connect may ask all of it.

use gateway::replicas::Position;
use tokio_postgres::{Client, Error, Row};

/// How far it is, and whether it takes writes. A primary tells its timeline by the name of its log's file.
const WHERE: &str = "SELECT in_recovery, \
    CASE WHEN in_recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text, \
    CASE WHEN in_recovery THEN '' ELSE pg_walfile_name(pg_current_wal_insert_lsn()) END \
    FROM (SELECT pg_is_in_recovery() AS in_recovery OFFSET 0) r /*plimsoll*/";

/// The timeline that a replica follows, at least: all of these are behind what it has replayed, or ahead of it on a timeline
/// that it could not have come to otherwise.
const TIMELINE: &str = "SELECT greatest( \
    coalesce((SELECT received_tli FROM pg_stat_wal_receiver), 0), \
    (SELECT min_recovery_end_timeline FROM pg_control_recovery()), \
    (SELECT timeline_id FROM pg_control_checkpoint())) /*plimsoll*/";

/// What is written and not flushed reaches no replica, and no token of a session that covers it is ever reached: a commit
/// flushes it. Nothing is written where nothing hangs.
const HEARTBEAT: &str = "SELECT CASE WHEN pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn() \
    THEN pg_logical_emit_message(true, 'plimsoll', '') END::text /*plimsoll*/";

/// Where one is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub in_recovery: bool,
    pub lsn: u64,
    /// `None`: a replica does not say.
    pub timeline: Option<u32>,
}

fn place(row: &Row) -> Option<Place> {
    let lsn: Option<String> = row.get(1);
    let file: String = row.get(2);
    let in_recovery: bool = row.get(0);
    let timeline = file.get(..8).and_then(|t| u32::from_str_radix(t, 16).ok());
    Some(Place {
        in_recovery,
        // A replica that has replayed nothing yet is at the beginning.
        lsn: lsn.map_or(Some(0), |l| Position::lsn(&l))?,
        timeline: timeline.filter(|_| !in_recovery),
    })
}

/// Prepared once for each connection.
pub struct Questions {
    at: tokio_postgres::Statement,
    timeline: tokio_postgres::Statement,
    heartbeat: tokio_postgres::Statement,
}

impl Questions {
    pub async fn prepare(c: &Client) -> Result<Questions, Error> {
        Ok(Questions {
            at: c.prepare(WHERE).await?,
            timeline: c.prepare(TIMELINE).await?,
            heartbeat: c.prepare(HEARTBEAT).await?,
        })
    }

    /// `None`: the answer makes no sense.
    pub async fn place(&self, c: &Client) -> Result<Option<Place>, Error> {
        Ok(place(&c.query_one(&self.at, &[]).await?))
    }

    pub async fn timeline(&self, c: &Client) -> Result<u32, Error> {
        let row = c.query_one(&self.timeline, &[]).await?;
        let timeline: Option<i32> = row.get(0);
        Ok(timeline.unwrap_or(0).max(0) as u32)
    }

    pub async fn heartbeat(&self, c: &Client) -> Result<(), Error> {
        c.query_one(&self.heartbeat, &[]).await.map(drop)
    }
}
