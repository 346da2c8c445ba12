//! From counts since the start of the process to what came since the last time.

use ::past::{Metric, Series, metric};
use ::slo::SloStatus;
use base::{Arm, Names, RouteIx, Worth};
use std::collections::BTreeMap;
use std::sync::Arc;
use telemetry::{Telemetry, Totals};

/// Whatever steers the gateway: one of these goes on as long as the process.
pub struct Counted {
    telemetry: Arc<Telemetry>,
    names: Names,
    before: Totals,
    /// Answers and bad ones, by objective.
    judged: BTreeMap<String, [u64; 2]>,
    /// Numbers of the business since the start of the process.
    business: Business,
    /// Their counts as of the last time, by series.
    valued: BTreeMap<Series, u64>,
}

pub type Business = Box<dyn Fn() -> Vec<Worth> + Send>;

impl Counted {
    pub fn new(telemetry: Arc<Telemetry>, names: Names, business: Business) -> Counted {
        Counted {
            telemetry,
            names,
            before: Totals::default(),
            judged: BTreeMap::new(),
            business,
            valued: BTreeMap::new(),
        }
    }

    pub fn take(&mut self, objectives: &[SloStatus]) -> Vec<(Series, u64)> {
        let now = self.telemetry.totals();
        let mut all = since(&self.before, &now, &self.names);
        self.before = now;
        for s in objectives {
            let ever = [s.ever.total, s.ever.bad];
            let id = &s.objective.id;
            // Counted anew after control was replaced.
            let before = self.judged.insert(id.clone(), ever).unwrap_or_default();
            let labels = [id.as_str(), s.objective.service.as_str()];
            for (metric, i) in [(&metric::SLO_ANSWERS, 0), (&metric::SLO_BAD, 1)] {
                let more = match ever[0] < before[0] {
                    true => ever[i],
                    false => ever[i].saturating_sub(before[i]),
                };
                push(&mut all, metric, &labels, more);
            }
        }
        all.extend(grown(&mut self.valued, &(self.business)()));
        all
    }
}

/// What the numbers of the business have gained. Those that the config no longer names are forgotten, and begin at 0.
fn grown(before: &mut BTreeMap<Series, u64>, now: &[Worth]) -> Vec<(Series, u64)> {
    let now: BTreeMap<Series, u64> = now.iter().flat_map(valued).collect();
    let more = |(s, n): (&Series, &u64)| {
        let old = before.get(s).copied().unwrap_or(0);
        // Counted anew since the config was without it for a while.
        let more = if *n < old { *n } else { n - old };
        (more > 0).then(|| (s.clone(), more))
    };
    let all = now.iter().filter_map(more).collect();
    *before = now;
    all
}

/// Its series, and what each has.
fn valued(b: &Worth) -> Vec<(Series, u64)> {
    let labels = [b.route.as_str(), &b.name, &b.unit];
    let answers = metric::TOLD.into_iter().zip(b.told()).map(|(told, n)| {
        let labels = [labels[0], labels[1], labels[2], told];
        (Series::new(&metric::BUSINESS_ANSWERS, &labels), n)
    });
    let sums = [
        (&metric::BUSINESS, b.added_micro),
        (&metric::BUSINESS_BACK, b.taken_micro),
    ];
    let sums = sums.map(|(metric, n)| (Series::new(metric, &labels), n));
    sums.into_iter().chain(answers).collect()
}

fn push(all: &mut Vec<(Series, u64)>, metric: &Metric, labels: &[&str], more: u64) {
    if more > 0 {
        all.push((Series::new(metric, labels), more));
    }
}

