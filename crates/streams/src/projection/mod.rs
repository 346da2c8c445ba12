//! Events pushed to a service, in order: the next batch goes once this one was answered 2xx and that is on disk.

mod run;

pub use run::{Parts, Push, Standing, Tell, project};

use crate::place::{Fault, Place, Store, now_ms};
use serde::{Deserialize, Serialize};
use store::{Error, Etag, Kv, Precondition, Put};

/// What keys of projections begin with.
const PREFIX: &str = "proj/";

/// How far it is, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Events up to here are in the projection.
    pub position: u64,
    /// It is being built again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// It ends here.
    pub until: u64,
    /// Events per second, at most; `None`: as fast as they are taken.
    pub rate: Option<f64>,
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// `None`: it has not begun.
fn load(store: &dyn Store, name: &str) -> Result<Option<(Checkpoint, Etag)>, Fault> {
    let Some(entry) = Kv::get(store, &key(name), now_ms())? else {
        return Ok(None);
    };
    let read = serde_json::from_slice(&entry.value);
    let read =
        read.map_err(|e| Error::Invalid(format!("the checkpoint of `{name}` is damaged: {e}")))?;
    Ok(Some((read, entry.etag)))
}

async fn save(
    place: &Place,
    name: &str,
    checkpoint: &Checkpoint,
    precondition: Precondition,
) -> Result<Etag, Fault> {
    let value = serde_json::to_vec(checkpoint).unwrap_or_default();
    let put = Put {
        precondition,
        ..Put::new(key(name), value)
    };
    let ack = Kv::put(&*place.store()?, put, now_ms());
    Ok(ack.await?)
}

/// Has a projection be pushed everything after `from` again.
///
/// # Errors
/// When `from` is not there yet or was let go, or the store is not open.
pub async fn replay(place: &Place, name: &str, from: u64, rate: Option<f64>) -> Result<u64, Fault> {
    let ends = place.ends().await?;
    if from < ends.gone {
        return Err(Fault::Gone {
            first: ends.gone + 1,
        });
    }
    if from > ends.last {
        let what = format!(
            "position {from} is not there yet; the last is {}",
            ends.last
        );
        return Err(Fault::Wrong(what));
    }
    let checkpoint = Checkpoint {
        position: from,
        replay: (from < ends.last).then_some(Replay {
            until: ends.last,
            rate,
        }),
    };
    save(place, name, &checkpoint, Precondition::Any).await?;
    Ok(ends.last)
}
