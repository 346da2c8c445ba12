//! Deadlines: the route's (to the first byte) and the client's (`grpc-timeout` or `plimsoll-deadline`), whichever is nearer.

use base::Nanos;
use std::time::Duration;

/// The client's deadline for HTTP: whole milliseconds that are left, such as `plimsoll-deadline: 250`.
pub const HEADER: &str = "plimsoll-deadline";
/// The same for gRPC: up to eight digits and one of `H M S m u n`.
pub const GRPC_HEADER: &str = "grpc-timeout";
/// Kept back at each hop for the way back.
pub const MARGIN: Duration = Duration::from_millis(1);

/// What kind of exchange asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// Waits for its first byte as long as nothing happens: only the client's own deadline counts.
    EventStream,
    /// An upgrade has no end that anyone could foresee.
    Upgrade,
}

/// When the first byte of the response must be there; `None`: whenever.
/// `client` is what the client allowed at `start`; the route's time counts from `start` too, over all attempts.
pub fn first_byte(
    kind: Kind,
    route: Option<Duration>,
    client: Option<Duration>,
    start: Nanos,
) -> Option<Nanos> {
    let (route, client) = match kind {
        Kind::Plain => (route, client),
        Kind::EventStream => (None, client),
        Kind::Upgrade => (None, None),
    };
    match (route, client) {
        (Some(a), Some(b)) => Some(start + a.min(b)),
        (a, b) => a.or(b).map(|d| start + d),
    }
}

/// What the next hop is told: the rest of the client's time less a margin; `None`: too late to begin.
pub fn remaining(client: Duration, start: Nanos, now: Nanos) -> Option<Duration> {
    client
        .checked_sub(now.since(start))?
        .checked_sub(MARGIN)
        .filter(|rest| *rest >= Duration::from_millis(1))
}

/// Milliseconds from `plimsoll-deadline`. A value that is none is ignored: a deadline is a courtesy.
pub fn parse(value: &[u8]) -> Option<Duration> {
    number(value, 9).map(Duration::from_millis)
}

/// `grpc-timeout`, as in the gRPC over HTTP/2 document.
pub fn parse_grpc(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let n = number(digits, 8)?;
    Some(match unit {
        b'H' => Duration::from_secs(n * 3600),
        b'M' => Duration::from_secs(n * 60),
        b'S' => Duration::from_secs(n),
        b'm' => Duration::from_millis(n),
        b'u' => Duration::from_micros(n),
        b'n' => Duration::from_nanos(n),
        _ => return None,
    })
}

pub fn write(rest: Duration) -> String {
    rest.as_millis().min(999_999_999).to_string()
}

pub fn write_grpc(rest: Duration) -> String {
    match rest.as_millis() {
        ms @ ..=99_999_999 => format!("{ms}m"),
        ms => format!("{}S", (ms / 1000).min(99_999_999)),
    }
}

fn number(digits: &[u8], longest: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > longest || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_nearer_deadline_counts_and_streams_have_none_of_ours() {
        let at = |kind, client| first_byte(kind, Some(60 * S), client, Nanos(5));
        assert_eq!(at(Kind::Plain, None), Some(Nanos(60_000_000_005)));
        assert_eq!(at(Kind::Plain, Some(S)), Some(Nanos(1_000_000_005)));
        assert_eq!(at(Kind::Plain, Some(90 * S)), Some(Nanos(60_000_000_005)));
        assert_eq!(at(Kind::EventStream, None), None);
        assert_eq!(at(Kind::EventStream, Some(S)), Some(Nanos(1_000_000_005)));
        assert_eq!(at(Kind::Upgrade, Some(S)), None);
        assert_eq!(first_byte(Kind::Plain, None, None, Nanos(0)), None);
    }

    #[test]
    fn each_hop_passes_on_what_is_left() {
        let ms = Duration::from_millis;
        assert_eq!(
            remaining(ms(200), Nanos(0), Nanos(50_000_000)),
            Some(ms(149))
        );
        assert_eq!(remaining(ms(200), Nanos(0), Nanos(199_000_000)), None);
        assert_eq!(remaining(ms(200), Nanos(0), Nanos(900_000_000)), None);
        assert_eq!(
            (write(ms(149)), write_grpc(ms(149))),
            ("149".into(), "149m".into())
        );
    }

    #[test]
    fn reads_what_it_writes_and_ignores_rubbish() {
        for d in [Duration::from_millis(1), S, 27 * 3600 * S, 5000 * 3600 * S] {
            assert!(parse_grpc(write_grpc(d).as_bytes()).unwrap() <= d);
            assert!(write_grpc(d).len() <= 9);
        }
        assert_eq!(parse_grpc(b"10u"), Some(Duration::from_micros(10)));
        for bad in [
            &b""[..],
            b"m",
            b"-1m",
            b"123456789m",
            b"1x",
            b"1.5S",
            b" 1m",
        ] {
            assert_eq!(parse_grpc(bad), None);
        }
        assert_eq!(
            (parse(b"250"), parse(b"250ms"), parse(b"99999999999")),
            (Some(S / 4), None, None)
        );
    }
}
