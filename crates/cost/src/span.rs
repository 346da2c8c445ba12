//! Stretches of time as people and other tools write them: `1h`, `7d`, `today`, `lastweek`, or a begin and an end.

use base::Finding;

/// From the first second on, up to but without the last; since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from_s: u64,
    pub to_s: u64,
}

const DAY: u64 = 86_400;
/// The epoch was a Thursday; weeks begin on Sunday, as OpenCost has them.
const SUNDAY: u64 = 4 * DAY;
/// What a day may not be further away than, so that sums cannot overflow.
const MOST_S: u64 = 1 << 40;

pub fn span(text: &str, now_s: u64) -> Result<Span, Finding> {
    let today = now_s - now_s % DAY;
    let week = now_s - (now_s + SUNDAY) % (7 * DAY);
    let span = match text.trim() {
        "today" => Some((today, now_s)),
        "yesterday" => Some((today.saturating_sub(DAY), today)),
        "week" => Some((week, now_s)),
        "lastweek" => Some((week.saturating_sub(7 * DAY), week)),
        text => match text.split_once(',') {
            Some((from, to)) => moment(from).zip(moment(to)),
            None => back(text).map(|s| (now_s.saturating_sub(s), now_s)),
        },
    };
    match span {
        Some((from_s, to_s)) if from_s < to_s => Ok(Span { from_s, to_s }),
        Some(_) => Err(wrong(text, "it ends before it begins")),
        None => Err(wrong(text, "it is not understood")),
    }
}

fn wrong(text: &str, why: &str) -> Finding {
    let short: String = text.chars().take(80).collect();
    Finding::error("cost-window", format!("the window `{short}`: {why}"))
        .help("write `1h`, `7d`, `today`, `yesterday`, `week`, `lastweek`, or a begin and an end as `2026-11-01T00:00:00Z,2026-11-02T00:00:00Z`")
}

fn back(text: &str) -> Option<u64> {
    let length = base::units::duration(text).ok()?.as_secs();
    (length <= MOST_S).then_some(length)
}

/// Seconds since the Unix epoch, or a date with its time in UTC (RFC 3339).
fn moment(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return (seconds <= MOST_S).then_some(seconds);
    }
    let at: jiff::Timestamp = text.trim().parse().ok()?;
    u64::try_from(at.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Saturday, 28 November 2026, 13:00 UTC.
    const NOW: u64 = 1_795_870_800;

    #[test]
    fn windows_as_people_write_them() {
        let of = |text| {
            span(text, NOW)
                .map(|s| (NOW - s.from_s, NOW - s.to_s))
                .unwrap()
        };
        assert_eq!(of("1h"), (3600, 0));
        assert_eq!(of("7d"), (7 * DAY, 0));
        assert_eq!(of("today"), (13 * 3600, 0));
        assert_eq!(of("yesterday"), (37 * 3600, 13 * 3600));
        let sunday = 6 * DAY + 13 * 3600;
        assert_eq!(of("week"), (sunday, 0));
        assert_eq!(of("lastweek"), (sunday + 7 * DAY, sunday));
        assert_eq!(
            of("2026-11-28T12:00:00Z,2026-11-28T12:30:00Z"),
            (3600, 1800)
        );
        assert_eq!(of("1795867200,1795870800"), (3600, 0));
    }

    #[test]
    fn what_is_no_window_is_said_with_an_example() {
        for text in [
            "",
            "1",
            "0s",
            "h",
            "2,1",
            "today,now",
            "99999999999999999999",
            "9999999999d",
            "1,99999999999999999",
        ] {
            let f = span(text, NOW).unwrap_err();
            assert!(f.help.contains("`1h`"), "{text}");
        }
    }
}
