//! A process that stands still again and again (a garbage collector that stops the world, a snapshot, a swap): all its
//! routes are late at once, after the same time, whatever the load.

use super::rhythm::{SHORTEST_S, onsets, period};
use super::{Pattern, Seen};
use base::{Cell, Grade, Histogram};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An answer is late beyond this many times its route's median, and at least so many seconds beyond it.
const LATE: f64 = 4.0;
const LATE_S: f64 = 0.02;
/// Share of the answers of a second that must be late, and how many.
const SECOND: f64 = 0.05;
const SEVERAL: u64 = 2;
/// Share of all late answers that the pauses must explain.
const MOST: f64 = 0.8;
/// A route is as late as the others when its share of late answers is at least this part of theirs.
const ALIKE: f64 = 0.5;
/// Late answers that a route must be expected to have before it is compared.
const EXPECTED: f64 = 5.0;
/// The traffic may be this much more in pauses than otherwise: else a burst of it makes them.
const EVEN: f64 = 1.3;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pauses {
    pub service: String,
    pub every_s: f64,
    pub length_s: f64,
    /// Share of the service's requests that are late by it, and that miss their objective by it.
    pub late: f64,
    pub misses: f64,
    /// More miss it than the objective allows, at any load.
    pub breaks: bool,
    /// Share of its routes' late answers that fall into the beat: how sure it is, with the number of pauses.
    pub explained: f64,
    pub pauses: u32,
    /// The routes that are late, most requests first; three at most.
    pub routes: Vec<String>,
    pub grade: Grade,
}

impl Pauses {
    /// 0 to 1: the share that the beat explains, less what few pauses leave open.
    pub fn confidence(&self) -> f64 {
        let n = f64::from(self.pauses);
        (self.explained * n / (n + 1.0)).clamp(0.0, 0.95)
    }
}

impl fmt::Display for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pauses: {} stands still for about {:.0} ms every {:.0} s, and all its routes at once ({:.0} % of its requests \
             are late): look at its garbage collector (more memory, a concurrent one, less garbage) and at snapshots",
            self.service,
            1e3 * self.length_s,
            self.every_s,
            100.0 * self.late
        )
    }
}

/// One route's seconds.
struct Route {
    index: usize,
    limit_s: f64,
    median_s: f64,
    /// `(ended, late)` by second, and how many began.
    seconds: Vec<(u64, u64)>,
    began: Vec<f64>,
}

pub fn find(seen: &Seen) -> Vec<Pattern> {
    let mut services: Vec<&str> = (0..seen.history.routes.len())
        .map(|r| seen.service(r))
        .filter(|s| !s.is_empty())
        .collect();
    services.sort_unstable();
    services.dedup();
    let cells = cells(seen);
    let all: Vec<Pauses> = services
        .iter()
        .filter_map(|s| of(seen, s, &cells))
        .collect();
    // Who waits for one that stands still is late with it.
    let own = all.iter().filter(|a| {
        let below = |b: &&Pauses| b.service != a.service && same(a, b) && waits_for(seen, a, b);
        !all.iter().any(|b| below(&b))
    });
    own.cloned().map(Pattern::Pauses).collect()
}

/// `[route]`: its cells of attempts, with their second.
fn cells<'a>(seen: &Seen<'a>) -> Vec<Vec<(usize, &'a Cell)>> {
    let mut all = vec![Vec::new(); seen.history.routes.len()];
    for (t, w) in seen.windows() {
        for c in &w.attempts {
            if let Some(row) = c.key.route.get().and_then(|r| all.get_mut(r)) {
                row.push((t, c));
            }
        }
    }
    all
}

fn same(a: &Pauses, b: &Pauses) -> bool {
    (a.every_s / b.every_s.max(1e-9) - 1.0).abs() <= 0.1
}

/// Whether every late route of `a` calls `b`'s service.
fn waits_for(seen: &Seen, a: &Pauses, b: &Pauses) -> bool {
    a.routes.iter().all(|name| {
        let p = seen.history.routes.iter().position(|r| r.name == *name);
        let row = p.and_then(|p| seen.fit.calls.get(p));
        let calls = |(c, n): (usize, &f64)| *n > 0.0 && seen.service(c) == b.service;
        row.is_some_and(|row| row.iter().enumerate().any(calls))
    })
}

