//! Times as people write them in a hurry.

use jiff::civil::{DateTime, Time};
use jiff::{Timestamp, Zoned};

/// `2026-12-24T20:00:00Z`; without a zone it is this machine's; `20:00` is today; `15m` was so long ago.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    read(text, &Zoned::now())
}

fn read(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let far = |_| format!("`{text}` is too far away");
    if let Ok(ago) = base::units::duration(text) {
        let now = catalog::incident::second(now.timestamp());
        return now.checked_sub(ago).map_err(far);
    }
    let today = |_| text.parse::<Time>().map(|t| now.date().to_datetime(t));
    let local: DateTime = text.parse().or_else(today).map_err(|_| {
        format!("`{text}` is no time; write it like `2026-12-24T20:00:00Z`, `20:00` or, for how long ago, `15m`")
    })?;
    let there = local.to_zoned(now.time_zone().clone()).map_err(far)?;
    Ok(there.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_meant() {
        let now: Zoned = "2026-11-28T04:30:00[Europe/Berlin]".parse().unwrap();
        for (text, at) in [
            ("2026-12-24T20:00:00Z", "2026-12-24T20:00:00Z"),
            ("2026-12-24T20:00:00+02:00", "2026-12-24T18:00:00Z"),
            ("2026-12-24T20:00", "2026-12-24T19:00:00Z"),
            ("2026-12-24 20:00", "2026-12-24T19:00:00Z"),
            ("04:10", "2026-11-28T03:10:00Z"),
            ("15m", "2026-11-28T03:15:00Z"),
        ] {
            assert_eq!(read(text, &now).unwrap().to_string(), at, "{text}");
        }
        for text in ["", "soon", "25:00", "2026-13-01T00:00", "999999999d"] {
            assert!(read(text, &now).is_err(), "{text}");
        }
    }
}
