//! Which jobs are due. Pure: the wall clock is passed in, and may jump.

use config::sections::{Cron, Missed};

/// Times that are looked at in one go.
const MOST: usize = 500;
/// One that is no later than this is on time, milliseconds.
const ON_TIME: u64 = 60_000;
/// A clock that was set back by more was wrong before, milliseconds.
const WRONG: u64 = 24 * 3600 * 1000;

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Times of jobs to be made, in order: milliseconds since the Unix epoch.
    pub fires: Vec<u64>,
    /// Everything up to here is settled.
    pub last_ms: u64,
}

/// `last_ms`: everything up to there is settled. `None`: nothing is to be done. A time is settled once, whatever the clock does: one
/// that was set back comes to the same times again, and they are behind `last_ms`.
pub fn due(cron: &Cron, last_ms: u64, now_ms: u64) -> Result<Option<Due>, String> {
    if last_ms > now_ms.saturating_add(WRONG) {
        return Ok(Some(Due {
            fires: Vec::new(),
            last_ms: now_ms,
        }));
    }
    let mut times = Vec::new();
    let mut next = cron.after(last_ms)?;
    while next <= now_ms && times.len() < MOST {
        times.push(next);
        next = cron.after(next)?;
    }
    let Some(&last_ms) = times.last() else {
        return Ok(None);
    };
    let more = next <= now_ms;
    let fires = match cron.missed {
        Missed::All => times,
        // The last of them, which may be further on.
        Missed::Once if more => Vec::new(),
        Missed::Once => vec![last_ms],
        Missed::None => times
            .into_iter()
            .filter(|t| now_ms - t <= ON_TIME)
            .collect(),
    };
    Ok(Some(Due { fires, last_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;

    fn cron(schedule: &str, missed: Missed) -> Cron {
        Cron {
            schedule: schedule.into(),
            missed,
            ..Cron::named("c")
        }
    }

    /// Looks at each of the moments in turn: all jobs that came of it.
    fn run(cron: &Cron, began: u64, moments: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let (mut last, mut all) = (began, Vec::new());
        for now in moments {
            while let Some(d) = due(cron, last, now).unwrap() {
                all.extend(d.fires);
                last = d.last_ms;
            }
        }
        all
    }

    #[test]
    fn each_time_is_one_job() {
        let c = cron("*/5 * * * *", Missed::Once);
        let seconds = (0..=3600).map(|s| s * 1000);
        let all = run(&c, 0, seconds);
        assert_eq!(all, (1..=12).map(|n| n * 5 * MINUTE).collect::<Vec<_>>());
    }

    #[test]
    fn a_clock_that_jumps_an_hour_repeats_nothing() {
        for missed in [Missed::Once, Missed::All, Missed::None] {
            let c = cron("*/10 * * * *", missed);
            // An hour passes, the clock is set back by one, and two more pass.
            let forward = (0..=60).map(|m| m * MINUTE);
            let again = (0..=120).map(|m| m * MINUTE);
            let all = run(&c, 0, forward.chain(again));
            assert_eq!(all, (1..=12).map(|n| n * 10 * MINUTE).collect::<Vec<_>>());
        }
        // Set forward by an hour: six times were skipped.
        let jump = || (0..=5).chain(65..=70).map(|m| m * MINUTE);
        let of = |missed| run(&cron("*/10 * * * *", missed), 0, jump());
        assert_eq!(
            of(Missed::All),
            [10, 20, 30, 40, 50, 60, 70].map(|m| m * MINUTE)
        );
        assert_eq!(of(Missed::Once), [60, 70].map(|m| m * MINUTE));
        assert_eq!(of(Missed::None), [70].map(|m| m * MINUTE));
        // Forward and back again: what was done ahead of its time is not done at it.
        let all = run(
            &cron("0 * * * *", Missed::Once),
            0,
            [HOUR, 3 * HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR],
        );
        assert_eq!(all, [1, 3, 4].map(|h| h * HOUR));
    }

    #[test]
    fn a_clock_that_was_wrong_by_years_does_not_stop_it() {
        let c = cron("0 * * * *", Missed::Once);
        let d = due(&c, 40 * 365 * 24 * HOUR, 10 * HOUR + 1)
            .unwrap()
            .unwrap();
        assert_eq!((d.fires.len(), d.last_ms), (0, 10 * HOUR + 1));
        assert_eq!(run(&c, d.last_ms, [11 * HOUR]), [11 * HOUR]);
    }

    #[test]
    fn a_long_time_away_is_bounded_work_each_time() {
        let week = 7 * 24 * HOUR;
        let once = cron("* * * * *", Missed::Once);
        assert_eq!(run(&once, 0, [week]), [week]);
        let first = due(&once, 0, week).unwrap().unwrap();
        assert_eq!((first.fires.len(), first.last_ms), (0, 500 * MINUTE));
        assert_eq!(
            run(&cron("* * * * *", Missed::All), 0, [week]).len(),
            7 * 24 * 60
        );
    }

    #[test]
    fn a_clock_that_changes_for_summer_skips_and_repeats_no_day() {
        // Berlin, 2026: 02:00 becomes 03:00 on 29 March, and 03:00 becomes 02:00 on 25 October.
        let c = Cron {
            timezone: "Europe/Berlin".into(),
            ..cron("30 12 * * *", Missed::All)
        };
        let ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond() as u64;
        let spring = run(&c, ms("2026-03-28T00:00:00Z"), [ms("2026-03-31T00:00:00Z")]);
        assert_eq!(
            spring,
            [
                ms("2026-03-28T11:30:00Z"),
                ms("2026-03-29T10:30:00Z"),
                ms("2026-03-30T10:30:00Z")
            ]
        );
        for text in ["2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z"] {
            let hourly = Cron {
                schedule: "0 * * * *".into(),
                ..c.clone()
            };
            let all = run(&hourly, ms(text), [ms(text) + 48 * HOUR]);
            assert!(all.windows(2).all(|w| w[0] < w[1]));
        }
    }
}
