//! Those who want to know where the primary is from now on: one question answers all who asked before it began.

use super::position::Position;
use std::sync::Mutex;
use tokio::sync::{Notify, oneshot};

/// Requests that wait for one sample; those beyond are told that nobody knows.
const WAITING: usize = 4096;

#[derive(Debug, Default)]
pub struct Sampler {
    waiting: Mutex<Vec<oneshot::Sender<Position>>>,
    wanted: Notify,
}

impl Sampler {
    /// What the next sample says; an error when there is none.
    pub fn next(&self) -> oneshot::Receiver<Position> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        if waiting.len() < WAITING {
            waiting.push(tell);
            drop(waiting);
            self.wanted.notify_one();
        }
        told
    }

    /// Until somebody asks; then everybody who has asked, to be told after a question that begins now. Dropping them tells
    /// them that nobody knows.
    pub async fn asked(&self) -> Vec<oneshot::Sender<Position>> {
        loop {
            let all = self.take();
            if !all.is_empty() {
                return all;
            }
            self.wanted.notified().await;
        }
    }

    fn take(&self) -> Vec<oneshot::Sender<Position>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        waiting.retain(|w| !w.is_closed());
        std::mem::take(&mut *waiting)
    }
}
