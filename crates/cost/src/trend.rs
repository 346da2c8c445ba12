//! How a number changes over days: Sen's slope (the median of the slopes between all pairs) with its interval of 95 %, which
//! a few odd days do not move; or that there is too little to tell.
//!
//! By hours only the same hours of different days are compared (Hirsch, Slack and Smith 1982), as nights differ from days. Hours of
//! one day rise and fall together, so their deviations are added as if they were one: the interval is rather too wide.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DAY_S: u64 = 86_400;
/// Of a normal distribution, two-sided 95 %.
const Z: f64 = 1.96;
/// Days that are compared, at least: below it Kendall's test can be sure of nothing.
pub const LEAST_DAYS: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Rises,
    Falls,
    /// The interval holds 0.
    Unclear,
    TooLittle,
}

/// In the unit of what was measured, per day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    pub verdict: Verdict,
    /// With the ends of its interval; all three or none.
    pub slope: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// The median of what was measured.
    pub level: Option<f64>,
    /// Days that could be compared.
    pub days: usize,
}

/// Of measurements by when they began, seconds since the Unix epoch; `step_s` is their length, a day or a part of it.
pub fn trend(points: &[(u64, f64)], step_s: u64) -> Trend {
    let step_s = step_s.clamp(1, DAY_S);
    let mut seasons: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for (at, y) in points.iter().filter(|p| p.1.is_finite()) {
        let day = *at as f64 / DAY_S as f64;
        seasons
            .entry(at % DAY_S / step_s)
            .or_default()
            .push((day, *y));
    }
    let days = seasons.values().map(Vec::len).max().unwrap_or(0);
    // An hour of which there are few days says little, and is left out.
    seasons.retain(|_, s| s.len() >= LEAST_DAYS);
    let mut level: Vec<f64> = points
        .iter()
        .map(|p| p.1)
        .filter(|y| y.is_finite())
        .collect();
    let level = median(&mut level);
    let (mut slopes, mut deviation) = (Vec::new(), 0.0);
    for s in seasons.values() {
        for (i, a) in s.iter().enumerate() {
            let later = s[i + 1..].iter().filter(|b| b.0 > a.0);
            slopes.extend(later.map(|b| (b.1 - a.1) / (b.0 - a.0)));
        }
        let n = s.len() as f64;
        deviation += (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    }
    let Some(slope) = median(&mut slopes) else {
        return Trend {
            verdict: Verdict::TooLittle,
            slope: None,
            low: None,
            high: None,
            level,
            days,
        };
    };
    let (low, high) = interval(&slopes, deviation);
    let verdict = match (low, high) {
        (low, _) if low > 0.0 => Verdict::Rises,
        (_, high) if high < 0.0 => Verdict::Falls,
        _ => Verdict::Unclear,
    };
    Trend {
        verdict,
        slope: Some(slope),
        low: Some(low),
        high: Some(high),
        level,
        days,
    }
}

/// Ranks around the middle, as far as the deviation of Kendall's sum reaches (Sen 1968); `slopes` ascend.
fn interval(slopes: &[f64], deviation: f64) -> (f64, f64) {
    let (n, reach) = (slopes.len() as f64, Z * deviation);
    let last = slopes.len() - 1;
    let low = ((n - reach) / 2.0).floor().max(1.0) as usize - 1;
    let high = ((n + reach) / 2.0).ceil() as usize;
    (slopes[low.min(last)], slopes[high.min(last)])
}

/// Sorts them.
fn median(all: &mut [f64]) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    let at = all.len() / 2;
    match all.len() {
        0 => None,
        n if n % 2 == 1 => Some(all[at]),
        _ => Some((all[at - 1] + all[at]) / 2.0),
    }
}

