//! Numbers of the business over a time: what each summed up to, and what its answers told.

use crate::metric::{BUSINESS, BUSINESS_ANSWERS, BUSINESS_BACK, TOLD};
use crate::past::FINE_KEEP_MS;
use crate::tier::{Tier, chunk};
use crate::{COARSE_MS, FINE_MS, Past, Series};
use base::Worth;
use std::collections::BTreeMap;

/// The place of a series in it.
fn place<'a>(of: &'a mut Worth, s: &Series) -> Option<&'a mut u64> {
    Some(match s.metric.as_str() {
        m if m == BUSINESS.name => &mut of.added_micro,
        m if m == BUSINESS_BACK.name => &mut of.taken_micro,
        m if m == BUSINESS_ANSWERS.name => match TOLD.iter().position(|t| *t == s.labels[3])? {
            0 => &mut of.counted,
            1 => &mut of.absent,
            2 => &mut of.malformed,
            _ => &mut of.unread,
        },
        _ => return None,
    })
}

/// Whole units and what is behind the point: `12`, `-0.5`, `340.25`.
pub fn decimal(micro: i64) -> String {
    let (sign, n) = (if micro < 0 { "-" } else { "" }, micro.unsigned_abs());
    let text = format!("{sign}{}.{:06}", n / 1_000_000, n % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Past {
    /// What came in the slots that begin in this time, by route and name: fine ones where they are kept so far back.
    pub fn worth(&self, from_ms: u64, to_ms: u64) -> Vec<Worth> {
        let newest = self.fine.newest.map_or(0, |n| (n + 1) * FINE_MS);
        let tier = match from_ms + FINE_KEEP_MS >= newest {
            true => &self.fine,
            false => &self.coarse,
        };
        let mut all: BTreeMap<&[String], Worth> = BTreeMap::new();
        for (id, s) in self.numbers() {
            let mut sum = 0u64;
            between(tier, id, from_ms, to_ms, |_, n| sum = sum.saturating_add(n));
            if sum == 0 {
                continue;
            }
            let worth = all.entry(&s.labels[..3]).or_insert_with(|| named(s));
            if let Some(count) = place(worth, s) {
                *count = sum;
            }
        }
        all.into_values().collect()
    }

    /// One of them in steps, in millionths; only whole slots of five minutes are told apart.
    pub fn worth_steps(&self, of: &Worth, from_s: u64, to_s: u64, step_s: u64) -> Vec<i64> {
        let count = to_s.saturating_sub(from_s).div_ceil(step_s.max(1));
        let mut steps = vec![Worth::default(); usize::try_from(count).unwrap_or(0)];
        let (from_ms, step_ms) = (from_s * 1000, step_s.max(1) * 1000);
        let is = |s: &Series| s.labels[..3] == [&of.route[..], &of.name, &of.unit];
        for (id, s) in self.numbers().filter(|(_, s)| is(s)) {
            between(&self.coarse, id, from_ms, to_s * 1000, |at_ms, n| {
                let step = steps.get_mut((at_ms.saturating_sub(from_ms) / step_ms) as usize);
                if let Some(count) = step.and_then(|w| place(w, s)) {
                    *count = count.saturating_add(n);
                }
            });
        }
        steps.iter().map(Worth::micro).collect()
    }

    /// Series of the business, by number.
    fn numbers(&self) -> impl Iterator<Item = (usize, &Series)> {
        let ours = [BUSINESS.name, BUSINESS_BACK.name, BUSINESS_ANSWERS.name];
        let all = self.series.iter().enumerate();
        all.filter(move |(_, s)| ours.contains(&s.metric.as_str()) && s.known().is_some())
    }
}

fn named(s: &Series) -> Worth {
    Worth {
        route: s.labels[0].clone(),
        name: s.labels[1].clone(),
        unit: s.labels[2].clone(),
        ..Worth::default()
    }
}

/// Tells when each slot began, and what came in it.
fn between(tier: &Tier, id: usize, from_ms: u64, to_ms: u64, mut each: impl FnMut(u64, u64)) {
    let ms = match tier.grain {
        base::Grain::Fine => FINE_MS,
        base::Grain::Coarse => COARSE_MS,
    };
    let (first, end) = (from_ms.div_ceil(ms), to_ms.div_ceil(ms));
    if let Some(column) = tier.columns.get(id).filter(|_| first < end) {
        column.read(first, end - 1, chunk(tier.grain), |slot, n| {
            each(slot * ms, n)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bounds;

    const DAY: u64 = 86_400_000;
    const START: u64 = 20_000 * DAY;

    #[test]
    fn sums_are_exact_over_any_time_and_refunds_are_taken_off() {
        let mut past = Past::new(Bounds {
            counts_ms: 35 * DAY,
            buckets_ms: 3 * DAY,
            bytes: 64 << 20,
        });
        let labels = ["buy", "revenue", "usd"];
        let told = |t| Series::new(&BUSINESS_ANSWERS, &["buy", "revenue", "usd", t]);
        for slot in 1..=2 * 8640 {
            let counts = vec![
                (Series::new(&BUSINESS, &labels), 19_990_000),
                (Series::new(&BUSINESS_BACK, &labels), 990_000),
                (told("number"), 2),
                (told("unread"), 1),
            ];
            past.push(START + slot * FINE_MS, counts);
        }
        let end = START + 2 * DAY;
        let hour = past.worth(end - 3_600_000, end);
        assert_eq!(hour.len(), 1);
        assert_eq!(hour[0].micro(), 360 * 19_000_000);
        assert_eq!(
            (hour[0].counted, hour[0].unread, hour[0].absent),
            (720, 360, 0)
        );
        assert_eq!(past.worth(START, end)[0].micro(), 2 * 8640 * 19_000_000);
        let days = past.worth_steps(&hour[0], START / 1000, end / 1000, 86_400);
        assert_eq!(days, [8640 * 19_000_000; 2]);
        let other = Worth {
            unit: "eur".into(),
            ..hour[0].clone()
        };
        assert_eq!(
            past.worth_steps(&other, START / 1000, end / 1000, 86_400),
            [0, 0]
        );
        assert_eq!(past.worth(end, end), []);
    }

    #[test]
    fn decimals_end_with_their_last_digit() {
        let of = [0, 12_000_000, 340_250_000, -500_000, 1].map(decimal);
        assert_eq!(of, ["0", "12", "340.25", "-0.5", "0.000001"]);
    }
}
