//! Turns for questions that take seconds of a core: one is answered at a time, a few wait, others are sent away.

use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questions that wait behind the one that is being answered.
const WAITING: usize = 4;

pub struct Turns {
    /// Places in the line, that of the one whose turn it is included.
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

/// Held until the answer is there, even if whoever asked has left.
pub struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            places: Arc::new(Semaphore::new(1 + WAITING)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Turns {
    /// First come, first served; who leaves gives the place back. `None`: too many wait.
    pub async fn wait(&self) -> Option<Turn> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let turn = self.turn.clone().acquire_owned().await.ok()?;
        Some(Turn {
            _turn: turn,
            _place: place,
        })
    }

    /// The same on a thread that may block.
    pub fn wait_here(&self) -> Option<Turn> {
        Handle::current().block_on(self.wait())
    }
}
