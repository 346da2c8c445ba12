//! Steps of equal length for charts: how much came, how much of it failed, and how long it took.

use crate::metric::{CALLS, DURATIONS, PARTS, REQUESTS};
use crate::past::FINE_KEEP_MS;
use crate::tier::chunk;
use crate::{Past, Series};
use base::buckets::edge;
use base::grain::FINE_MS;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its end, milliseconds since the Unix epoch.
    pub end_ms: u64,
    /// Seconds of it in which Plimsoll counted.
    pub seconds: f64,
    pub requests: u64,
    /// Of them, those that other requests caused.
    pub caused: u64,
    /// Answered with a status of 500 or more, or not at all.
    pub failed: u64,
    /// Seconds; `None`: nothing came, or it is not kept for so long.
    pub p50_s: Option<f64>,
    pub p99_s: Option<f64>,
}

#[derive(Clone)]
struct Sum {
    seconds: f64,
    requests: u64,
    caused: u64,
    failed: u64,
    /// Empty until something comes.
    parts: Vec<u64>,
}

impl Past {
    /// The last `last_ms` in at most `most` steps, oldest first, without those in which nobody counted; of one route, or
    /// of all.
    pub fn chart(&self, route: Option<&str>, last_ms: u64, most: u64) -> Vec<Step> {
        let Some(newest) = self.fine.newest else {
            return Vec::new();
        };
        let end = (newest + 1) * FINE_MS;
        let tier = match last_ms <= FINE_KEEP_MS {
            true => &self.fine,
            false => &self.coarse,
        };
        let slot_ms = tier.grain.slot_ms();
        let width = last_ms.div_ceil(most.max(1)).div_ceil(slot_ms).max(1);
        let (first, last) = (
            end.saturating_sub(last_ms) / slot_ms / width,
            (end - 1) / slot_ms / width,
        );
        let empty = Sum {
            seconds: 0.0,
            requests: 0,
            caused: 0,
            failed: 0,
            parts: Vec::new(),
        };
        let mut sums = vec![empty; (last - first + 1) as usize];
        let read = |column: &crate::column::Column, each: &mut dyn FnMut(usize, u64)| {
            let until = (last + 1) * width - 1;
            column.read(first * width, until, chunk(tier.grain), |slot, n| {
                each((slot / width - first) as usize, n);
            });
        };
        read(&tier.recorded, &mut |at, fine| {
            sums[at].seconds += (fine * FINE_MS) as f64 / 1000.0;
        });
        for (id, s) in self.series.iter().enumerate() {
            let Some(column) = tier.columns.get(id).filter(|_| concerns(s, route)) else {
                continue;
            };
            match s.part {
                _ if s.metric == REQUESTS.name => {
                    let failed = matches!(s.labels[2].as_str(), "5xx" | "none");
                    read(column, &mut |at, n| {
                        sums[at].requests += n;
                        sums[at].failed += if failed { n } else { 0 };
                    });
                }
                Some(part) if s.metric == DURATIONS.name => read(column, &mut |at, n| {
                    let parts = &mut sums[at].parts;
                    parts.resize(PARTS, 0);
                    parts[(part as usize).min(PARTS - 1)] += n;
                }),
                _ if s.metric == CALLS.name => {
                    read(column, &mut |at, n| sums[at].caused += n);
                }
                _ => {}
            }
        }
        let step = |(i, sum): (usize, &Sum)| Step {
            end_ms: (first + i as u64 + 1) * width * slot_ms,
            seconds: sum.seconds,
            requests: sum.requests,
            caused: sum.caused,
            failed: sum.failed,
            p50_s: quantile(&sum.parts, 0.5),
            p99_s: quantile(&sum.parts, 0.99),
        };
        let counted = sums.iter().enumerate().filter(|s| s.1.seconds > 0.0);
        counted.map(step).collect()
    }
}

/// Known ones of the route; of calls, those that come to it.
fn concerns(s: &Series, route: Option<&str>) -> bool {
    let at = usize::from(s.metric == CALLS.name);
    s.known().is_some() && route.is_none_or(|r| s.labels.get(at).is_some_and(|l| l == r))
}

/// The middle of the part in which it lies.
fn quantile(parts: &[u64], q: f64) -> Option<f64> {
    let all: u64 = parts.iter().sum();
    let rank = ((q * all as f64).ceil() as u64).max(1);
    let mut seen = 0;
    let part = parts.iter().position(|n| {
        seen += n;
        *n > 0 && seen >= rank
    })?;
    let low = part.checked_sub(1).map_or(0.0, edge);
    Some(match edge(part) {
        high if high.is_finite() => (low + high) / 2.0,
        _ => low,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bounds;

    const START: u64 = 1_800_000_000_000;

    #[test]
    fn steps_have_rates_of_the_time_in_which_somebody_counted() {
        let mut past = Past::new(Bounds {
            counts_ms: 35 * 86_400_000,
            buckets_ms: 3 * 86_400_000,
            bytes: 64 << 20,
        });
        let of = |route, status| Series::new(&REQUESTS, &[route, "base", status]);
        let took = Series::new(&DURATIONS, &["a", "base"]).of_part(crate::metric::SUB * 3);
        let slots = 2 * 360 * 24 + 3;
        for slot in (1..=slots).filter(|s| !(1000..1360).contains(s)) {
            let counts = vec![
                (of("a", "2xx"), 100),
                (of("b", "5xx"), 50),
                (took.clone(), 100),
            ];
            past.push(START + slot * FINE_MS, counts);
        }
        for (last, route, rate, failed) in [
            (3 * 3_600_000, None, 15.0, 5.0),
            (86_400_000, Some("a"), 10.0, 0.0),
            (2 * 86_400_000, Some("b"), 5.0, 5.0),
        ] {
            let steps = past.chart(route, last, 300);
            assert!(steps.len() <= 301 && steps.len() > 200, "{}", steps.len());
            for s in &steps {
                assert_eq!(s.requests as f64 / s.seconds, rate, "{last} {s:?}");
                assert_eq!(s.failed as f64 / s.seconds, failed);
            }
            let p99 = steps.last().and_then(|s| s.p99_s);
            assert_eq!(p99.is_some(), route != Some("b"));
            assert!(p99.is_none_or(|p| (0.005..0.006).contains(&p)), "{p99:?}");
        }
        let hole = past.chart(None, 2 * 86_400_000, 600);
        let widest = hole.windows(2).map(|s| s[1].end_ms - s[0].end_ms).max();
        assert!(
            widest >= Some(3_300_000),
            "nothing is drawn where nobody counted"
        );
    }
}
