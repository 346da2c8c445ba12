//! Which failures are tried again. A retry must be harmless (the request is idempotent, or never left), possible
//! (its body can be sent again), useful (another try may succeed, in time), and paid for (by the budget).

use super::Budget;
use base::Nanos;
use config::sections::Retry;
use httpcache::date;
use std::time::Duration;

/// What an instance is told of every try but the first: its number, from 2. Hedges count.
pub const ATTEMPT: &str = "Plimsoll-Attempt";

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: nothing was sent.
    Connect,
    /// A kept-alive connection died before the first byte of the response.
    Stale,
    /// The instance has refused the exchange, and has not looked at it.
    Refused,
    /// The instance takes no more exchanges on this connection, and has not looked at this one.
    Unread,
    /// A new connection died before the first byte of the response.
    Reset,
    /// Something that is no HTTP response.
    Garbage,
    /// The first byte was not there in time: there is no time left either.
    Deadline,
    /// A response with this status, whose head has not been passed on.
    Status(u16),
}

impl Failure {
    pub fn label(self) -> &'static str {
        match self {
            Failure::Connect => "connect",
            Failure::Stale => "stale",
            Failure::Refused => "refused",
            Failure::Unread => "unread",
            Failure::Reset => "reset",
            Failure::Garbage => "garbage",
            Failure::Deadline => "deadline",
            Failure::Status(_) => "status",
        }
    }

    /// The status in whose place it stands for who learns of instances. 0: a connection that died idle, or said goodbye,
    /// tells nothing.
    pub fn learned(self) -> u16 {
        match self {
            Failure::Stale | Failure::Unread => 0,
            Failure::Deadline => 504,
            Failure::Refused => 503,
            Failure::Status(status) => status,
            Failure::Connect | Failure::Reset | Failure::Garbage => 502,
        }
    }
}

/// What the decision knows of the request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// It carries an `Idempotency-Key`.
    pub idempotency_key: bool,
    /// No body, or all of its bytes that were taken from the client are still held.
    pub replayable: bool,
    /// The attempt that failed, from 1.
    pub attempt: u8,
    /// When the exchange must have its first byte.
    pub deadline: Option<Nanos>,
    /// The service's limit has a queue: more tries would only push out first ones.
    pub full: bool,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// Try again after this time.
    Retry(Duration),
    Stop(Why),
}

/// Why not; a label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    NotIdempotent,
    BodyGone,
    NotRetryable,
    Attempts,
    /// The wait, or what the server asks for, does not fit before the deadline.
    Late,
    Budget,
    /// The service holds all that it may.
    Full,
    /// A job, which its queue tries again.
    Queued,
}

impl Why {
    pub fn label(self) -> &'static str {
        match self {
            Why::NotIdempotent => "not-idempotent",
            Why::BodyGone => "body-gone",
            Why::NotRetryable => "not-retryable",
            Why::Attempts => "attempts",
            Why::Late => "late",
            Why::Budget => "budget",
            Why::Full => "full",
            Why::Queued => "queued",
        }
    }
}

/// The longest `Retry-After` that is waited for instead of passed on to the client; what spreads the retries comes on top.
const LONGEST: Duration = Duration::from_millis(1000);
/// Back-off stops doubling here, unless the configured one is already longer.
const BACKOFF_CAP: Duration = Duration::from_millis(250);

/// RFC 9110 9.2.2.
pub fn idempotent(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"
    )
}

