//! What to do after a try. Pure.

use super::answer::Said;
use std::time::{Duration, SystemTime};

/// Before the second try; doubles.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// What a collector asks for is waited, up to this.
const LONGEST_ASKED: Duration = Duration::from_secs(600);
/// What has waited for longer is given up when it fails again.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    Done,
    /// It would not be taken another time either, or is too old: why.
    Drop(String),
    Again(Duration),
}

/// After `tries` of something that was first tried `age` ago; `random` is drawn from 0 to 1, `wall` is now.
pub fn next(said: &Said, tries: u32, age: Duration, random: f64, wall: SystemTime) -> Next {
    let asked = match said {
        Said::Taken { .. } => return Next::Done,
        _ if !passes(said) => return Next::Drop(why(said)),
        Said::Status { after, .. } => after.as_deref().and_then(|a| asked(a, wall)),
        Said::Grpc { after, .. } => *after,
        Said::Silent(_) => None,
    };
    if age >= PATIENCE {
        let minutes = PATIENCE.as_secs() / 60;
        return Next::Drop(format!("{}, for {minutes} minutes now", why(said)));
    }
    // Many gateways may wait for the same collector: they come back one after another.
    Next::Again(match asked {
        Some(asked) => asked.min(LONGEST_ASKED).mul_f64(1.0 + 0.1 * random),
        None => backoff(tries).mul_f64(0.5 + 0.5 * random),
    })
}

/// Whether another try may do better.
pub fn passes(said: &Said) -> bool {
    match said {
        Said::Taken { .. } => false,
        Said::Status { status, .. } => matches!(status, 429 | 502..=504),
        // 8 is "exhausted": it passes only if the collector says when.
        Said::Grpc {
            status: 8, after, ..
        } => after.is_some(),
        Said::Grpc { status, .. } => matches!(status, 1 | 4 | 10 | 11 | 14 | 15),
        Said::Silent(_) => true,
    }
}

fn backoff(tries: u32) -> Duration {
    let times = 1u32 << tries.saturating_sub(1).min(10);
    FIRST.saturating_mul(times).min(LONGEST)
}

/// `Retry-After` (RFC 9110 10.2.3): seconds, or a date.
fn asked(after: &str, wall: SystemTime) -> Option<Duration> {
    let after = after.trim();
    if let Ok(seconds) = after.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = httpdate::parse_http_date(after).ok()?;
    Some(at.duration_since(wall).unwrap_or_default())
}

/// For people.
pub fn why(said: &Said) -> String {
    let with = |what: String, message: &str| match message {
        "" => what,
        message => format!("{what}: {message}"),
    };
    match said {
        Said::Taken { rejected, message } => with(format!("it rejected {rejected}"), message),
        Said::Status {
            status, message, ..
        } => with(format!("it answered {status}"), message),
        Said::Grpc {
            status, message, ..
        } => with(format!("it answered gRPC status {status}"), message),
        Said::Silent(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: SystemTime = SystemTime::UNIX_EPOCH;

    fn status(status: u16, after: Option<&str>) -> Said {
        Said::Status {
            status,
            after: after.map(str::to_owned),
            message: String::new(),
        }
    }

    fn after(said: &Said, tries: u32, random: f64) -> Next {
        next(said, tries, Duration::ZERO, random, WALL)
    }

    fn seconds(s: f64) -> Next {
        Next::Again(Duration::from_secs_f64(s))
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        for code in [429, 502, 503, 504] {
            assert_eq!(after(&status(code, None), 1, 1.0), seconds(1.0), "{code}");
        }
        for code in [301, 400, 401, 404, 413, 500, 501] {
            let dropped = Next::Drop(format!("it answered {code}"));
            assert_eq!(after(&status(code, Some("1")), 1, 1.0), dropped);
        }
        let silent = Said::Silent("connection refused".into());
        let waits: Vec<Next> = (1..9).map(|n| after(&silent, n, 1.0)).collect();
        let all = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0].map(seconds);
        assert_eq!(waits, all);
        assert_eq!(after(&silent, 1, 0.0), seconds(0.5), "half is jitter");
        let old = next(&silent, 9, PATIENCE, 0.0, WALL);
        let Next::Drop(why) = old else { panic!() };
        assert!(why.contains("refused, for 5 minutes"), "{why}");
        let taken = Said::Taken {
            rejected: 2,
            message: "odd".into(),
        };
        assert_eq!(after(&taken, 1, 0.0), Next::Done);
        assert_eq!(super::why(&taken), "it rejected 2: odd");
    }

    #[test]
    fn whoever_says_when_is_obeyed() {
        assert_eq!(after(&status(503, Some(" 7 ")), 1, 0.0), seconds(7.0));
        assert_eq!(after(&status(429, Some("10")), 5, 1.0), seconds(11.0));
        let date = "Thu, 01 Jan 1970 00:00:30 GMT";
        assert_eq!(after(&status(503, Some(date)), 1, 0.0), seconds(30.0));
        let wall = WALL + Duration::from_secs(99);
        let past = next(&status(503, Some(date)), 1, Duration::ZERO, 0.0, wall);
        assert_eq!(past, seconds(0.0));
        let long = after(&status(503, Some("99999")), 1, 0.0);
        assert_eq!(long, seconds(600.0), "but not for ever");
        assert_eq!(after(&status(503, Some("soon")), 1, 0.0), seconds(0.5));
    }

    #[test]
    fn of_grpc_the_passing_ones_too_and_exhausted_only_with_a_time() {
        let said = |status, after| Said::Grpc {
            status,
            after,
            message: "m".into(),
        };
        assert_eq!(after(&said(14, None), 1, 1.0), seconds(1.0));
        let three = Some(Duration::from_secs(3));
        assert_eq!(after(&said(8, three), 1, 0.0), seconds(3.0));
        for (code, after_s) in [(8, None), (3, three), (16, None)] {
            let dropped = Next::Drop(format!("it answered gRPC status {code}: m"));
            assert_eq!(after(&said(code, after_s), 1, 0.0), dropped);
        }
    }
}
