//! What one unit of value costs, such as an order: the bill by what the answers of a route told, in steps of hours or days,
//! how that changes, and why.
//!
//! With `c` the cost of a request and `q` requests for one unit, the cost of a unit is `c·q`. Between two times it differs by the parts
//! of [`explain`] times `q₀`, and by `c₁·(q₁−q₀)`: more or fewer requests for one (*yield*).

use crate::explain::{Explained, explain};
use crate::trend::{Trend, trend};
use crate::{MICRO, Slot, Span};
use serde::{Deserialize, Serialize};

/// A step is whole when so much of it was watched: of others the bill is not known.
const WHOLE: f64 = 0.9;

/// Which number of which route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Of {
    pub route: String,
    pub name: String,
    /// Empty: plain numbers.
    pub unit: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Seconds since the Unix epoch.
    pub start_s: u64,
    /// Its end has come, and it was watched: it counts for the trend.
    pub whole: bool,
    pub value_micro: i64,
    /// Everything, and what requests of the route used.
    pub bill_micro: u64,
    pub used_micro: u64,
    /// Dollars for one; `None`: nothing was told, or nothing is left after refunds.
    pub cost: Option<f64>,
    pub used: Option<f64>,
}

/// What one costs, by all that was spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitCost {
    pub of: Of,
    pub step_s: u64,
    pub steps: Vec<Step>,
    /// Over all whole steps, dollars for one: everything, and without what is idle or another route's.
    pub cost: Option<f64>,
    pub used: Option<f64>,
    /// Of `cost`, in dollars for one and day.
    pub trend: Trend,
    /// The later half of the whole steps against the earlier one.
    pub why: Option<Why>,
}

/// Parts that sum to the difference, dollars for one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Why {
    #[serde(flatten)]
    pub cost: Explained,
    /// More or fewer requests for one.
    #[serde(rename = "yield")]
    pub requests: f64,
}

impl Why {
    pub fn parts(&self) -> [(&'static str, f64); 6] {
        let [a, b, c, d, e] = self.cost.parts();
        [a, b, c, d, e, ("yield", self.requests)]
    }
}

impl Of {
    /// `orders`, `usd of revenue`.
    pub fn title(&self) -> String {
        match self.unit.is_empty() {
            true => self.name.clone(),
            false => format!("{} of {}", self.unit, self.name),
        }
    }