fn of(seen: &Seen, service: &str, cells: &[Vec<(usize, &Cell)>]) -> Option<Pauses> {
    let mine = (0..cells.len()).filter(|&r| seen.service(r) == service);
    let routes: Vec<Route> = mine.filter_map(|r| route(seen, r, &cells[r])).collect();
    let n = seen.series.seconds;
    let sum = |t: usize| {
        let each = routes.iter().map(|r| r.seconds[t]);
        each.fold((0, 0), |s, x| (s.0 + x.0, s.1 + x.1))
    };
    let paused: Vec<bool> = (0..n)
        .map(|t| {
            let (ended, late) = sum(t);
            late >= SEVERAL && late as f64 >= SECOND * ended as f64
        })
        .collect();
    let starts = onsets(&paused);
    let every_s = period(&starts).filter(|p| *p >= SHORTEST_S)?;
    let during = |r: &Route, is: bool| {
        let each = r.seconds.iter().zip(&paused).filter(|(_, p)| **p == is);
        each.fold((0.0, 0.0), |s, (x, _)| (s.0 + x.0 as f64, s.1 + x.1 as f64))
    };
    let total = |is: bool| {
        let each = routes.iter().map(|r| during(r, is));
        each.fold((0.0, 0.0), |s, x| (s.0 + x.0, s.1 + x.1))
    };
    let ((ended, late), (other, rest)) = (total(true), total(false));
    let explained = late / (late + rest).max(1.0);
    // A pause that ends in a second may have begun in the one before.
    let around = |t: usize| paused[t] || paused.get(t + 1).is_some_and(|p| *p);
    let began = |is: bool| {
        let all = (0..n).filter(|&t| around(t) == is);
        let (sum, seconds) = all.fold((0.0, 0.0), |(sum, seconds), t| {
            let began: f64 = routes.iter().map(|r| r.began[t]).sum();
            (sum + began, seconds + 1.0)
        });
        sum / f64::max(seconds, 1.0)
    };
    if explained < MOST || began(true) > EVEN * began(false) {
        return None;
    }
    let share = late / ended.max(1.0);
    let compared: Vec<&Route> = routes
        .iter()
        .filter(|r| during(r, true).0 * share >= EXPECTED)
        .collect();
    let alike = |r: &&Route| {
        let (ended, late) = during(r, true);
        late >= ALIKE * share * ended
    };
    // One route alone may just be slow by itself.
    if compared.len() < 2 || !compared.iter().all(alike) {
        return None;
    }
    let misses: f64 = routes.iter().map(|r| missed(seen, r, &paused, cells)).sum();
    let allowed: f64 = routes
        .iter()
        .map(|r| {
            let all: u64 = r.seconds.iter().map(|s| s.0).sum();
            (1.0 - seen.fit.routes[r.index].objective.target) * all as f64
        })
        .sum();
    let all = (ended + other).max(1.0);
    Some(Pauses {
        service: service.to_owned(),
        every_s,
        length_s: length(&routes, &paused, cells),
        late: late / all,
        misses: misses / all,
        breaks: misses > allowed,
        explained,
        pauses: starts.len() as u32,
        routes: compared
            .iter()
            .take(3)
            .map(|r| seen.history.routes[r.index].name.clone())
            .collect(),
        grade: Grade::Waits,
    })
}

fn route(seen: &Seen, index: usize, cells: &[(usize, &Cell)]) -> Option<Route> {
    let mut whole = Histogram::new();
    cells.iter().for_each(|(_, c)| whole.merge(&c.latency));
    let median_s = whole.quantile(0.5)?;
    let limit_s = (LATE * median_s).max(median_s + LATE_S);
    let mut seconds = vec![(0, 0); seen.series.seconds];
    let mut began = vec![0.0; seen.series.seconds];
    for (t, c) in cells {
        let n = c.latency.total();
        began[*t] += f64::from(c.arrivals);
        seconds[*t].0 += n;
        seconds[*t].1 += n - c.latency.at_or_below(limit_s).min(n);
    }
    Some(Route {
        index,
        limit_s,
        median_s,
        seconds,
        began,
    })
}

/// Requests in pauses that take longer than the objective; where nobody declared one, that are late.
fn missed(seen: &Seen, r: &Route, paused: &[bool], cells: &[Vec<(usize, &Cell)>]) -> f64 {
    let objective = seen.fit.routes[r.index].objective;
    let limit = match objective.assumed {
        true => r.limit_s,
        false => objective.latency_s,
    };
    let during = cells[r.index].iter().filter(|(t, _)| paused[*t]);
    during
        .map(|(_, c)| c.latency.total() - c.latency.at_or_below(limit).min(c.latency.total()))
        .sum::<u64>() as f64
}

