//! The loop of one projection.

use super::{Checkpoint, load, save};
use crate::event::batch;
use crate::place::{Fault, Leads, Place, after};
use crate::subscription::{WINDOW, names, whole};
use config::sections::Projection;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{Etag, Precondition, Record};
use tokio::time::sleep;

/// Posts a batch: the status that came back. Blocks.
pub type Push = Arc<dyn Fn(&Projection, u64, &[u8]) -> Result<u16, String> + Send + Sync>;
/// Told how far a projection is.
pub type Tell = Arc<dyn Fn(&str, u64) + Send + Sync>;

/// After a failure; doubled with each further one.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// How often it looks whether it shall begin anew.
const LOOK: Duration = Duration::from_secs(1);
/// How often it looks how far another node is with it.
const LED: Duration = Duration::from_millis(100);
/// Bytes of events in one request, but for a first one that is larger.
const BYTES: usize = 4 << 20;
/// The checkpoint goes over events of others when there are so many.
const AHEAD: u64 = 1000;

/// How it stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Standing {
    pub name: String,
    pub to: String,
    /// The last batch was taken.
    pub up: bool,
    /// What went wrong last, while it does.
    pub error: Option<String>,
    /// Another node pushes: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    pub position: u64,
    /// It is being built again up to here.
    pub replay_until: Option<u64>,
    /// Events that were taken since the start.
    pub pushed: u64,
}

#[derive(Clone)]
pub struct Parts {
    pub place: Arc<Place>,
    pub push: Push,
    pub tell: Tell,
    /// Of several nodes one pushes.
    pub leads: Leads,
}

struct Run {
    projection: Arc<Projection>,
    parts: Parts,
    standing: Arc<Mutex<Standing>>,
    /// As it is kept, and how far it is beyond that without an event of its own.
    kept: Option<(Checkpoint, Etag)>,
    position: u64,
}

