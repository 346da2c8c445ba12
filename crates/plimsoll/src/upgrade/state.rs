//! How an upgrade stands, for the console, and how one is asked for there.

use base::Finding;
use console::Upgrades;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// How the last upgrade that this process tried ended. After a good one it answers no more questions.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Outcome {
    #[default]
    None,
    UnderWay,
    Failed(String),
}

pub struct Upgrading {
    outcome: Mutex<Outcome>,
    ask: mpsc::Sender<()>,
}

impl Upgrading {
    /// Who asks over the console is heard at the receiver.
    pub fn new() -> (Upgrading, mpsc::Receiver<()>) {
        let (ask, asked) = mpsc::channel(1);
        let upgrading = Upgrading {
            outcome: Mutex::default(),
            ask,
        };
        (upgrading, asked)
    }

    pub fn set(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }

    fn outcome(&self) -> Outcome {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.clone()
    }
}

impl Upgrades for Upgrading {
    fn start(&self) -> Result<Value, Vec<Finding>> {
        // One step: who is asked may fail at once, and that must not be overwritten.
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if *outcome == Outcome::UnderWay || self.ask.try_send(()).is_err() {
            let what = "an upgrade is under way";
            return Err(vec![Finding::error("upgrade-refused", what)]);
        }
        *outcome = Outcome::UnderWay;
        drop(outcome);
        Ok(self.progress())
    }

    fn progress(&self) -> Value {
        let (state, why) = match self.outcome() {
            Outcome::None => ("none", None),
            Outcome::UnderWay => ("under way", None),
            Outcome::Failed(why) => ("failed", Some(why)),
        };
        json!({
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "state": state,
            "why": why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let (upgrading, mut asked) = Upgrading::new();
        assert_eq!(upgrading.start().unwrap()["state"], "under way");
        assert!(upgrading.start().is_err());
        asked.try_recv().unwrap();
        upgrading.set(Outcome::Failed("no".into()));
        assert_eq!(upgrading.progress()["why"], "no");
        assert!(upgrading.start().is_ok());
    }
}
