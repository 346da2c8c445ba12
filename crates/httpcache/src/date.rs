//! HTTP dates, in the three forms that RFC 9110 5.6.7 asks a recipient to read.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Seconds since the Unix epoch; `None` when it is no date, or one before the epoch.
/// `now`, in the same unit, places two-digit years: not more than 50 years in the future.
pub fn parse(text: &[u8], now: u64) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if text.len() > 40 {
        return None;
    }
    let words = |t: &str| -> Option<[u32; 3]> {
        let mut p = t
            .split(':')
            .map(|n| (n.len() == 2).then(|| number(n)).flatten());
        let time = [p.next()??, p.next()??, p.next()??];
        p.next().is_none().then_some(time)
    };
    let month = |m: &str| MONTHS.iter().position(|x| *x == m).map(|i| i as u32 + 1);
    let (day, month, year, time) = match text.split_once(", ") {
        // Sun, 06 Nov 1994 08:49:37 GMT
        Some((_, rest)) if rest.contains(' ') && !rest[..rest.find(' ')?].contains('-') => {
            let mut w = rest.split(' ');
            let (d, m, y, t) = (w.next()?, w.next()?, w.next()?, w.next()?);
            (w.eq(["GMT"]) && y.len() == 4).then_some(())?;
            (number(d)?, month(m)?, number(y)?.into(), words(t)?)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        Some((_, rest)) => {
            let mut w = rest.split(' ');
            let (date, t) = (w.next()?, w.next()?);
            w.eq(["GMT"]).then_some(())?;
            let mut d = date.split('-');
            let (day, m, y) = (number(d.next()?)?, month(d.next()?)?, d.next()?);
            (d.next().is_none() && y.len() == 2).then_some(())?;
            let this_year = 1970 + (now / 31_556_952) as i64;
            let year = this_year / 100 * 100 + i64::from(number(y)?);
            (
                day,
                m,
                if year > this_year + 50 {
                    year - 100
                } else {
                    year
                },
                words(t)?,
            )
        }
        // Sun Nov  6 08:49:37 1994
        None => {
            let mut w = text.split_ascii_whitespace();
            w.next()?;
            let (m, d, t, y) = (w.next()?, w.next()?, w.next()?, w.next()?);
            (w.next().is_none() && y.len() == 4).then_some(())?;
            (number(d)?, month(m)?, number(y)?.into(), words(t)?)
        }
    };
    let [h, min, s] = time;
    if !(1..=last_day(year, month)).contains(&day) || h > 23 || min > 59 || s > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + (h * 3600 + min * 60 + s) as i64;
    u64::try_from(seconds).ok()
}

/// Digits and nothing else: `parse` alone would take a sign, too.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn last_day(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar, counting years from March so that leap days come last.
fn days(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((month as i64 + 9) % 12) + 2) / 5 + day as i64 - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// `Sun, 06 Nov 1994 08:49:37 GMT`. `unix` is in seconds since the Unix epoch.
pub fn format(unix: u64) -> String {
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    // Of the 400-year cycle that begins on 1 March 2000 (or 1600, 2400, …).
    let z = days as i64 + 719_468;
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let from_march = (5 * doy + 2) / 153;
    let day = doy - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = yoe + z.div_euclid(146_097) * 400 + (month < 2) as i64;
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[days as usize % 7],
        MONTHS[month as usize],
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_one_moment() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(
                parse(text.as_bytes(), 1_700_000_000),
                Some(784_111_777),
                "{text}"
            );
        }
        assert_eq!(parse(b"Thu, 01 Jan 1970 00:00:00 GMT", 0), Some(0));
        assert_eq!(
            parse(b"Tue, 29 Feb 2028 23:59:59 GMT", 0),
            Some(1_835_481_599)
        );
    }

    #[test]
    fn what_is_written_can_be_read() {
        assert_eq!(format(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(format(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        for unix in (0..4_200_000_000u64).step_by(12_345_678) {
            assert_eq!(parse(format(unix).as_bytes(), unix), Some(unix));
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1960 08:49:37 GMT",
            "Sun, 06 Nov 1994 +8:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sunday, 06-Nov-+4 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT +0100",
            "Sunday, 06-Nov-94 08:49:37 GMT +0100",
            "Sun Nov  6 08:49:37 1994 +0100",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Wed, 29 Feb 2023 08:49:37 GMT",
            ", ",
            ", -",
            "a, é b",
        ] {
            assert_eq!(parse(text.as_bytes(), 0), None, "{text}");
        }
    }
}
