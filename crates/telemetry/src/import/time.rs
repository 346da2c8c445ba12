//! Times in logs as seconds since the Unix epoch.

/// Days since 1970-01-01 of a date of the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days(y: i64, m: i64, d: i64) -> Option<i64> {
    if !(1..=12).contains(&m) || !(1..=31).contains(&d) || !(1970..=9999).contains(&y) {
        return None;
    }
    let y = if m <= 2 { y - 1 } else { y };
    let era = y / 400;
    let yoe = y - era * 400;
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some(era * 146_097 + doe - 719_468)
}

fn clock(text: &str) -> Option<f64> {
    let mut p = text.split(':');
    let (h, m, s): (u32, u32, f64) = (
        p.next()?.parse().ok()?,
        p.next()?.parse().ok()?,
        p.next()?.parse().ok()?,
    );
    (p.next().is_none() && h < 24 && m < 60 && (0.0..61.0).contains(&s))
        .then(|| f64::from(h * 3600 + m * 60) + s)
}

/// `+0200` or `-07:00` in seconds.
fn zone(text: &str) -> Option<f64> {
    if text == "Z" {
        return Some(0.0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", r) => (1.0, r),
        ("-", r) => (-1.0, r),
        _ => return None,
    };
    let digits = rest.replace(':', "");
    let (h, m) = digits.split_at_checked(2)?;
    let (h, m): (u32, u32) = (h.parse().ok()?, m.parse().ok()?);
    (digits.len() == 4 && h < 24 && m < 60).then(|| sign * f64::from(h * 3600 + m * 60))
}

/// `2024-05-06T07:08:09.123Z`, also with an offset.
pub fn iso(text: &str) -> Option<f64> {
    let (date, rest) = text.split_once('T')?;
    let mut d = date.split('-');
    let day = days(
        d.next()?.parse().ok()?,
        d.next()?.parse().ok()?,
        d.next()?.parse().ok()?,
    )?;
    let at = rest.find(['Z', '+', '-'])?;
    let (time, offset) = rest.split_at(at);
    Some(day as f64 * 86_400.0 + clock(time)? - zone(offset)?)
}

/// `06/May/2024:07:08:09 +0000`, as in the common log format.
pub fn common(text: &str) -> Option<f64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (stamp, offset) = text.split_once(' ')?;
    let (date, time) = stamp.split_once(':')?;
    let mut d = date.split('/');
    let (day, month, year) = (d.next()?, d.next()?, d.next()?);
    let month = MONTHS
        .find(month)
        .filter(|i| month.len() == 3 && i % 3 == 0)? as i64
        / 3
        + 1;
    let day = days(year.parse().ok()?, month, day.parse().ok()?)?;
    Some(day as f64 * 86_400.0 + clock(time)? - zone(offset)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(iso("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(iso("2024-02-29T12:00:00.5Z"), Some(1_709_208_000.5));
        assert_eq!(iso("2024-02-29T14:00:00+02:00"), Some(1_709_208_000.0));
        assert_eq!(common("29/Feb/2024:12:00:00 +0000"), Some(1_709_208_000.0));
        assert_eq!(common("29/Feb/2024:05:00:00 -0700"), Some(1_709_208_000.0));
        for bad in [
            "",
            "T",
            "2024-13-01T00:00:00Z",
            "2024-01-01T25:00:00Z",
            "2024-01-01T00:00:00",
            "é",
        ] {
            assert_eq!((iso(bad), common(bad)), (None, None), "{bad}");
        }
    }
}
