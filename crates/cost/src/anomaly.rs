//! Hours in which a request costs something else than at this hour of other weeks: median ± 4·MAD, which a few odd hours do not move.
//! It is judged per request, so that a busy day is no anomaly.

use crate::explain::{Explained, explain};
use crate::slot::Slot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// Hours that are compared with, at least.
const LEAST: usize = 3;
/// From MAD to a standard deviation, if what is compared were normal.
const SCALE: f64 = 1.4826;
const WIDTH: f64 = 4.0;
/// A spread is taken for no smaller than this share of the median: less is noise of the fit.
const FLOOR: f64 = 0.02;
/// An hour with fewer requests is not judged.
const REQUESTS: f64 = 100.0;

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// The whole bill by the number of requests.
    Bill,
    /// What requests used, without idle and background.
    Used,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    pub of: Of,
    /// Seconds since the Unix epoch: the hour, and the minute in it from which on it was so.
    pub hour_s: u64,
    pub since_s: u64,
    /// Dollars per request: what it was, and what is usual at this hour.
    pub cost: f64,
    pub usual: f64,
    /// Distance at which it counts.
    pub band: f64,
    /// Against the hour of the past that is most like what is usual.
    pub why: Option<Explained>,
    /// What was changed in that minute, for people; told by whoever knows.
    #[serde(default)]
    pub change: Option<String>,
}

/// Dollars per request.
fn cost(of: Of, slot: &Slot) -> Option<f64> {
    let n = slot.all_requests();
    let dollars = match of {
        Of::Bill => slot.dollars(),
        Of::Used => slot.used(),
    };
    (n > 0.0).then(|| dollars / n)
}

/// The same, where it can be judged.
fn judged(of: Of, slot: &Slot) -> Option<f64> {
    cost(of, slot).filter(|c| *c > 0.0 && slot.all_requests() >= REQUESTS)
}

/// Judges an hour by those before it; `minutes` are those of the hour and the one before, as far as they are known.
pub fn judge(
    hour: &Slot,
    past: &BTreeMap<u64, Slot>,
    minutes: &BTreeMap<u64, Slot>,
) -> Vec<Anomaly> {
    [Of::Bill, Of::Used]
        .into_iter()
        .filter_map(|of| one(of, hour, past, minutes))
        .collect()
}

fn one(
    of: Of,
    hour: &Slot,
    past: &BTreeMap<u64, Slot>,
    minutes: &BTreeMap<u64, Slot>,
) -> Option<Anomaly> {
    let now = judged(of, hour)?;
    let like = |every: u64| -> Vec<(f64, &Slot)> {
        let before = past.range(..hour.start_s);
        let same = before.filter(|(at, _)| (hour.start_s - **at).is_multiple_of(every));
        same.filter_map(|(_, s)| Some((judged(of, s)?, s)))
            .collect()
    };
    // The first weeks have no other such hour: this hour of other days.
    let mut others = [like(WEEK), like(DAY)]
        .into_iter()
        .find(|o| o.len() >= LEAST)?;
    others.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (usual, typical) = others[others.len() / 2];
    let mut away: Vec<f64> = others.iter().map(|(c, _)| (c - usual).abs()).collect();
    away.sort_by(f64::total_cmp);
    let band = WIDTH * (SCALE * away[away.len() / 2]).max(FLOOR * usual);
    ((now - usual).abs() > band).then(|| Anomaly {
        of,
        hour_s: hour.start_s,
        since_s: turn(of, hour.start_s, minutes).unwrap_or(hour.start_s),
        cost: now,
        usual,
        band,
        why: explain(typical, hour),
        change: None,
    })
}

