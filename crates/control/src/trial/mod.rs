//! A trial: apply a proposal, compare, keep it or roll it back. A state machine without I/O:
//! events and `now` go in, actions come out; `runner` carries them out.

mod outcome;
mod runner;

pub use outcome::{Outcome, Verdict};
pub use runner::{Progress, Runner, TryOptions, interrupted};

use crate::ports::Reading;
use crate::proposal::Effect;
use serde::{Deserialize, Serialize};

/// Bounds of one trial, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// After applying, before the first look: caches fill, connections move.
    pub settle_s: u64,
    /// Between looks.
    pub look_s: u64,
    /// No verdict on the effect before this much was seen.
    pub least_s: u64,
    /// A verdict at the latest after this.
    pub most_s: u64,
    /// After promotion, harm is still watched for this long.
    pub confirm_s: u64,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            settle_s: 5,
            look_s: 2,
            least_s: 10,
            most_s: 300,
            confirm_s: 30,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// The change has taken effect.
    Applied,
    /// It could not be applied, or its instance died.
    Failed(String),
    Read(Reading),
    /// A person (or an expiry, or the file) took the change away.
    Gone(String),
    Restarted,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Show the change to this share of users.
    PublishCanary {
        share: f64,
    },
    /// Apply it whole: it belongs to instances and has no share.
    ApplyWhole,
    Compare,
    /// The canary becomes a change for everyone.
    Promote,
    /// Take the change away.
    Rollback,
    Done(Outcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Applying,
    Settling,
    Watching,
    /// Promoted, still watched for harm.
    Confirming,
    Done,
}

/// One trial. Times are seconds on any clock that only goes forward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    pub predicted: Effect,
    /// `Some`: by arm with this share; `None`: before and after.
    pub share: Option<f64>,
    pub times: Times,
    pub phase: Phase,
    /// When the phase began.
    pub since_s: u64,
    /// When the trial began.
    pub began_s: u64,
    looked_s: u64,
    /// The last reading.
    pub reading: Reading,
    kept: Option<Verdict>,
}

impl Trial {
    pub fn begin(
        predicted: Effect,
        share: Option<f64>,
        times: Times,
        now_s: u64,
    ) -> (Trial, Vec<Action>) {
        let trial = Trial {
            predicted,
            share,
            times,
            phase: Phase::Applying,
            since_s: now_s,
            began_s: now_s,
            looked_s: now_s,
            reading: Reading::default(),
            kept: None,
        };
        let first = match share {
            Some(share) => Action::PublishCanary { share },
            None => Action::ApplyWhole,
        };
        (trial, vec![first])
    }

    pub fn on(&mut self, event: Event, now_s: u64) -> Vec<Action> {
        if self.phase == Phase::Done {
            return Vec::new();
        }
        match event {
            Event::Tick => self.tick(now_s),
            Event::Applied if self.phase == Phase::Applying => {
                self.enter(Phase::Settling, now_s);
                Vec::new()
            }
            Event::Applied => Vec::new(),
            Event::Failed(why) => self.roll_back(Verdict::Failed, why, now_s),
            Event::Read(reading) => self.read(reading, now_s),
            Event::Gone(why) => self.finish(Verdict::Withdrawn, why, now_s),
            Event::Restarted => {
                let why =
                    "Plimsoll restarted during the trial, so the two sides cannot be compared";
                self.roll_back(Verdict::Interrupted, why.into(), now_s)
            }
        }
    }

    fn tick(&mut self, now_s: u64) -> Vec<Action> {
        let passed = now_s.saturating_sub(self.since_s);
        match self.phase {
            Phase::Applying if passed >= self.times.most_s => {
                let why = format!("it did not take effect within {passed} s");
                self.roll_back(Verdict::Failed, why, now_s)
            }
            Phase::Settling if passed >= self.times.settle_s => {
                self.enter(Phase::Watching, now_s);
                self.look(now_s)
            }
            // Harm is looked for from the first moment; only the effect must wait.
            Phase::Settling | Phase::Watching => self.look_again(now_s),
            Phase::Confirming if passed >= self.times.confirm_s => self.keep(now_s),
            Phase::Confirming => self.look_again(now_s),
            Phase::Applying | Phase::Done => Vec::new(),
        }
    }