    /// Whether it is asked for by `orders`, or by `buy/orders`.
    pub fn is(&self, asked: &str) -> bool {
        let whole = asked.rsplit_once('/');
        asked == self.name || whole.is_some_and(|(r, n)| r == self.route && n == self.name)
    }
}

/// `slots` and what each brought, in millionths; they begin at `span.from_s` and are `step_s` long, the last one perhaps shorter.
pub fn unit(of: Of, slots: &[Slot], values: &[i64], step_s: u64, span: Span) -> UnitCost {
    let starts = (0..).map(|i: u64| span.from_s + i * step_s);
    let all: Vec<(Step, &Slot)> = (slots.iter().zip(values).zip(starts))
        .map(|((slot, value), start_s)| (step(&of, slot, *value, start_s, step_s, span), slot))
        .collect();
    let whole: Vec<&(Step, &Slot)> = all.iter().filter(|(s, _)| s.whole).collect();
    let points: Vec<(u64, f64)> = (whole.iter())
        .filter_map(|(s, _)| Some((s.start_s, s.cost?)))
        .collect();
    let (earlier, later) = whole.split_at(whole.len() / 2);
    let sum = |part: fn(&Step) -> u64| whole.iter().map(|(s, _)| part(s)).sum::<u64>();
    let value: i64 = whole.iter().map(|(s, _)| s.value_micro).sum();
    UnitCost {
        step_s,
        cost: per(sum(|s| s.bill_micro), value),
        used: per(sum(|s| s.used_micro), value),
        trend: trend(&points, step_s),
        why: why(&together(earlier), &together(later)),
        steps: all.into_iter().map(|(s, _)| s).collect(),
        of,
    }
}

fn step(of: &Of, slot: &Slot, value_micro: i64, start_s: u64, step_s: u64, span: Span) -> Step {
    let micro = |dollars: f64| (dollars.max(0.0) * MICRO).round() as u64;
    let (bill_micro, used_micro) = (micro(slot.dollars()), micro(slot.used_by(&of.route)));
    let watched = slot.seconds >= WHOLE * step_s as f64;
    Step {
        start_s,
        whole: watched && start_s + step_s <= span.to_s,
        value_micro,
        bill_micro,
        used_micro,
        cost: per(bill_micro, value_micro),
        used: per(used_micro, value_micro),
    }
}

/// Dollars for one of so many; both in millionths.
fn per(micro: u64, value_micro: i64) -> Option<f64> {
    (value_micro > 0).then(|| micro as f64 / value_micro as f64)
}

/// What was spent and what it brought.
fn together(steps: &[&(Step, &Slot)]) -> (Slot, i64) {
    let mut sum = Slot::default();
    steps.iter().for_each(|(_, slot)| sum.add(slot));
    (sum, steps.iter().map(|(s, _)| s.value_micro).sum())
}

fn why(before: &(Slot, i64), after: &(Slot, i64)) -> Option<Why> {
    let e = explain(&before.0, &after.0)?;
    let requests = |(slot, value): &(Slot, i64)| {
        (*value > 0).then(|| slot.all_requests() * MICRO / *value as f64)
    };
    let (q0, q1) = (requests(before)?, requests(after)?);
    Some(Why {
        cost: Explained {
            after: e.after * q1,
            ..e.times(q0)
        },
        requests: e.after * (q1 - q0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trend::Verdict;
    use crate::{Item, Kind, Part};

    const DAY: u64 = 86_400;
    const FROM: u64 = 20_000 * DAY;

    /// A day of 10 dollars, of which `n` requests use `demand` each.
    fn day(i: u64, n: f64, demand: f64) -> Slot {
        let seconds = n * demand;
        let part = Part {
            seconds,
            dollars: seconds / 1000.0,
        };
        let item = Item {
            kind: Kind::Service,
            dollars: 10.0,
            background: 0.0,
            routes: [("buy".to_owned(), part)].into(),
            measured: true,
        };
        Slot {
            start_s: FROM + i * DAY,
            seconds: DAY as f64,
            requests: [("buy".to_owned(), n)].into(),
            items: [("cpu.app".to_owned(), item)].into(),
            ..Slot::default()
        }
    }

    fn told(slots: &[Slot], orders: &[i64], to_s: u64) -> UnitCost {
        let of = Of {
            route: "buy".into(),
            name: "orders".into(),
            unit: String::new(),
        };
        let values: Vec<i64> = orders.iter().map(|n| n * 1_000_000).collect();
        unit(of, slots, &values, DAY, Span { from_s: FROM, to_s })
    }

    #[test]
    fn an_order_costs_the_bill_by_the_orders_and_a_trend_is_told_with_its_causes() {
        // Each day a request uses a little more, and from the sixth on twice as many are needed for an order.
        let slots: Vec<Slot> = (0..10)
            .map(|i| day(i, 1000.0, 1.0 + 0.1 * i as f64))
            .collect();
        let orders: Vec<i64> = (0..10)
            .map(|i| if i < 5 { 200 - i } else { 105 - i })
            .collect();
        let u = told(&slots, &orders, FROM + 10 * DAY);
        assert_eq!(u.steps[0].cost, Some(0.05));
        assert_eq!(u.steps[0].used, Some(0.005));
        let all: i64 = orders.iter().sum();
        assert!((u.cost.unwrap() - 100.0 / all as f64).abs() < 1e-12);
        assert_eq!(u.trend.verdict, Verdict::Rises, "{}", u.trend.text());
        let why = u.why.unwrap();
        let sum: f64 = why.parts().iter().map(|p| p.1).sum();
        assert!(
            (sum - (why.cost.after - why.cost.before)).abs() < 1e-12,
            "{why:?}"
        );
        assert!(why.requests > 0.04, "{why:?}");
        // The bill stays: what requests use more is idle less.
        assert!(
            why.cost.efficiency > 0.0 && (why.cost.efficiency + why.cost.idle).abs() < 1e-12,
            "{why:?}"
        );
    }

    #[test]
    fn days_that_are_not_over_or_not_watched_or_brought_nothing_do_not_count() {
        let mut slots: Vec<Slot> = (0..7).map(|i| day(i, 1000.0, 1.0)).collect();
        slots[1].seconds = 3600.0;
        let u = told(&slots, &[10, 10, 0, -3, 10, 10, 10], FROM + 6 * DAY + 3600);
        let whole: Vec<bool> = u.steps.iter().map(|s| s.whole).collect();
        assert_eq!(whole, [true, false, true, true, true, true, false]);
        assert_eq!((u.steps[2].cost, u.steps[3].cost), (None, None));
        assert_eq!(u.trend.verdict, Verdict::TooLittle);
        assert_eq!(u.trend.days, 3);
        assert!((u.cost.unwrap() - 50.0 / 27.0).abs() < 1e-12);
        let none = told(&[], &[], FROM);
        assert_eq!((none.cost, none.why), (None, None));
    }

    #[test]
    fn it_is_asked_for_by_its_name() {
        let of = Of {
            route: "buy".into(),
            name: "revenue".into(),
            unit: "usd".into(),
        };
        assert!(
            of.is("revenue") && of.is("buy/revenue") && !of.is("sell/revenue") && !of.is("buy")
        );
        assert_eq!(of.title(), "usd of revenue");
    }
}