impl Trend {
    /// For people, as a share of what is usual, in a week.
    pub fn text(&self) -> String {
        let level = self.level.filter(|l| *l > 0.0);
        let week = |x: Option<f64>| Some(format!("{:+.1} %", 700.0 * x? / level?));
        let parts = (week(self.slope), week(self.low), week(self.high));
        let (Some(slope), Some(low), Some(high)) = parts else {
            let days = self.days;
            return format!("too little for a trend: {days} whole days of at least {LEAST_DAYS}");
        };
        match self.verdict {
            Verdict::Rises => format!("rises, {slope} a week ({low} to {high})"),
            Verdict::Falls => format!("falls, {slope} a week ({low} to {high})"),
            _ => format!("no trend can be told: {low} to {high} a week"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 20_000 * DAY_S;

    /// splitmix64, and a normal number from twelve uniform ones.
    struct Random(u64);

    impl Random {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as f64 / u64::MAX as f64
        }
        fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
        }
    }

    /// Cost per order by hour: dear at night, days that are dearer than others as a whole, noise; `slope` per day.
    fn hours(seed: u64, days: u64, slope: f64) -> Vec<(u64, f64)> {
        let mut r = Random(seed);
        let mut all = Vec::new();
        for d in 0..days {
            let day = 0.1 * r.normal();
            for h in 0..24 {
                let night = if h < 7 { 2.0 } else { 1.0 };
                let y = night * (1.0 + day + 0.05 * r.normal()) + slope * d as f64;
                all.push((START + d * DAY_S + h * 3600, y));
            }
        }
        all
    }

    fn days(seed: u64, n: u64, slope: f64) -> Vec<(u64, f64)> {
        let mut r = Random(seed);
        let y = |d: u64, r: &mut Random| 1.0 + 0.1 * r.normal() + slope * d as f64;
        (0..n).map(|d| (START + d * DAY_S, y(d, &mut r))).collect()
    }

    fn share(all: impl Iterator<Item = bool>) -> f64 {
        let all: Vec<bool> = all.collect();
        all.iter().filter(|x| **x).count() as f64 / all.len() as f64
    }

    #[test]
    fn without_a_trend_none_is_told_and_a_true_one_lies_in_the_interval() {
        for n in [5, 7, 14, 35] {
            let told = |seed| trend(&days(seed, n, 0.0), DAY_S).verdict != Verdict::Unclear;
            let by_hour = |seed| trend(&hours(seed, n, 0.0), 3600).verdict != Verdict::Unclear;
            let (d, h) = (share((0..1000).map(told)), share((0..200).map(by_hour)));
            assert!(
                d <= 0.055 && h <= 0.055,
                "{n} days: {d} by day, {h} by hour"
            );
            let covered = |seed| {
                let t = trend(&days(seed, n, 0.03), DAY_S);
                (t.low.unwrap()..=t.high.unwrap()).contains(&0.03)
            };
            let c = share((0..1000).map(covered));
            assert!(c >= 0.94, "{n} days: {c}");
        }
        // It is seen when it is there.
        let seen =
            share((0..200).map(|s| trend(&days(s, 28, 0.01), DAY_S).verdict == Verdict::Rises));
        assert!(seen > 0.95, "{seen}");
        let by_hour =
            share((0..50).map(|s| trend(&hours(s, 28, -0.02), 3600).verdict == Verdict::Falls));
        assert!(by_hour > 0.95, "{by_hour}");
    }

    #[test]
    fn few_days_are_too_few_and_one_odd_day_moves_nothing() {
        let few = trend(&days(1, 4, 1.0), DAY_S);
        assert_eq!(
            (few.verdict, few.slope, few.days),
            (Verdict::TooLittle, None, 4)
        );
        assert!(
            few.text().contains("4 whole days of at least 5"),
            "{}",
            few.text()
        );
        assert_eq!(trend(&[], DAY_S).days, 0);
        assert_eq!(trend(&hours(1, 4, 1.0), 3600).verdict, Verdict::TooLittle);
        let line: Vec<(u64, f64)> = (0..10)
            .map(|d| (START + d * DAY_S, 1.0 + 0.1 * d as f64))
            .collect();
        let mut odd = line.clone();
        odd[9].1 = 50.0;
        let (a, b) = (trend(&line, DAY_S), trend(&odd, DAY_S));
        assert!((a.slope.unwrap() - 0.1).abs() < 1e-9 && (b.slope.unwrap() - 0.1).abs() < 0.01);
        assert_eq!(b.verdict, Verdict::Rises);
        assert_eq!(a.text(), "rises, +48.3 % a week (+48.3 % to +48.3 %)");
    }
}
