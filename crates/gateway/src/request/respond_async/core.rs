//! Whether a request becomes a job, and when it is due. Pure.

use crate::exchange::Head;
use config::sections::When;
use std::time::Duration;

/// Longest wait for a result that a client may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Furthest time that a job may be put off to, milliseconds.
const FURTHEST_MS: u64 = 30 * 24 * 3600 * 1000;

/// What a client prefers (RFC 7240).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preference {
    pub respond_async: bool,
    pub wait: Option<Duration>,
}

impl Preference {
    /// Of all lines of a head.
    pub fn of(head: &Head<'_>) -> Preference {
        let mut preference = Preference::default();
        head.each(|name, value| {
            if name.eq_ignore_ascii_case(b"prefer") {
                preference.add(value);
            }
        });
        preference
    }

    /// Of one header line; the first of each kind counts.
    pub fn add(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        for part in text.split(',') {
            // Parameters after a `;` say nothing that is known here.
            let part = part.split(';').next().unwrap_or("").trim();
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name.eq_ignore_ascii_case("respond-async") {
                self.respond_async = true;
            } else if name.eq_ignore_ascii_case("wait") && self.wait.is_none() {
                let seconds = value.parse().ok().map(Duration::from_secs);
                self.wait = seconds.map(|w| w.min(LONGEST_WAIT));
            }
        }
    }
}

pub fn is_job(when: When, preference: Preference) -> bool {
    when == When::Always || preference.respond_async
}

/// When a job is due: now, or at `Plimsoll-Deliver-At` (seconds since the Unix epoch, or RFC 3339).
///
/// # Errors
/// What is wrong with the header.
pub fn due_ms(deliver_at: Option<&[u8]>, now_ms: u64) -> Result<u64, String> {
    let Some(value) = deliver_at else {
        return Ok(now_ms);
    };
    let text = String::from_utf8_lossy(value);
    let seconds = text
        .trim()
        .parse::<u64>()
        .ok()
        .map(|s| s.saturating_mul(1000));
    let moment = || {
        let at = text.trim().parse::<jiff::Timestamp>().ok()?;
        u64::try_from(at.as_millisecond()).ok()
    };
    let Some(at) = seconds.or_else(moment) else {
        let what = "Plimsoll-Deliver-At is neither seconds since 1970 nor a time such as 2030-01-31T18:00:00Z";
        return Err(what.into());
    };
    if at > now_ms + FURTHEST_MS {
        return Err("Plimsoll-Deliver-At is more than 30 days away".into());
    }
    Ok(at.max(now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Preference {
        let mut p = Preference::default();
        lines.iter().for_each(|l| p.add(l.as_bytes()));
        p
    }

    #[test]
    fn preferences_are_read_as_they_are_written() {
        let wait = |s| Some(Duration::from_secs(s));
        let both = of(&["respond-async, wait=10"]);
        assert_eq!((both.respond_async, both.wait), (true, wait(10)));
        let odd = of(&["return=minimal", "Respond-Async;x=1 , WAIT = \"3\", wait=9"]);
        assert_eq!((odd.respond_async, odd.wait), (true, wait(3)));
        assert_eq!(of(&["wait=1000"]).wait, wait(30));
        assert_eq!(
            of(&["wait=-1, respond-asynchronously"]),
            Preference::default()
        );
        assert!(is_job(When::Always, of(&[])) && !is_job(When::Asked, of(&["wait=1"])));
    }

    #[test]
    fn a_job_can_be_put_off_within_a_bound() {
        let now = 1_700_000_000_000;
        let due = |text: &str| due_ms(Some(text.as_bytes()), now);
        assert_eq!(due_ms(None, now), Ok(now));
        assert_eq!(due("1700000060"), Ok(now + 60_000));
        assert_eq!(due("2023-11-14T22:14:20Z"), Ok(now + 60_000));
        assert_eq!(due("5"), Ok(now), "what is past is due");
        assert!(due("99999999999").unwrap_err().contains("30 days"));
        assert!(due("tomorrow").is_err() && due("-5").is_err());
    }
}
