//! The life of an instance as a pure function: `(state, event, peers, now) -> state`.
//!
//! Active checks turn it up or down after `rise` or `fall` that agree. `eject_after` failures of real requests in a
//! row eject it for `eject_for`, longer each time; then it is on probation: one more failure ejects it again, as many
//! successes as it takes failures to eject clear it. Ejection needs peers that do better: it keeps at least half of
//! the instances, never takes the only one, and never takes one while all others fail too, because then the fault is
//! something they share. Who answers, if badly, carries something: he is ejected only where the rest can carry his part
//! too. Where nobody answers there is nothing to carry.

use base::Nanos;
use config::sections::Health as Rules;
use std::time::Duration;

/// What active checks say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Not checked yet: used, so that a start does not wait for checks.
    #[default]
    Unknown,
    Up,
    Down,
}

/// What real requests say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ejection {
    #[default]
    None,
    Until(Nanos),
    /// Back since an ejection; successes so far.
    Probation(u32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub check: Check,
    /// Checks in a row that disagree with `check`.
    pub streak: u32,
    /// Failures of real requests in a row.
    pub failures: u32,
    pub ejection: Ejection,
    /// Ejections that no probation has cleared; the next one is this many times longer.
    pub ejections: u32,
    /// The last ejection was of an outlier: to be like the others is what clears it.
    pub outlier: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    CheckOk,
    CheckFailed,
    /// A real request was answered below 500.
    Success,
    /// No connection, a reset, garbage, a deadline, or a status of 500 or more. `load` is what the service has in flight
    /// over what it can hold; `None`: not known, or nobody is there.
    Failure {
        load: Option<f64>,
    },
    /// Its answers are not like those of the others on the same routes.
    Outlier {
        load: Option<f64>,
    },
    /// Its answers are like those of the others.
    Ordinary,
}

/// The other instances of the service, as an ejection must know them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// All instances of the service, this one too.
    pub total: usize,
    /// Others that are usable now.
    pub usable: usize,
    /// Of those, how many have no failure as their last result.
    pub sound: usize,
}

/// An ejection never lasts longer, unless a single one is configured to.
const LONGEST: Duration = Duration::from_secs(300);
/// Load of the rest, at most, after an outlier was ejected.
const CARRIES: f64 = 0.9;

impl State {
    pub fn usable(&self, now: Nanos) -> bool {
        self.check != Check::Down && !matches!(self.ejection, Ejection::Until(t) if now < t)
    }

    pub fn step(mut self, event: Event, rules: &Rules, peers: Peers, now: Nanos) -> State {
        if matches!(self.ejection, Ejection::Until(t) if now >= t) {
            self.ejection = Ejection::Probation(0);
            self.failures = 0;
        }
        match event {
            Event::CheckOk => self.checked(Check::Up, rules.rise),
            Event::CheckFailed => self.checked(Check::Down, rules.fall),
            Event::Success => self.succeeded(rules),
            Event::Failure { load } => self.failed(rules, peers, load, now),
            Event::Outlier { load } => self.stands_out(rules, peers, load, now),
            Event::Ordinary if matches!(self.ejection, Ejection::Probation(_)) => {
                (self.ejection, self.ejections, self.outlier) = (Ejection::None, 0, false);
            }
            Event::Ordinary => {}
        }
        self
    }

    fn checked(&mut self, says: Check, needed: u32) {
        if self.check == says {
            self.streak = 0;
            return;
        }
        self.streak += 1;
        // The first check that succeeds is enough: nothing was wrong before.
        if self.streak >= needed || (self.check == Check::Unknown && says == Check::Up) {
            self.check = says;
            self.streak = 0;
        }
    }

    fn succeeded(&mut self, rules: &Rules) {
        self.failures = 0;
        if let Ejection::Probation(n) = self.ejection
            && !self.outlier
        {
            if n + 1 >= rules.eject_after {
                self.ejection = Ejection::None;
                self.ejections = 0;
            } else {
                self.ejection = Ejection::Probation(n + 1);
            }
        }
    }

    fn failed(&mut self, rules: &Rules, peers: Peers, load: Option<f64>, now: Nanos) {
        self.failures = self.failures.saturating_add(1);
        let enough = match self.ejection {
            Ejection::None => self.failures >= rules.eject_after.max(1),
            Ejection::Probation(_) => true,
            // It was in flight when its instance was ejected.
            Ejection::Until(_) => false,
        };
        if enough && may_eject(peers) && carry(peers, load) {
            self.eject(rules, now);
            self.outlier = false;
        }
    }

    fn stands_out(&mut self, rules: &Rules, peers: Peers, load: Option<f64>, now: Nanos) {
        let is_out = matches!(self.ejection, Ejection::Until(_));
        if !is_out && may_eject(peers) && carry(peers, load) {
            self.eject(rules, now);
            self.outlier = true;
        }
    }

    fn eject(&mut self, rules: &Rules, now: Nanos) {
        self.ejections = self.ejections.saturating_add(1);
        let longest = LONGEST.max(rules.eject_for);
        let time = rules.eject_for.saturating_mul(self.ejections).min(longest);
        self.ejection = Ejection::Until(now + time);
    }
}