/// The minute from which on the hour's cost per request is most unlike what it was before.
fn turn(of: Of, hour_s: u64, minutes: &BTreeMap<u64, Slot>) -> Option<u64> {
    let span = minutes.range(hour_s.saturating_sub(HOUR)..hour_s + HOUR);
    let all: Vec<(u64, f64)> = span
        .filter_map(|(at, s)| Some((*at, cost(of, s)?)))
        .collect();
    let mean = |part: &[(u64, f64)]| part.iter().map(|p| p.1).sum::<f64>() / part.len() as f64;
    let apart = |i: usize| {
        let (a, b) = all.split_at(i);
        let weight = (a.len() * b.len()) as f64 / all.len() as f64;
        (mean(b) - mean(a)).abs() * weight.sqrt()
    };
    let inside = (1..all.len()).filter(|i| all[*i].0 >= hour_s);
    let at = inside.max_by(|a, b| apart(*a).total_cmp(&apart(*b)))?;
    Some(all[at].0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, Kind, Part};

    /// `n` requests that use `demand` of a resource that costs 4 dollars for 4000 units.
    fn slot(start_s: u64, n: f64, demand: f64) -> Slot {
        let seconds = n * demand;
        let part = Part {
            seconds,
            dollars: seconds / 1000.0,
        };
        let item = Item {
            kind: Kind::Service,
            dollars: 4.0,
            background: 0.0,
            routes: [("a".to_owned(), part)].into(),
            measured: true,
        };
        Slot {
            start_s,
            requests: [("a".to_owned(), n)].into(),
            items: [("cpu.app".to_owned(), item)].into(),
            ..Slot::default()
        }
    }

    /// Five weeks with busy days and quiet nights, each hour a little different, and one odd hour a week ago.
    fn past(until_s: u64) -> BTreeMap<u64, Slot> {
        let hours = (until_s - 35 * DAY..until_s).step_by(HOUR as usize);
        let of = |at: u64| {
            let busy = 1000.0 + 900.0 * ((at % DAY) as f64 / 14_000.0).sin();
            let noise = 1.0 + 0.01 * ((at / HOUR % 7) as f64 - 3.0) / 3.0;
            let odd = if at == until_s - WEEK { 3.0 } else { 1.0 };
            (at, slot(at, busy * noise, odd))
        };
        hours.map(of).collect()
    }

    const NOW: u64 = 2_000 * WEEK + 30 * HOUR;

    #[test]
    fn only_what_is_unlike_other_weeks_is_told_with_its_cause_and_minute() {
        let past = past(NOW);
        let usual = past[&(NOW - 2 * WEEK)].all_requests();
        let none = BTreeMap::new();
        assert_eq!(judge(&slot(NOW, usual * 1.01, 1.01), &past, &none), []);
        // Twice as many requests bear the same bill: each costs half, and uses what it did.
        let busy = judge(&slot(NOW, usual * 2.0, 1.0), &past, &none);
        assert_eq!(busy.iter().map(|a| a.of).collect::<Vec<_>>(), [Of::Bill]);
        assert!(busy[0].why.unwrap().volume < 0.0);
        // A request uses a quarter more, since the twentieth minute.
        let minute = |m: u64| {
            let at = NOW - HOUR + 60 * m;
            (at, slot(at, 20.0, if m < 80 { 1.0 } else { 1.375 }))
        };
        let minutes: BTreeMap<u64, Slot> = (0..120).map(minute).collect();
        let dear = judge(&slot(NOW, usual, 1.25), &past, &minutes);
        assert_eq!(dear.len(), 1, "the bill is the same: {dear:?}");
        assert_eq!((dear[0].of, dear[0].since_s), (Of::Used, NOW + 20 * 60));
        let why = dear[0].why.unwrap();
        assert!((why.efficiency - 0.25 / 1000.0).abs() < 2e-5, "{why:?}");
    }

    #[test]
    fn little_traffic_or_little_past_is_not_judged() {
        let long = past(NOW);
        assert_eq!(judge(&slot(NOW, 50.0, 9.0), &long, &BTreeMap::new()), []);
        let short: BTreeMap<u64, Slot> = long
            .range(NOW - 2 * DAY..)
            .map(|(k, v)| (*k, v.clone()))
            .collect();
        assert_eq!(judge(&slot(NOW, 1000.0, 9.0), &short, &BTreeMap::new()), []);
        // Four days are enough for a first opinion, by the hour of the day.
        let days: BTreeMap<u64, Slot> = long
            .range(NOW - 4 * DAY..)
            .map(|(k, v)| (*k, v.clone()))
            .collect();
        let usual = days[&(NOW - DAY)].all_requests();
        assert_eq!(
            judge(&slot(NOW, usual, 9.0), &days, &BTreeMap::new()).len(),
            1
        );
    }
}
