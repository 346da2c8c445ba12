//! How much may be asked for in a day or a month of the calendar.

use super::{RateFail, RateKey};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// Units in a period.
    pub limit: u64,
    pub per: Per,
    /// An IANA name: whose days and months they are.
    pub timezone: String,
    pub key: RateKey,
    /// Routes with the same name have one quota together; `None`: the route's own.
    pub name: Option<String>,
    /// Units that one request takes.
    pub cost: u64,
    /// Keys that are counted apart in one period; those that come later are counted as one.
    pub keys: u64,
    /// Answers of the service say what is left.
    pub announce: bool,
    /// What is done while the store is away.
    pub fail: RateFail,
    /// Count what would have been refused, refuse nothing.
    pub observe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Per {
    Day,
    Month,
}

/// One day or month of a time zone, milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// `2026-03-01`, or `2026-03`.
    pub label: String,
    pub from_ms: u64,
    /// The first moment of the next one.
    pub to_ms: u64,
}

impl Period {
    pub fn has(&self, ms: u64) -> bool {
        (self.from_ms..self.to_ms).contains(&ms)
    }
}

impl Per {
    pub fn name(self) -> &'static str {
        match self {
            Per::Day => "day",
            Per::Month => "month",
        }
    }

    /// The period in which a moment lies. Where a change for summer skips midnight, a day begins with its first moment.
    ///
    /// # Errors
    /// When the calendar ends.
    pub fn period(self, zone: &TimeZone, ms: u64) -> Result<Period, jiff::Error> {
        let at = Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX))?;
        let day = at.to_zoned(zone.clone()).date();
        let (first, next, label) = match self {
            Per::Day => (day, day.tomorrow()?, day.to_string()),
            Per::Month => {
                let label = format!("{:04}-{:02}", day.year(), day.month());
                (day.first_of_month(), day.last_of_month().tomorrow()?, label)
            }
        };
        let begin = |d: Date| d.to_zoned(zone.clone()).map(begin_ms);
        Ok(Period {
            label,
            from_ms: begin(first)?,
            to_ms: begin(next)?,
        })
    }
}

fn begin_ms(z: Zoned) -> u64 {
    z.timestamp().as_millisecond().max(0) as u64
}

impl Quota {
    /// So many requests of each address in a day of UTC.
    pub fn of(limit: u64) -> Quota {
        Quota {
            limit,
            per: Per::Day,
            timezone: "UTC".into(),
            key: RateKey::Client,
            name: None,
            cost: 1,
            keys: 100_000,
            announce: false,
            fail: RateFail::LocalShare,
            observe: false,
        }
    }

    /// # Errors
    /// When there is none of that name.
    pub fn zone(&self) -> Result<TimeZone, jiff::Error> {
        match self.timezone.as_str() {
            "UTC" => Ok(TimeZone::UTC),
            name => TimeZone::get(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_millisecond() as u64
    }

    fn period(per: Per, zone: &str, at: &str) -> (String, u64, u64) {
        let quota = Quota {
            timezone: zone.into(),
            ..Quota::of(1)
        };
        let p = per.period(&quota.zone().unwrap(), ms(at)).unwrap();
        assert!(p.has(ms(at)) && p.has(p.from_ms) && !p.has(p.to_ms));
        (p.label, p.from_ms, p.to_ms)
    }

    #[test]
    fn days_and_months_are_those_of_the_time_zone() {
        let is = |label: &str, from, to| (label.to_owned(), ms(from), ms(to));
        assert_eq!(
            period(Per::Day, "UTC", "2026-03-01T00:00:00Z"),
            is("2026-03-01", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
        );
        assert_eq!(
            period(Per::Month, "UTC", "2024-02-29T23:59:59Z"),
            is("2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z")
        );
        // Still February in UTC.
        assert_eq!(
            period(Per::Month, "Europe/Berlin", "2026-02-28T23:30:00Z"),
            is("2026-03", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")
        );
        // The day on which clocks are set forward has 23 hours, the other one 25.
        for (at, hours) in [("2026-03-29T12:00:00Z", 23), ("2026-10-25T12:00:00Z", 25)] {
            let (_, from, to) = period(Per::Day, "Europe/Berlin", at);
            assert_eq!(to - from, hours * 3_600_000);
        }
        // In Santiago midnight itself is skipped.
        let (_, from, to) = period(Per::Day, "America/Santiago", "2026-09-06T12:00:00Z");
        assert_eq!(
            (from, to - from),
            (ms("2026-09-06T04:00:00Z"), 23 * 3_600_000)
        );
    }

    #[test]
    fn the_end_of_the_calendar_is_an_error() {
        assert!(Per::Day.period(&TimeZone::UTC, u64::MAX).is_err());
        let nowhere = Quota {
            timezone: "Mars/Base".into(),
            ..Quota::of(1)
        };
        assert!(nowhere.zone().is_err());
    }
}
