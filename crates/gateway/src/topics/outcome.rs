//! What the answer of a webhook means for its event, and for the endpoint. Pure.

use crate::hash::position;
use crate::jobs::outcome::{Answered, LONGEST_ASKED, Outcome, said};
use std::time::Duration;

/// An endpoint that has failed for so long is disabled, milliseconds.
pub const LONGEST_FAILURE_MS: u64 = 5 * 24 * 3600 * 1000;
/// Attempts are spread by so much of their wait, that they do not all come at once.
const SPREAD: f64 = 0.1;

/// `attempt` counts from 1, `retry` has the wait before each; `random` is any number.
pub fn decide(a: &Answered, attempt: u32, retry: &[Duration], random: u64) -> Outcome {
    if (200..300).contains(&a.status) {
        return Outcome::Done;
    }
    let Some(wait) = retry.get(attempt as usize) else {
        return Outcome::Dead(format!("{} at the last of {attempt} attempts", said(a)));
    };
    let wait = wait.mul_f64(1.0 + SPREAD * position(random));
    let asked = a.retry_after.unwrap_or_default().min(LONGEST_ASKED);
    Outcome::Retry(wait.max(asked), said(a))
}

/// Why the endpoint gets nothing more until somebody resumes it; `None`: it goes on. `since_ms`: when it began to fail without
/// a success since.
pub fn disables(a: &Answered, since_ms: u64, now_ms: u64) -> Option<String> {
    let days = now_ms.saturating_sub(since_ms) / (24 * 3600 * 1000);
    match a.status {
        410 => Some("it answered 410: it is gone".into()),
        _ if now_ms.saturating_sub(since_ms) >= LONGEST_FAILURE_MS => Some(format!(
            "it has failed for {days} days without a success; last: {}",
            said(a)
        )),
        _ => None,
    }
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

    #[test]
    fn the_schedule_is_kept_and_all_but_success_fails() {
        let retry: Vec<Duration> = [0, 5, 300].map(Duration::from_secs).into();
        assert_eq!(decide(&of(204), 1, &retry, 0), Outcome::Done);
        for status in [0, 301, 307, 400, 404, 500] {
            let again = Outcome::Retry(retry[1], said(&of(status)));
            assert_eq!(decide(&of(status), 1, &retry, 0), again);
        }
        let Outcome::Retry(wait, _) = decide(&of(500), 2, &retry, u64::MAX) else {
            panic!("no retry")
        };
        assert!(wait > Duration::from_secs(329) && wait <= Duration::from_secs(330));
        assert!(matches!(decide(&of(500), 3, &retry, 0), Outcome::Dead(_)));
        let asks = Answered {
            retry_after: Some(Duration::from_secs(60)),
            ..of(429)
        };
        let Outcome::Retry(wait, _) = decide(&asks, 1, &retry, 0) else {
            panic!("no retry")
        };
        assert_eq!(wait, Duration::from_secs(60));
    }

    #[test]
    fn an_endpoint_is_disabled_when_it_is_gone_or_fails_for_days() {
        assert_eq!(disables(&of(500), 0, LONGEST_FAILURE_MS - 1), None);
        let why = disables(&of(500), 0, LONGEST_FAILURE_MS).unwrap();
        assert!(
            why.contains("5 days") && why.contains("status 500"),
            "{why}"
        );
        assert!(disables(&of(410), 7, 7).unwrap().contains("410"));
    }
}