/// Whether the others have room for what this one does.
fn carry(peers: Peers, load: Option<f64>) -> bool {
    let grown = (peers.usable + 1) as f64 / peers.usable.max(1) as f64;
    load.is_none_or(|load| load * grown <= CARRIES)
}

fn may_eject(peers: Peers) -> bool {
    peers.total > 1 && peers.usable * 2 >= peers.total && peers.sound > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERS: Peers = Peers {
        total: 3,
        usable: 2,
        sound: 2,
    };

    const FAILED: Event = Event::Failure { load: None };

    fn s(seconds: u64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    fn run(state: State, events: &[Event], at: u64, peers: Peers) -> State {
        let rules = Rules::default();
        events
            .iter()
            .fold(state, |st, e| st.step(*e, &rules, peers, s(at)))
    }

    #[test]
    fn checks_must_agree_before_anything_changes() {
        use Event::*;
        let up = run(State::default(), &[CheckOk], 1, PEERS);
        assert_eq!(up.check, Check::Up);
        let almost = run(
            up,
            &[CheckFailed, CheckFailed, CheckOk, CheckFailed, CheckFailed],
            2,
            PEERS,
        );
        assert_eq!(almost.check, Check::Up);
        let down = run(almost, &[CheckFailed], 3, PEERS);
        assert!(!down.usable(s(3)));
        assert!(!run(down, &[CheckOk], 4, PEERS).usable(s(4)));
        assert!(run(down, &[CheckOk, CheckOk], 4, PEERS).usable(s(4)));
        assert!(State::default().usable(s(0)), "used before the first check");
    }

    #[test]
    fn five_failures_in_a_row_eject_and_each_time_longer() {
        use Event::*;
        let calm = run(
            State::default(),
            &[FAILED, FAILED, FAILED, FAILED, Success, FAILED],
            1,
            PEERS,
        );
        assert!(calm.usable(s(1)));
        let out = run(State::default(), &[FAILED; 5], 1, PEERS);
        assert_eq!(out.ejection, Ejection::Until(s(11)));
        assert_eq!(
            run(out, &[FAILED; 9], 2, PEERS).ejection,
            Ejection::Until(s(11)),
            "late failures add nothing"
        );
        assert!(out.usable(s(11)));
        let again = run(out, &[FAILED], 12, PEERS);
        assert_eq!(
            again.ejection,
            Ejection::Until(s(32)),
            "on probation one failure is enough"
        );
        let cleared = run(out, &[Success; 5], 12, PEERS);
        assert_eq!(
            cleared,
            State {
                ejections: 0,
                ..State::default()
            }
        );
        let mut long = out;
        for i in 0..100 {
            long = run(long, &[FAILED], 1000 * (i + 1), PEERS);
        }
        assert_eq!(long.ejection, Ejection::Until(s(100_300)));
    }

    #[test]
    fn who_fails_stays_where_the_rest_could_not_carry_its_part() {
        let five = |load| run(State::default(), &[Event::Failure { load }; 5], 1, PEERS);
        assert!(five(Some(0.7)).usable(s(1)), "two would be at 105 %");
        for load in [None, Some(0.5)] {
            assert_eq!(five(load).ejection, Ejection::Until(s(11)));
        }
        let probation = run(five(None), &[Event::Failure { load: Some(0.7) }], 12, PEERS);
        assert!(probation.usable(s(12)));
        let calmer = run(probation, &[Event::Failure { load: Some(0.5) }], 13, PEERS);
        assert!(!calmer.usable(s(13)), "as soon as they can");
    }

    #[test]
    fn an_outlier_goes_where_the_rest_can_carry_it_and_comes_back_when_it_is_ordinary() {
        use Event::*;
        let out = |load| run(State::default(), &[Outlier { load }], 1, PEERS);
        assert!(out(Some(0.7)).usable(s(1)), "two would be at 105 %");
        for load in [None, Some(0.5)] {
            assert_eq!(out(load).ejection, Ejection::Until(s(11)));
        }
        let back = run(out(None), &[Success; 50], 12, PEERS);
        assert!(
            back.usable(s(12)) && back.ejections == 1,
            "fast enough is not shown yet"
        );
        let again = run(back, &[Outlier { load: None }], 13, PEERS);
        assert_eq!(again.ejection, Ejection::Until(s(33)));
        assert_eq!(run(back, &[Ordinary], 13, PEERS), State::default());
    }

    #[test]
    fn without_better_peers_nobody_is_ejected() {
        for peers in [
            Peers {
                total: 1,
                usable: 0,
                sound: 0,
            },
            Peers {
                total: 3,
                usable: 1,
                sound: 1,
            },
            Peers {
                total: 3,
                usable: 2,
                sound: 0,
            },
        ] {
            assert!(
                run(State::default(), &[FAILED; 50], 1, peers).usable(s(1)),
                "{peers:?}"
            );
        }
        let two = Peers {
            total: 2,
            usable: 1,
            sound: 1,
        };
        assert!(!run(State::default(), &[FAILED; 5], 1, two).usable(s(1)));
    }
}