/// Decides, and spends the budget when it says `Retry`. `asked` is the response's `Retry-After`.
pub fn decide(
    policy: &Retry,
    request: &Request<'_>,
    failure: Failure,
    asked: Option<Duration>,
    budget: &Budget,
    now: Nanos,
    random: u64,
) -> Go {
    match failure {
        Failure::Deadline | Failure::Garbage => return Go::Stop(Why::NotRetryable),
        Failure::Status(429) if asked.is_none() => return Go::Stop(Why::NotRetryable),
        Failure::Status(s) if !matches!(s, 429 | 502..=504) => return Go::Stop(Why::NotRetryable),
        _ => {}
    }
    // What never left, or was not looked at, is harmless whatever it is.
    let harmless = matches!(
        failure,
        Failure::Connect | Failure::Refused | Failure::Unread
    ) || idempotent(request.method)
        || request.idempotency_key;
    if !harmless {
        return Go::Stop(Why::NotIdempotent);
    }
    if !request.replayable {
        return Go::Stop(Why::BodyGone);
    }
    // A connection that the instance had closed while it was idle, or is about to close, says nothing about load:
    // once, at once, and without the budget.
    if matches!(failure, Failure::Stale | Failure::Unread)
        && request.attempt == 1
        && policy.attempts > 1
    {
        return Go::Retry(Duration::ZERO);
    }
    if request.attempt >= policy.attempts {
        return Go::Stop(Why::Attempts);
    }
    let own = backoff(policy.backoff, request.attempt, random);
    let Some(wait) = wait(policy, asked, own, request.deadline.map(|d| d.since(now))) else {
        return Go::Stop(Why::Late);
    };
    if request.full {
        return Go::Stop(Why::Full);
    }
    if !budget.spend(policy.budget, policy.floor_per_s, now) {
        return Go::Stop(Why::Budget);
    }
    Go::Retry(wait)
}

/// How long to wait, where `left` is the time until the deadline; `None`: too long. A wish is obeyed whatever chance says: of
/// what spreads the retries there is no more than half of what the deadline leaves.
fn wait(
    policy: &Retry,
    asked: Option<Duration>,
    own: Duration,
    left: Option<Duration>,
) -> Option<Duration> {
    let Some(asked) = asked else {
        return left.is_none_or(|left| own < left).then_some(own);
    };
    if asked > LONGEST.max(policy.backoff) {
        return None;
    }
    let Some(left) = left else {
        return Some(asked + own);
    };
    let slack = left.checked_sub(asked).filter(|s| !s.is_zero())?;
    Some(asked + own.min(slack / 2))
}

/// Full jitter: uniform from zero to the doubled first back-off.
pub fn backoff(first: Duration, attempt: u8, random: u64) -> Duration {
    let cap = BACKOFF_CAP.max(first);
    let top = first
        .saturating_mul(1 << attempt.saturating_sub(1).min(16))
        .min(cap);
    top.mul_f64((random >> 11) as f64 / (1u64 << 53) as f64)
}

/// Of a wish that cannot be read: nobody knows how long, so it is not waited for.
const UNREAD: Duration = LONGEST.saturating_add(Duration::from_millis(1));
/// No `Retry-After` asks for more.
const LONGEST_ASKED: Duration = Duration::from_secs(999_999);