/// Runs until it is dropped.
pub async fn project(projection: Projection, parts: Parts, standing: Arc<Mutex<Standing>>) {
    let mut run = Run {
        projection: Arc::new(projection),
        parts,
        standing,
        kept: None,
        position: 0,
    };
    let mut pause = FIRST;
    loop {
        match run.turn().await {
            Ok(rest) => {
                run.say(None);
                pause = FIRST;
                sleep(rest).await;
            }
            Err(why) => {
                run.say(Some(why));
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}

impl Run {
    fn say(&self, error: Option<String>) {
        let mut now = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let name = &self.projection.name;
        match (&now.error, &error) {
            (None, Some(why)) => tracing::warn!("projection {name}: {why}"),
            (Some(_), None) => tracing::info!("projection {name}: it goes on"),
            _ => {}
        }
        now.up = error.is_none();
        now.error = error;
        now.position = self.position;
        let replay = self.kept.as_ref().and_then(|k| k.0.replay.as_ref());
        now.replay_until = replay.map(|r| r.until);
        drop(now);
        (self.parts.tell)(name, self.position);
    }

    /// Looks for what comes next and pushes it; how long to rest then.
    async fn turn(&mut self) -> Result<Duration, String> {
        self.catch_up().await.map_err(|e| e.to_string())?;
        let elsewhere = (self.parts.leads)().err();
        let is_elsewhere = elsewhere.is_some();
        self.standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elsewhere = elsewhere;
        if is_elsewhere {
            return Ok(LED);
        }
        if !self.parts.place.wait_past(self.position, after(LOOK)).await {
            let last = self.parts.place.last();
            // Its checkpoint is kept elsewhere than the events: they may have begun anew without it.
            return match self.position > last {
                true => Err(format!(
                    "it is at position {}, and the last event here is at {last}: this node has not all events yet; when they began anew, so must the projection (`plimsoll streams replay`)",
                    self.position
                )),
                false => Ok(Duration::ZERO),
            };
        }
        let replay = self.kept.as_ref().and_then(|k| k.0.replay.clone());
        let rate = replay.as_ref().and_then(|r| r.rate);
        let mut limit = self.projection.batch as usize;
        if let Some(rate) = rate {
            limit = limit.min(rate.ceil() as usize).max(1);
        }
        let (records, to) = self.read(limit).await.map_err(|e| e.to_string())?;
        let Some(last) = records.last() else {
            self.position = to;
            let kept = self.kept.as_ref().map_or(0, |k| k.0.position);
            if to >= kept + AHEAD || replay.is_some_and(|r| to >= r.until) {
                self.save(to).await.map_err(|e| e.to_string())?;
            }
            return Ok(Duration::ZERO);
        };
        let (position, count) = (last.position, records.len());
        self.push(&records, position).await?;
        if self.save(position).await.map_err(|e| e.to_string())? {
            self.position = position;
        }
        let mut now = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        now.pushed += count as u64;
        let rest = rate.filter(|r| *r > 0.0).map_or(0.0, |r| count as f64 / r);
        Ok(Duration::from_secs_f64(rest.min(3600.0)))
    }

    /// Goes by what is kept, when somebody else changed it.
    async fn catch_up(&mut self) -> Result<(), Fault> {
        let name = self.projection.name.clone();
        let place = &self.parts.place;
        let kept = place.read(move |s| load(s, &name)).await?;
        if kept.is_none() {
            // It begins with the first event that there is.
            let position = place.ends().await?.gone;
            let new = Checkpoint {
                position,
                replay: None,
            };
            let etag = save(place, &self.projection.name, &new, Precondition::Absent).await?;
            (self.position, self.kept) = (position, Some((new, etag)));
        } else if kept.as_ref().map(|k| k.1) != self.kept.as_ref().map(|k| k.1) {
            self.position = kept.as_ref().map_or(0, |k| k.0.position);
            self.kept = kept;
        }
        Ok(())
    }

    /// What comes next, and up to where was looked.
    async fn read(&self, limit: usize) -> Result<(Vec<Record>, u64), Fault> {
        let (p, from) = (self.projection.clone(), self.position);
        let to = self.parts.place.last().min(from + WINDOW);
        let read = move |s: &dyn crate::Store| -> Result<Vec<Record>, Fault> {
            let of = names(p.stream.as_deref(), p.prefix.as_deref());
            whole(s, from, s.read_some(of, from, to, limit)?)
        };
        let mut records = self.parts.place.read(read).await?;
        let mut bytes = 0;
        let fitting = records.iter().take_while(|r| {
            bytes += r.data.len();
            bytes <= BYTES
        });
        let fitting = fitting.count().max(1);
        records.truncate(fitting);
        Ok((records, to))
    }

    async fn push(&self, records: &[Record], position: u64) -> Result<(), String> {
        let (p, push, body) = (
            self.projection.clone(),
            self.parts.push.clone(),
            batch(records),
        );
        let pushed = tokio::task::spawn_blocking(move || push(&p, position, &body)).await;
        let status = pushed.map_err(|e| e.to_string())??;
        match status {
            200..300 => Ok(()),
            _ => Err(format!(
                "it answered {status} to the events up to position {position}; they are sent again until it takes them"
            )),
        }
    }

    /// Whether nobody else has changed it meanwhile.
    async fn save(&mut self, position: u64) -> Result<bool, Fault> {
        let Some((checkpoint, etag)) = &self.kept else {
            return Ok(false);
        };
        let replay = checkpoint.replay.clone().filter(|r| position < r.until);
        let next = Checkpoint { position, replay };
        let saved = save(
            &self.parts.place,
            &self.projection.name,
            &next,
            Precondition::Is(*etag),
        );
        match saved.await {
            Ok(etag) => {
                self.kept = Some((next, etag));
                Ok(true)
            }
            // Looked at again in the next turn.
            Err(Fault::Store(e)) if e.is_conflict() => Ok(false),
            Err(e) => Err(e),
        }
    }
}
