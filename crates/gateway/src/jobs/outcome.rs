//! What the answer to a delivery means for the job. Pure.

use crate::hash::position;
use config::sections::Async;
use std::time::Duration;

/// Backoff stops doubling here.
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);
/// Longest `Retry-After` that is obeyed.
pub const LONGEST_ASKED: Duration = Duration::from_secs(3600);
/// Before a job is offered again that no instance was asked for.
pub const AGAIN: Duration = Duration::from_secs(1);

/// How a delivery ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// 0: there was none.
    pub status: u16,
    /// An instance was reached. What our own gates refuse, and what nobody listens to, is no attempt.
    pub tried: bool,
    /// Of our own refusal.
    pub reason: String,
    pub retry_after: Option<Duration>,
    /// What the receiver says of the job itself.
    pub wish: Option<Wish>,
}

/// `Plimsoll-Job` in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Retry,
    /// Done, whatever the status.
    Drop,
    Dead,
}

impl Wish {
    pub fn parse(value: &[u8]) -> Option<Wish> {
        match value {
            b"retry" => Some(Wish::Retry),
            b"drop" => Some(Wish::Drop),
            b"dead" => Some(Wish::Dead),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// After this time; the attempt counts.
    Retry(Duration, String),
    /// The same, and it does not.
    Release(Duration, String),
    Dead(String),
}

/// The service says that it is gone, for this job and all others.
pub fn is_gone(a: &Answered) -> bool {
    a.tried && a.wish.is_none() && a.status == 410
}

/// `attempt` counts from 1; `random` is any number.
pub fn decide(a: &Answered, attempt: u32, rules: &Async, random: u64) -> Outcome {
    if !a.tried {
        let wait = a.retry_after.unwrap_or(AGAIN).clamp(AGAIN, LONGEST_ASKED);
        return Outcome::Release(wait, format!("not sent: {}", said(a)));
    }
    let again = match (a.wish, a.status) {
        (Some(Wish::Drop), _) => return Outcome::Done,
        (Some(Wish::Dead), _) => {
            return Outcome::Dead(format!("the receiver said so ({})", said(a)));
        }
        (Some(Wish::Retry), _) => true,
        (None, 200..=299) => return Outcome::Done,
        (None, status) => matches!(status, 0 | 408 | 425 | 429 | 500..),
    };
    if !again {
        return Outcome::Dead(format!("{}: another try would not help", said(a)));
    }
    if attempt >= rules.attempts {
        return Outcome::Dead(format!("{} at the last of {attempt} attempts", said(a)));
    }
    let asked = a.retry_after.unwrap_or_default().min(LONGEST_ASKED);
    Outcome::Retry(backoff(attempt, rules.backoff, random).max(asked), said(a))
}

/// For people.
pub fn said(a: &Answered) -> String {
    match (a.status, a.reason.is_empty()) {
        (0, true) if !a.tried => "no traffic thread took it".into(),
        (0, true) => "no answer in time".into(),
        (0, false) => a.reason.clone(),
        (status, true) => format!("status {status}"),
        (status, false) => format!("{} (status {status})", a.reason),
    }
}

/// Uniform from zero to a bound that doubles with each attempt.
pub fn backoff(attempt: u32, first: Duration, random: u64) -> Duration {
    let doubled = first.saturating_mul(1 << attempt.saturating_sub(1).min(20));
    doubled
        .min(LONGEST_BACKOFF.max(first))
        .mul_f64(position(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16) -> Answered {
        Answered {
            status,
            tried: true,
            ..Answered::default()
        }
    }

    fn decided(a: &Answered, attempt: u32) -> Outcome {
        decide(a, attempt, &Async::default(), u64::MAX / 2)
    }

    #[test]
    fn statuses_decide_unless_the_receiver_says_otherwise() {
        assert_eq!(decided(&of(204), 1), Outcome::Done);
        for status in [0, 408, 425, 429, 500, 503] {
            assert!(
                matches!(decided(&of(status), 1), Outcome::Retry(..)),
                "{status}"
            );
        }
        for status in [301, 400, 404, 410, 422] {
            assert!(
                matches!(decided(&of(status), 1), Outcome::Dead(_)),
                "{status}"
            );
        }
        let wish = |wish, status| Answered {
            wish: Some(wish),
            ..of(status)
        };
        assert_eq!(decided(&wish(Wish::Drop, 500), 1), Outcome::Done);
        assert!(matches!(
            decided(&wish(Wish::Retry, 200), 1),
            Outcome::Retry(..)
        ));
        assert!(matches!(
            decided(&wish(Wish::Dead, 200), 1),
            Outcome::Dead(_)
        ));
        let last = decided(&of(500), 12);
        assert_eq!(
            last,
            Outcome::Dead("status 500 at the last of 12 attempts".into())
        );
    }

    #[test]
    fn only_a_service_can_say_that_it_is_gone() {
        let wish = Answered {
            wish: Some(Wish::Dead),
            ..of(410)
        };
        let own = Answered {
            tried: false,
            ..of(410)
        };
        assert_eq!(
            [of(410), of(404), wish, own].map(|a| is_gone(&a)),
            [true, false, false, false]
        );
    }

    #[test]
    fn what_was_not_sent_is_no_attempt_however_often() {
        let refused = Answered {
            status: 503,
            reason: "breaker-open".into(),
            ..Answered::default()
        };
        let released = decided(&refused, 1000);
        let why = "not sent: breaker-open (status 503)".to_owned();
        assert_eq!(released, Outcome::Release(AGAIN, why));
    }

    #[test]
    fn backoff_doubles_within_bounds_and_obeys_the_server() {
        let first = Duration::from_secs(1);
        assert_eq!(backoff(1, first, 0), Duration::ZERO);
        let near = |attempt| backoff(attempt, first, u64::MAX).as_secs_f64().round();
        assert_eq!(
            [1, 2, 5, 11, 1000].map(near),
            [1.0, 2.0, 16.0, 600.0, 600.0]
        );
        let asks = |s| Answered {
            retry_after: Some(Duration::from_secs(s)),
            ..of(503)
        };
        let Outcome::Retry(wait, _) = decided(&asks(30), 1) else {
            panic!("no retry")
        };
        assert_eq!(wait, Duration::from_secs(30));
        let Outcome::Retry(wait, _) = decided(&asks(1_000_000), 1) else {
            panic!("no retry")
        };
        assert_eq!(wait, LONGEST_ASKED);
    }
}
