//! Times as people write them: `2026-11-02T09:00` in a zone, `09:00-17:00`, `mon-fri`, `1w`.

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// How long one turn is: days keep the hour of the handover when clocks change, shorter ones do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Days(i64),
    Span(SignedDuration),
}

pub fn turn(text: &str) -> Result<Turn, String> {
    let err = || format!("`{text}` is no turn: write `1w`, `2w`, `1d` or `12h`");
    let unit = text.chars().next_back().ok_or_else(err)?;
    let n: i64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .map_err(|_| err())?;
    match (unit, n) {
        ('w', 1..=52) => Ok(Turn::Days(7 * n)),
        ('d', 1..=366) => Ok(Turn::Days(n)),
        ('h', 1..=8784) if n % 24 == 0 => Ok(Turn::Days(n / 24)),
        ('h', 1..=8784) => Ok(Turn::Span(SignedDuration::from_hours(n))),
        _ => Err(err()),
    }
}

/// `2026-11-02T09:00`, also with a space.
pub fn moment(text: &str) -> Result<DateTime, String> {
    text.trim().parse().map_err(|_| {
        format!("`{text}` is no date with a time: write `2026-11-02T09:00`, in the time zone of the rotation")
    })
}

pub fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| {
        format!("`{text}` is no time zone that is known here: write a name such as `Europe/Berlin` or `UTC`; if it is one, install tzdata")
    })
}

/// The instant of a local time; in the hour that a clock leaves out, the one after.
pub fn instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(local).compatible().ok()
}

/// `09:00-17:00`; an end that is not after the begin lies on the next day.
pub fn hours(text: &str) -> Result<(Time, Time), String> {
    let err = || format!("`{text}` are no hours: write `09:00-17:00` or `22:00-06:00`");
    let (from, to) = text.split_once('-').ok_or_else(err)?;
    let time = |t: &str| t.trim().parse::<Time>().map_err(|_| err());
    Ok((time(from)?, time(to)?))
}

/// `sat`, or `mon-fri`.
pub fn days(text: &str) -> Result<Vec<Weekday>, String> {
    let index = |t: &str| {
        let t = t.trim().to_lowercase();
        DAYS.iter().position(|d| d.0 == t)
    };
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let err = || format!("`{text}` is no day: write `sat`, or `mon-fri`");
    let (from, to) = (index(from).ok_or_else(err)?, index(to).ok_or_else(err)?);
    let count = (to + 7 - from) % 7 + 1;
    Ok((0..count).map(|i| DAYS[(from + i) % 7].1).collect())
}