/// What `Retry-After` asks for: seconds, or a date, beside `unix`, seconds since the Unix epoch. What cannot be read asks for
/// something too: more than is waited for.
pub fn retry_after(value: &[u8], unix: u64) -> Duration {
    let text = value.trim_ascii();
    if !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        // More digits than a number can have are a long time.
        let seconds = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
        return seconds.map_or(LONGEST_ASKED, |s| Duration::from_secs(s).min(LONGEST_ASKED));
    }
    match date::parse(text, unix) {
        Some(at) => Duration::from_secs(at.saturating_sub(unix)).min(LONGEST_ASKED),
        None => UNREAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos(1_000_000_000);

    fn request(method: &str) -> Request<'_> {
        Request {
            method,
            idempotency_key: false,
            replayable: true,
            attempt: 1,
            deadline: None,
            full: false,
        }
    }

    fn ask(r: Request<'_>, failure: Failure, asked: Option<u64>) -> Go {
        let policy = Retry {
            attempts: 3,
            ..Retry::default()
        };
        decide(
            &policy,
            &r,
            failure,
            asked.map(Duration::from_secs),
            &Budget::default(),
            NOW,
            u64::MAX / 2,
        )
    }

    #[test]
    fn only_the_harmless_is_tried_again() {
        let yes = |g| matches!(g, Go::Retry(_));
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            assert!(yes(ask(request(method), Failure::Reset, None)), "{method}");
            assert!(
                yes(ask(request(method), Failure::Status(503), None)),
                "{method}"
            );
        }
        for method in ["POST", "PATCH", "get", "BREW"] {
            assert_eq!(
                ask(request(method), Failure::Reset, None),
                Go::Stop(Why::NotIdempotent)
            );
            assert_eq!(
                ask(request(method), Failure::Stale, None),
                Go::Stop(Why::NotIdempotent)
            );
            for never in [Failure::Connect, Failure::Refused, Failure::Unread] {
                assert!(yes(ask(request(method), never, None)), "{never:?}");
            }
        }
        assert!(yes(ask(
            Request {
                idempotency_key: true,
                ..request("POST")
            },
            Failure::Reset,
            None
        )));
        assert_eq!(
            ask(
                Request {
                    replayable: false,
                    ..request("PUT")
                },
                Failure::Reset,
                None
            ),
            Go::Stop(Why::BodyGone)
        );
    }

    #[test]
    fn only_what_may_succeed_is_tried_again() {
        for status in [200, 400, 404, 429, 500, 501] {
            assert_eq!(
                ask(request("GET"), Failure::Status(status), None),
                Go::Stop(Why::NotRetryable)
            );
        }
        for failure in [Failure::Garbage, Failure::Deadline] {
            assert_eq!(
                ask(request("GET"), failure, None),
                Go::Stop(Why::NotRetryable)
            );
        }
        let last = Request {
            attempt: 3,
            ..request("GET")
        };
        assert_eq!(ask(last, Failure::Reset, None), Go::Stop(Why::Attempts));
        let full = Request {
            full: true,
            ..request("GET")
        };
        assert_eq!(ask(full, Failure::Reset, None), Go::Stop(Why::Full));
        assert!(
            matches!(ask(full, Failure::Stale, None), Go::Retry(_)),
            "a closed connection is not load"
        );
    }

    #[test]
    fn the_servers_wish_and_the_deadline_are_obeyed() {
        assert!(matches!(
            ask(request("GET"), Failure::Status(429), Some(0)),
            Go::Retry(_)
        ));
        assert_eq!(
            ask(request("GET"), Failure::Status(503), Some(30)),
            Go::Stop(Why::Late)
        );
        let soon = Request {
            deadline: Some(NOW + Duration::from_millis(5)),
            ..request("GET")
        };
        assert_eq!(ask(soon, Failure::Reset, None), Go::Stop(Why::Late));
    }

    #[test]
    fn a_wish_at_the_bound_is_obeyed_whatever_chance_says() {
        let ms = Duration::from_millis;
        let after = |asked, deadline: Option<u64>, random| {
            let r = Request {
                deadline: deadline.map(|d| NOW + ms(d)),
                ..request("GET")
            };
            let (failure, budget) = (Failure::Status(503), Budget::default());
            decide(
                &Retry::default(),
                &r,
                failure,
                Some(asked),
                &budget,
                NOW,
                random,
            )
        };
        for random in [0, 1, u64::MAX / 2, u64::MAX] {
            for deadline in [None, Some(60_000), Some(1010), Some(1001)] {
                let Go::Retry(wait) = after(ms(1000), deadline, random) else {
                    panic!("{deadline:?} {random}");
                };
                assert!((ms(1000)..=ms(1025)).contains(&wait), "{wait:?}");
                assert!(deadline.is_none_or(|d| wait < ms(d)), "{wait:?}");
            }
            for deadline in [1000, 999, 1] {
                let go = after(ms(1000), Some(deadline), random);
                assert_eq!(go, Go::Stop(Why::Late), "{deadline}");
            }
            assert_eq!(after(ms(1001), None, random), Go::Stop(Why::Late));
        }
        // Nor is the budget passed by.
        let (policy, none) = (Retry::default(), Budget::default());
        let poor = Retry {
            floor_per_s: 0.0,
            ..policy
        };
        let failure = Failure::Status(503);
        let go = decide(
            &poor,
            &request("GET"),
            failure,
            Some(ms(1000)),
            &none,
            NOW,
            7,
        );
        assert_eq!(go, Go::Stop(Why::Budget));
    }

    #[test]
    fn an_outage_is_not_multiplied() {
        let (policy, budget) = (Retry::default(), Budget::default());
        let mut retries = 0;
        for i in 0..5000u64 {
            let now = Nanos(i * 2_000_000);
            budget.earn(now);
            let go = decide(
                &policy,
                &request("GET"),
                Failure::Reset,
                None,
                &budget,
                now,
                i,
            );
            retries += matches!(go, Go::Retry(_)) as u32;
        }
        assert!(
            (1000..=1010).contains(&retries),
            "{retries} retries of 5000 failures"
        );
    }

    /// Of retries that all begin to wait at once, the share in the fullest 10 ms, when they wait 12.5 ms in the mean.
    fn fullest(wait: impl Fn(f64) -> f64) -> f64 {
        let n = 10_000;
        let mut all: Vec<f64> = (0..n).map(|i| wait((i as f64 + 0.5) / n as f64)).collect();
        all.sort_by(f64::total_cmp);
        let scale = 12.5 * n as f64 / all.iter().sum::<f64>();
        let within = |i: usize| all.partition_point(|w| (w - all[i]) * scale <= 10.0) - i;
        (0..n).map(within).max().unwrap_or(0) as f64 / n as f64
    }

    /// ADR 398: retries are few (one, unless told otherwise), so what counts is how the first ones spread.
    #[test]
    fn first_retries_spread_wider_than_with_the_other_jitters() {
        let first = Duration::from_millis(25);
        let full = fullest(|u| backoff(first, 1, (u * u64::MAX as f64) as u64).as_secs_f64());
        // Uniform from the first back-off to three times that, and Polly's formula for the first try.
        let decorrelated = fullest(|u| 1.0 + 2.0 * u);
        let polly = fullest(|u| u.exp2() * (4.0 * u).sqrt().tanh());
        assert!((0.39..0.41).contains(&full), "{full}");
        assert!((0.79..0.81).contains(&decorrelated), "{decorrelated}");
        assert!((0.71..0.73).contains(&polly), "{polly}");
    }

    #[test]
    fn back_off_doubles_to_its_cap_with_full_jitter() {
        let ms = Duration::from_millis;
        let top = |n| backoff(ms(25), n, u64::MAX).as_micros();
        assert_eq!(
            (
                backoff(ms(25), 1, 0),
                top(1).div_ceil(1000),
                top(2).div_ceil(1000)
            ),
            (ms(0), 25, 50)
        );
        assert_eq!((top(9).div_ceil(1000), top(255).div_ceil(1000)), (250, 250));
    }

    #[test]
    fn the_servers_wish_is_seconds_or_a_date_and_a_slip_is_no_invitation() {
        const UNIX: u64 = 784_111_747;
        let asked = |text: &str| retry_after(text.as_bytes(), UNIX).as_secs();
        assert_eq!((asked(" 3 "), asked("0")), (3, 0));
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(asked(date), 30, "{date}");
        }
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), 0, "it is past");
        for long in [
            "1000000",
            "99999999999999999999",
            "Fri, 31 Dec 2999 00:00:00 GMT",
        ] {
            assert_eq!(asked(long), 999_999, "{long}");
        }
        for slip in ["", "-1", "1.5", "soon", "Fri, 31 Dec", "3 s"] {
            let wait = retry_after(slip.as_bytes(), UNIX);
            assert_eq!(wait, UNREAD, "{slip}");
            let go = decide(
                &Retry::default(),
                &request("GET"),
                Failure::Status(503),
                Some(wait),
                &Budget::default(),
                NOW,
                0,
            );
            assert_eq!(go, Go::Stop(Why::Late), "{slip}");
        }
    }
}