/// The middle of what the latest answer of each paused second is late by.
fn length(routes: &[Route], paused: &[bool], cells: &[Vec<(usize, &Cell)>]) -> f64 {
    let mut latest = vec![0.0f64; paused.len()];
    for r in routes {
        for (t, c) in &cells[r.index] {
            let late = c.latency.quantile(1.0).unwrap_or(0.0) - r.median_s;
            latest[*t] = latest[*t].max(late);
        }
    }
    let mut all: Vec<f64> = latest
        .iter()
        .zip(paused)
        .filter(|(_, p)| **p)
        .map(|(l, _)| *l)
        .collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Verdict;
    use crate::pattern::made::{Made, diagnosed, found};
    use base::Class;

    fn pauses(m: &Made) -> Option<Pauses> {
        found(m).into_iter().find_map(|p| match p {
            Pattern::Pauses(x) => Some(x),
            _ => None,
        })
    }

    /// Twenty requests a second on each of two routes of `front`; `late(second, route)` of them take 0.3 s.
    fn front(late: impl Fn(usize, usize) -> u32, requests: impl Fn(usize) -> u32) -> Made {
        let mut m = Made::new(&[("home", "front"), ("product", "front")], 120);
        for t in 0..120 {
            for r in 0..2 {
                let n = requests(t);
                m.requests(t, r, n, 0.01);
                let slow = late(t, r).min(n);
                m.attempts(t, r, 0, n - slow, 0.01);
                m.attempts(t, r, 0, slow, 0.3);
            }
        }
        m
    }

    #[test]
    fn all_routes_late_at_the_same_beat_are_pauses() {
        let p = pauses(&front(|t, _| if t % 5 == 2 { 6 } else { 0 }, |_| 20)).unwrap();
        assert_eq!(p.service, "front");
        assert!(
            (p.every_s - 5.0).abs() < 0.1 && (p.length_s / 0.29 - 1.0).abs() < 0.1,
            "{p:?}"
        );
        assert!((p.late - 0.06).abs() < 0.005 && p.breaks, "{p:?}");
        assert!(p.confidence() > 0.9 && p.routes.len() == 2);
    }

    #[test]
    fn pauses_that_break_an_objective_are_the_constraint() {
        let d = diagnosed(&front(|t, _| if t % 5 == 2 { 6 } else { 0 }, |_| 20));
        let c = d.constraint.unwrap();
        assert_eq!((d.verdict, d.class), (Verdict::Constraint, Class::Memory));
        assert_eq!((c.resource.as_str(), c.carriers.len()), ("mem.front", 2));
        assert!(d.summary.contains("at any load"), "{}", d.summary);
        assert!(
            d.confidence > 0.9 && (c.utilisation - 0.058).abs() < 0.01,
            "{}",
            c.utilisation
        );
    }

    #[test]
    fn one_slow_route_bursts_and_chance_are_no_pauses() {
        let one = front(|t, r| if t % 5 == 2 && r == 0 { 6 } else { 0 }, |_| 20);
        assert_eq!(pauses(&one), None, "the other route is not late");
        let bursts = front(
            |t, _| if t % 5 == 2 { 20 } else { 0 },
            |t| if t % 5 == 2 { 60 } else { 20 },
        );
        assert_eq!(pauses(&bursts), None, "more came than usual");
        let chance = [3, 9, 31, 36, 60, 64, 83, 119];
        let by_chance = front(|t, _| if chance.contains(&t) { 6 } else { 0 }, |_| 20);
        assert_eq!(pauses(&by_chance), None, "without a beat");
        let always = front(|_, _| 1, |_| 20);
        assert_eq!(pauses(&always), None, "slow answers at any time");
    }

    #[test]
    fn who_waits_for_one_that_stands_still_is_not_blamed() {
        let mut m = Made::new(
            &[
                ("home", "front"),
                ("product", "front"),
                ("item", "db"),
                ("find", "db"),
            ],
            120,
        );
        for t in 0..120 {
            for r in 0..4 {
                let slow = if t % 6 == 1 { 6 } else { 0 };
                m.requests(t, r, 20, 0.01);
                m.attempts(t, r, (r / 2) as u16, 20 - slow, 0.01);
                m.attempts(t, r, (r / 2) as u16, slow, 0.3);
            }
            m.calls(t, 0, 2, 20, 0.01);
            m.calls(t, 1, 3, 20, 0.01);
        }
        assert_eq!(pauses(&m).unwrap().service, "db");
    }
}
