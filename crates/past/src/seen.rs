//! Sums over a time: what came of each series of a metric, and for how long Plimsoll looked.

use crate::tier::chunk;
use crate::{COARSE_MS, FINE_MS, Metric, Past};
use base::Grain;

/// What came of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sum<'a> {
    /// Values of the metric's labels.
    pub labels: &'a [String],
    pub count: u64,
    /// The end of the last slot in which something came, milliseconds since the Unix epoch.
    pub last_ms: u64,
}

impl Past {
    /// What came in the slots of five minutes that begin in this time; without series of which nothing came.
    pub fn seen(&self, metric: &Metric, from_ms: u64, to_ms: u64) -> Vec<Sum<'_>> {
        let all = self.series.iter().enumerate();
        let ours = all.filter(|(_, s)| s.known().is_some_and(|m| m.name == metric.name));
        let sums = ours.filter_map(|(id, s)| {
            let (first, last) = slots(from_ms, to_ms)?;
            let column = self.coarse.columns.get(id)?;
            Some(Sum {
                labels: &s.labels,
                count: column.sum(first, last, chunk(Grain::Coarse)),
                last_ms: (column.last()?.min(last) + 1) * COARSE_MS,
            })
        });
        sums.filter(|s| s.count > 0).collect()
    }

    /// How much of this time Plimsoll counted, milliseconds: not while it did not run.
    pub fn looked_ms(&self, from_ms: u64, to_ms: u64) -> u64 {
        let slots = slots(from_ms, to_ms);
        let fine = slots.map(|(first, last)| {
            let recorded = &self.coarse.recorded;
            recorded.sum(first, last, chunk(Grain::Coarse))
        });
        fine.unwrap_or(0) * FINE_MS
    }
}

/// First and last; `None`: there is none.
fn slots(from_ms: u64, to_ms: u64) -> Option<(u64, u64)> {
    let (first, end) = (from_ms.div_ceil(COARSE_MS), to_ms.div_ceil(COARSE_MS));
    (first < end).then(|| (first, end - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{CALLS, REQUESTS};
    use crate::{Bounds, Series};

    const DAY: u64 = 86_400_000;
    const START: u64 = 20_000 * DAY;

    #[test]
    fn sums_of_weeks_leave_out_what_is_older_and_the_time_when_nobody_looked() {
        let mut past = Past::new(Bounds {
            counts_ms: 35 * DAY,
            buckets_ms: 3 * DAY,
            bytes: 64 << 20,
        });
        let of = |route, status| Series::new(&REQUESTS, &[route, "base", status]);
        // Not on the second day; `old` has requests on the first only.
        for slot in (1..=3 * 8640).filter(|s| !(8640..2 * 8640).contains(s)) {
            let mut counts = vec![(of("a", "2xx"), 2), (of("a", "5xx"), 1)];
            if slot < 8640 {
                counts.push((of("old", "2xx"), 5));
                counts.push((Series::new(&CALLS, &["a", "old"]), 4));
            }
            past.push(START + slot * FINE_MS, counts);
        }
        let (end, named) = (START + 3 * DAY, |l: &[String]| format!("{} {}", l[0], l[2]));
        let told = |from: u64| {
            let all = past.seen(&REQUESTS, from, end);
            let all = all.iter().map(|s| (named(s.labels), s.count));
            all.collect::<Vec<_>>()
        };
        let days = |n: u64| 8640 * n;
        assert_eq!(
            told(START),
            [
                ("a 2xx".into(), 2 * days(2)),
                ("a 5xx".into(), days(2)),
                ("old 2xx".into(), 5 * (days(1) - 1)),
            ]
        );
        assert_eq!(
            told(START + DAY),
            [
                ("a 2xx".into(), 2 * (days(1) + 1)),
                ("a 5xx".into(), days(1) + 1)
            ]
        );
        let calls = past.seen(&CALLS, 0, end);
        assert_eq!(
            (calls.len(), calls[0].count, calls[0].last_ms),
            (1, 4 * (days(1) - 1), START + DAY)
        );
        assert_eq!(past.looked_ms(0, end), 2 * DAY);
        assert_eq!(past.looked_ms(START + DAY, START + 2 * DAY), FINE_MS);
        assert_eq!(past.looked_ms(end, end), 0);
    }
}
