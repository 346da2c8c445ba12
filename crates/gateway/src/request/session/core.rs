//! How long a session lives, and what a service asks for. Pure.

use super::record::Session;
use crate::exchange::ResponseHead;
use config::sections::Session as Rules;
use std::time::Duration;

/// What services and the gateway tell each other.
pub const DATA: &str = "plimsoll-session";
pub const NAME: &str = "plimsoll-session-id";
pub const STATE: &str = "plimsoll-session-state";
pub const SET: &str = "plimsoll-session-set";
pub const ROTATE: &str = "plimsoll-session-rotate";
pub const END: &str = "plimsoll-session-end";
/// All of a response that are for the gateway alone.
pub const WISHES: [&str; 3] = [SET, ROTATE, END];

/// That a client was there is written down at most so often.
const TOUCH: Duration = Duration::from_secs(60);

fn ms(d: Duration) -> u64 {
    d.as_millis() as u64
}

/// When it is over, unless it is seen before.
pub fn expires_ms(rules: &Rules, s: &Session) -> u64 {
    let idle = s.seen_ms.saturating_add(ms(rules.idle));
    idle.min(s.born_ms.saturating_add(ms(rules.absolute)))
}

pub fn is_alive(rules: &Rules, s: &Session, now_ms: u64) -> bool {
    now_ms < expires_ms(rules, s)
}

/// Whether it is worth a write that the client was here.
pub fn touch_is_due(rules: &Rules, s: &Session, now_ms: u64) -> bool {
    let often = ms(TOUCH).min(ms(rules.idle) / 4);
    now_ms.saturating_sub(s.seen_ms) >= often
}

/// What a response wants to be done with the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub set: Option<Vec<u8>>,
    pub rotate: bool,
    pub end: bool,
}

impl Wish {
    /// `None`: nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(head: &ResponseHead<'_>, most: u64) -> Result<Option<Wish>, String> {
        let (mut wish, mut sets) = (Wish::default(), 0);
        head.each(|name, value| {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is(SET) {
                (sets, wish.set) = (sets + 1, Some(value.to_vec()));
            } else if is(ROTATE) {
                wish.rotate = true;
            } else if is(END) {
                wish.end = true;
            }
        });
        let size = wish.set.as_ref().map_or(0, Vec::len);
        if sets > 1 {
            return Err(format!(
                "the service sent {sets} headers {SET}; one is the session"
            ));
        }
        if size as u64 > most {
            return Err(format!(
                "the service wants {size} bytes in the session; at most {most} are kept"
            ));
        }
        Ok((wish != Wish::default()).then_some(wish))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(born_s: u64, seen_s: u64) -> Session {
        Session {
            name: [0; 16],
            born_ms: born_s * 1000,
            seen_ms: seen_s * 1000,
            version: 1,
            data: Vec::new(),
        }
    }

    #[test]
    fn a_session_ends_when_idle_and_at_its_last_day_anyway() {
        let rules = Rules::named("s");
        let alive = |s: &Session, at_s: u64| is_alive(&rules, s, at_s * 1000);
        let fresh = session(0, 0);
        assert!(alive(&fresh, 1799) && !alive(&fresh, 1800));
        let old = session(0, 12 * 3600 - 60);
        assert!(alive(&old, 12 * 3600 - 1) && !alive(&old, 12 * 3600));
        let due = |at_s: u64| touch_is_due(&rules, &fresh, at_s * 1000);
        assert!(!due(59) && due(60));
        let short = Rules {
            idle: Duration::from_secs(40),
            ..Rules::named("s")
        };
        assert!(touch_is_due(&short, &fresh, 10_000));
    }

    #[test]
    fn wishes_are_read_from_headers() {
        let of = |lines: &[(&str, &str)]| {
            let headers: Vec<_> = lines
                .iter()
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect();
            let head = ResponseHead::List {
                status: 200,
                headers: &headers,
            };
            Wish::of(&head, 5)
        };
        assert_eq!(of(&[("X", "1"), ("Plimsoll-Session", "no")]), Ok(None));
        let both = of(&[
            ("Plimsoll-Session-Set", "abc"),
            ("plimsoll-session-rotate", "1"),
        ]);
        let wish = Wish {
            set: Some(b"abc".to_vec()),
            rotate: true,
            end: false,
        };
        assert_eq!(both, Ok(Some(wish)));
        assert!(of(&[(END, "")]).unwrap().unwrap().end);
        assert!(of(&[(SET, "abcdef")]).unwrap_err().contains("at most 5"));
        assert!(
            of(&[(SET, "a"), (SET, "b")])
                .unwrap_err()
                .contains("2 headers")
        );
    }
}
