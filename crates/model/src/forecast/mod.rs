//! When does the trend of traffic meet the line? The trend is the median slope between all pairs of peaks
//! (Theil and Sen), which a few odd days do not move; with enough history only pairs a whole week (or day) apart
//! are compared, so that weekends do not count as a trend (Hirsch and Slack).

use serde::{Deserialize, Serialize};

const DAY_S: f64 = 86_400.0;
/// Fewer peaks than this have no trend.
const LEAST: usize = 7;
/// More than this are not needed; the latest count.
const MOST: usize = 400;
/// A crossing further away than this is not foretold: as many times the history.
const HORIZON: f64 = 10.0;

/// The highest rate in one step of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Seconds, on any clock.
    pub at_s: f64,
    pub rate: f64,
}

/// The line and its interval, requests per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    pub low: f64,
    pub line: f64,
    pub high: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Forecast {
    TooShort {
        have: usize,
        need: usize,
    },
    /// The slope (per day) may be zero or falls.
    NoTrend {
        slope_per_day: f64,
        low: f64,
        high: f64,
    },
    /// The peaks are at the line already.
    Reached {
        level: f64,
        line: f64,
    },
    /// Times in seconds on the clock of the peaks; `latest_s` is missing when it may also never be.
    Meets {
        at_s: f64,
        earliest_s: f64,
        latest_s: Option<f64>,
        /// Peak rate that the trend gives for the latest step.
        level: f64,
        slope_per_day: f64,
    },
    /// Further away than the history can tell.
    Far {
        slope_per_day: f64,
        at_least_s: f64,
    },
}

/// The peak of each whole step of `step_s` seconds; the step under way at the end is left out.
pub fn peaks(samples: &[Peak], step_s: f64) -> Vec<Peak> {
    let mut out: Vec<Peak> = Vec::new();
    let mut step = None;
    for s in samples
        .iter()
        .filter(|s| s.at_s.is_finite() && s.rate.is_finite())
    {
        let n = (s.at_s / step_s).floor();
        match out.last_mut() {
            Some(last) if step == Some(n) => last.rate = last.rate.max(s.rate),
            _ => out.push(Peak {
                at_s: (n + 0.5) * step_s,
                rate: s.rate,
            }),
        }
        step = Some(n);
    }
    let whole = |at: f64| samples.last().is_some_and(|l| l.at_s >= at + 0.49 * step_s);
    if out.last().is_some_and(|p| step_s > 1.0 && !whole(p.at_s)) {
        out.pop();
    }
    out
}

/// Days if there are ten of them, else hours, else minutes, else seconds: the step for so much history.
pub fn step_for(span_s: f64) -> f64 {
    [DAY_S, 3600.0, 60.0]
        .into_iter()
        .find(|s| span_s >= 10.0 * s)
        .unwrap_or(1.0)
}

/// The answer for peaks of equal steps in the order of time.
pub fn forecast(peaks: &[Peak], line: Bounds) -> Forecast {
    let peaks = &peaks[peaks.len().saturating_sub(MOST)..];
    if peaks.len() < LEAST {
        return Forecast::TooShort {
            have: peaks.len(),
            need: LEAST,
        };
    }
    let (slope, low, high) = trend(peaks);
    let now = peaks[peaks.len() - 1].at_s;
    let level = median(
        peaks
            .iter()
            .map(|p| p.rate - slope * (p.at_s - now))
            .collect(),
    );
    if level >= line.line {
        return Forecast::Reached {
            level,
            line: line.line,
        };
    }
    if low <= 0.0 {
        return Forecast::NoTrend {
            slope_per_day: slope * DAY_S,
            low: low * DAY_S,
            high: high * DAY_S,
        };
    }
    let span = now - peaks[0].at_s;
    let meets = |line: f64, slope: f64| now + ((line - level) / slope).max(0.0);
    let at_s = meets(line.line, slope);
    let earliest_s = meets(line.low, high);
    if earliest_s - now > HORIZON * span {
        return Forecast::Far {
            slope_per_day: slope * DAY_S,
            at_least_s: earliest_s,
        };
    }
    Forecast::Meets {
        at_s,
        earliest_s,
        latest_s: Some(meets(line.high, low)).filter(|t| t - now <= 10.0 * HORIZON * span),
        level,
        slope_per_day: slope * DAY_S,
    }
}

/// Median slope per second and its 90 % interval by ranks (Sen).
fn trend(peaks: &[Peak]) -> (f64, f64, f64) {
    let n = peaks.len();
    let step = (peaks[n - 1].at_s - peaks[0].at_s) / (n - 1) as f64;
    // Steps after which traffic looks alike again: a week of days, a day of hours.
    let season = match step {
        s if (s / DAY_S - 1.0).abs() < 0.2 && n >= 21 => 7.0,
        s if (s / 3600.0 - 1.0).abs() < 0.2 && n >= 72 => 24.0,
        _ => 1.0,
    };
    let mut slopes = Vec::new();
    for i in 0..n {
        for j in i + 1..n {
            let (dt, dy) = (peaks[j].at_s - peaks[i].at_s, peaks[j].rate - peaks[i].rate);
            let steps = (dt / step).round();
            if dt > 0.0 && steps % season == 0.0 {
                slopes.push(dy / dt);
            }
        }
    }
    slopes.sort_by(f64::total_cmp);
    // Rank variance of Kendall's sum, per season: all pairs of n/season points in each of `season` groups.
    let m = n as f64 / season;
    let var = season * m * (m - 1.0) * (2.0 * m + 5.0) / 18.0;
    let half = 1.64 * var.max(0.0).sqrt() / 2.0;
    let middle = (slopes.len().max(1) - 1) as f64 / 2.0;
    let at = |x: f64| {
        let i = x.round().clamp(0.0, slopes.len().saturating_sub(1) as f64) as usize;
        slopes.get(i).copied().unwrap_or(0.0)
    };
    (
        median(slopes.clone()),
        at((middle - half).floor()),
        at((middle + half).ceil()),
    )
}

fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    match v.len() {
        0 => 0.0,
        n if n % 2 == 1 => v[n / 2],
        n => (v[n / 2 - 1] + v[n / 2]) / 2.0,
    }
}