    fn look_again(&mut self, now_s: u64) -> Vec<Action> {
        if now_s.saturating_sub(self.looked_s) < self.times.look_s {
            return Vec::new();
        }
        self.look(now_s)
    }

    fn look(&mut self, now_s: u64) -> Vec<Action> {
        self.looked_s = now_s;
        vec![Action::Compare]
    }

    fn read(&mut self, reading: Reading, now_s: u64) -> Vec<Action> {
        if self.phase == Phase::Applying {
            return Vec::new();
        }
        if let Some(harm) = reading.harm.clone() {
            self.reading = reading;
            return self.roll_back(Verdict::Harm, harm, now_s);
        }
        if self.phase == Phase::Confirming {
            return Vec::new();
        }
        self.reading = reading;
        let seen_s = now_s.saturating_sub(self.since_s);
        if self.phase != Phase::Watching || seen_s < self.times.least_s {
            return Vec::new();
        }
        match judge(&self.predicted, self.reading.effect.as_ref()) {
            Judgement::Helps => self.promote(Verdict::Kept, now_s),
            Judgement::DoesNotHelp => {
                let why = "the measured effect is below what was predicted, and about nothing";
                self.roll_back(Verdict::NoEffect, why.into(), now_s)
            }
            Judgement::Unclear if seen_s >= self.times.most_s => {
                self.promote(Verdict::KeptUnproven, now_s)
            }
            Judgement::Unclear => Vec::new(),
        }
    }

    fn promote(&mut self, verdict: Verdict, now_s: u64) -> Vec<Action> {
        self.kept = Some(verdict);
        self.enter(Phase::Confirming, now_s);
        let mut actions = Vec::new();
        if self.share.is_some() {
            actions.push(Action::Promote);
        }
        if self.times.confirm_s == 0 {
            actions.extend(self.keep(now_s));
        }
        actions
    }

    fn keep(&mut self, now_s: u64) -> Vec<Action> {
        let verdict = self.kept.unwrap_or(Verdict::KeptUnproven);
        let why = match verdict {
            Verdict::Kept => {
                "the measured effect agrees with the prediction, and nothing got worse"
            }
            _ => "nothing got worse; the effect is not visible at this load",
        };
        self.finish(verdict, why.into(), now_s)
    }

    fn roll_back(&mut self, verdict: Verdict, why: String, now_s: u64) -> Vec<Action> {
        let mut actions = vec![Action::Rollback];
        actions.extend(self.finish(verdict, why, now_s));
        actions
    }

    fn finish(&mut self, verdict: Verdict, why: String, now_s: u64) -> Vec<Action> {
        self.enter(Phase::Done, now_s);
        vec![Action::Done(Outcome {
            verdict,
            why,
            predicted: self.predicted,
            measured: self.reading.effect,
            evidence: self.reading.evidence.clone(),
            took_s: now_s.saturating_sub(self.began_s),
        })]
    }

    fn enter(&mut self, phase: Phase, now_s: u64) {
        self.phase = phase;
        self.since_s = now_s;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Helps,
    DoesNotHelp,
    Unclear,
}

/// Helps: the measured mean reaches the predicted interval and "no effect" is ruled out.
/// Does not help: the predicted interval is ruled out from above, and half of its low end too.
fn judge(predicted: &Effect, measured: Option<&Effect>) -> Judgement {
    let Some(m) = measured else {
        return Judgement::Unclear;
    };
    if m.low > 0.0 && m.mean >= predicted.low {
        // More than promised is no reason to take it away.
        return Judgement::Helps;
    }
    if m.high < predicted.low && (m.low <= 0.0 || m.mean < predicted.low / 2.0) {
        return Judgement::DoesNotHelp;
    }
    // Surely something, surely less than promised, but worth having: the prior will remember.
    if m.low > 0.0 && m.high < predicted.low {
        return Judgement::Helps;
    }
    Judgement::Unclear
}

#[cfg(test)]
mod tests;
