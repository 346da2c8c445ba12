//! Jobs that are due by the calendar.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The year 9000: beyond, the calendar ends and sums with it. Milliseconds since the Unix epoch.
const LATEST: u64 = 221_845_392_000_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cron {
    pub name: String,
    /// Minute, hour, day of the month, month, day of the week.
    pub schedule: String,
    /// An IANA name.
    pub timezone: String,
    /// A route with `async`: whose jobs they are.
    pub route: String,
    pub method: String,
    pub path: String,
    pub body: String,
    pub headers: Vec<(String, String)>,
    pub missed: Missed,
}

/// What becomes of times at which nobody was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missed {
    /// One job for all of them.
    Once,
    All,
    None,
}

impl Cron {
    pub fn named(name: &str) -> Cron {
        Cron {
            name: name.to_owned(),
            schedule: String::new(),
            timezone: "UTC".into(),
            route: String::new(),
            method: "POST".into(),
            path: String::new(),
            body: String::new(),
            headers: Vec::new(),
            missed: Missed::Once,
        }
    }

    /// The first time after that one at which it is due, both milliseconds since the Unix epoch. A time of day that a
    /// change for summer skips does not come, and one that it repeats comes twice.
    ///
    /// # Errors
    /// When the schedule or the time zone is none, or nothing comes any more.
    pub fn after(&self, ms: u64) -> Result<u64, String> {
        if ms > LATEST {
            return Err("the clock is beyond the year 9000".into());
        }
        let text = format!("{} {}", self.schedule, self.timezone);
        let crontab = cronexpr::parse_crontab(&text).map_err(|e| e.to_string())?;
        let at = Timestamp::from_millisecond(ms as i64);
        let at = at.map_err(|e| e.to_string())?.to_string();
        let next = crontab.find_next(at.as_str()).map_err(|e| e.to_string())?;
        Ok(next.timestamp().as_millisecond().max(0) as u64)
    }
}