/// Every count that has grown.
fn since(before: &Totals, now: &Totals, names: &Names) -> Vec<(Series, u64)> {
    let mut all = Vec::new();
    let route = |r: RouteIx| names.routes.name(r).unwrap_or_else(|| "none".into());
    for (k, n) in &now.requests {
        let more = n - before.requests.get(k).unwrap_or(&0);
        let labels = [&*route(k.route), arm(k.arm), &status(k.class)];
        push(&mut all, &metric::REQUESTS, &labels, more);
    }
    for (k, l) in &now.latency {
        let old = before.latency.get(k).cloned().unwrap_or_default();
        let (name, arm) = (route(k.0), arm(k.1));
        let labels = [&*name, arm];
        let mut come = 0;
        for (part, (n, old)) in l.parts.iter().zip(&old.parts).enumerate() {
            if n > old {
                come += n - old;
                let series = Series::new(&metric::DURATIONS, &labels).of_part(part);
                all.push((series, n - old));
            }
        }
        let us = |seconds: f64| (seconds * 1e6) as u64;
        push(&mut all, &metric::DURATION_COUNT, &labels, come);
        push(
            &mut all,
            &metric::DURATION_SUM,
            &labels,
            us(l.sum) - us(old.sum),
        );
    }
    for (r, n) in &now.refused {
        let more = n - before.refused.get(r).unwrap_or(&0);
        push(&mut all, &metric::REFUSED, &[&route(*r)], more);
    }
    for (r, n) in &now.behind {
        let more = n - before.behind.get(r).unwrap_or(&0);
        push(&mut all, &metric::BEHIND, &[&route(*r)], more);
    }
    for (k, n) in &now.failures {
        let more = n - before.failures.get(k).unwrap_or(&0);
        let labels = [&*route(k.0), k.1.label()];
        push(&mut all, &metric::UPSTREAM_ERRORS, &labels, more);
    }
    for (k, n) in &now.calls {
        let more = n - before.calls.get(k).unwrap_or(&0);
        push(&mut all, &metric::CALLS, &[&route(k.0), &route(k.1)], more);
    }
    let attempts = now.attempts - before.attempts;
    push(&mut all, &metric::ATTEMPTS, &[], attempts);
    all
}

/// As the metrics page has them.
fn arm(a: Arm) -> &'static str {
    telemetry::prometheus::arm(a)
}

fn status(class: u8) -> String {
    telemetry::prometheus::status(class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Nanos, Sample, SampleKind};

    #[test]
    fn numbers_of_the_business_are_told_as_they_grow() {
        let mut before = BTreeMap::new();
        let mut now = Worth {
            route: "buy".into(),
            name: "revenue".into(),
            unit: "usd".into(),
            added_micro: 19_990_000,
            counted: 1,
            ..Worth::default()
        };
        let first = grown(&mut before, std::slice::from_ref(&now));
        let names: Vec<&str> = first.iter().map(|s| s.0.metric.as_str()).collect();
        assert_eq!(
            names,
            [metric::BUSINESS_ANSWERS.name, metric::BUSINESS.name]
        );
        assert_eq!(grown(&mut before, std::slice::from_ref(&now)), []);
        (now.taken_micro, now.malformed) = (5_000_000, 2);
        let more = grown(&mut before, std::slice::from_ref(&now));
        assert_eq!(more.iter().map(|s| s.1).collect::<Vec<_>>(), [2, 5_000_000]);
        // Away for a while, and counted anew.
        assert_eq!(grown(&mut before, &[]), []);
        now.counted = 1;
        assert_eq!(grown(&mut before, &[now]).len(), 4);
    }

    #[test]
    fn what_grew_is_told_once_under_the_names_of_the_metrics_page() {
        let names = Names::default();
        let ix = names.routes.intern("home");
        let mut totals = Totals::default();
        let mut s = Sample::new(SampleKind::Request, ix, Nanos::ZERO);
        (s.status, s.end) = (200, Nanos::from_secs_f64(0.003));
        totals.push(&s);
        let first = since(&Totals::default(), &totals, &names);
        let of = |all: &[(Series, u64)], metric: &Metric| {
            let found = all.iter().find(|s| s.0.metric == metric.name);
            found.map(|s| (s.0.labels.join(","), s.1))
        };
        assert_eq!(
            of(&first, &metric::REQUESTS),
            Some(("home,base,2xx".into(), 1))
        );
        assert_eq!(
            of(&first, &metric::DURATION_SUM),
            Some(("home,base".into(), 3000))
        );
        assert_eq!(first.len(), 4);
        let before = totals.clone();
        assert_eq!(since(&before, &totals, &names), []);
        totals.push(&s);
        assert_eq!(since(&before, &totals, &names), first);
    }
}
