//! How often a request comes to a store that tells how often somebody does: the regression of its use, with visits for seconds.

use super::columns::Known;
use super::crowd::Crowd;
use super::fin::{Input, fin};
use super::regress::usual;
use super::signs::Told;
use base::Signal;

/// Standard errors from which a number of visits is more than chance.
const SURE: f64 = 3.0;
/// Who surely comes less often than this is not among its users.
const SELDOM: f64 = 0.01;
/// Who comes at least so often waits there; of who comes less often it is not said that each of his requests does.
const OFTEN: f64 = 0.5;
/// What comes without any request, as a part of all: a guess of its spread.
const OTHERS: f64 = 0.2;

/// Visits of one store.
pub struct Visits {
    /// Of one try of each route; 0 where nobody can be sure of any.
    pub each: Vec<f64>,
    /// Whether requests of the route may come at all.
    pub may: Vec<bool>,
}

/// Those of `rows` at resource `k`, of which `signals` are told. `None`: it does not tell, or not for long enough.
pub fn visits(known: &Known, k: usize, signals: &Told, rows: &[usize]) -> Option<Visits> {
    let told = signals.seconds(Signal::RoundTrips);
    let ok: Vec<bool> = told.iter().map(Option::is_some).collect();
    let n = ok.iter().filter(|o| **o).count() as f64;
    let y: Vec<f64> = told.iter().map(|v| v.unwrap_or(0.0)).collect();
    let mean = y.iter().sum::<f64>() / n.max(1.0);
    if mean <= 0.0 {
        return None;
    }
    let lives: Vec<f64> = rows.iter().map(|&r| known.rate(r)).collect();
    let usual = usual(mean, lives.iter().sum());
    let prior = vec![usual; rows.len()];
    let columns: Vec<&[f64]> = rows.iter().map(|&r| &*known.series.life[r]).collect();
    let crowd = Crowd::of(&lives, &prior, &columns);
    let found = fin(&Input {
        z: crowd.columns(&columns),
        y: &y,
        ok: &ok,
        prior: &crowd.priors(&prior),
        usual,
        background_sd: OTHERS * mean,
        lags: known.options.lags(),
        flat: true,
    })?;
    let found = crowd.spread(found);
    // Of a crowd only the sum is known.
    let crowded = crowd.places(rows.len());
    let routes = known.series.life.len();
    let (mut each, mut may) = (vec![0.0; routes], vec![false; routes]);
    for (i, &r) in rows.iter().enumerate() {
        let (mean, sd) = (found.demand[i], found.sd[i]);
        may[r] = crowded[i] || known.told[r][k].count > 0.0 || mean + 2.0 * sd >= SELDOM;
        if !crowded[i] && mean > SURE * sd && mean >= OFTEN {
            each[r] = mean;
        }
    }
    let anybody = each.iter().any(|v| *v > 0.0);
    anybody.then_some(Visits { each, may })
}

#[cfg(test)]
mod tests {
    use crate::demand::{Options, fit};
    use crate::fit::Fit;
    use crate::pattern::made::Made;
    use crate::turns::AllTurns;
    use base::{Discipline, InstanceIx, ResourceIx, Signal, SignalCell};
    use std::sync::Arc;

    /// `feed` holds a store for 50 ms and asks it once more; `home` asks it once; `pay` never. Two visits per second are nobody's.
    fn fitted(tells: bool) -> Fit {
        let routes = [("feed", "app"), ("home", "app"), ("pay", "app")];
        let mut m = Made::new(&routes, 120);
        m.resource("db.feed");
        let info = &mut m.history.resources[0];
        (info.service, info.serial, info.discipline) = (None, true, Discipline::Fcfs);
        let some = |t: usize, a: usize, b: usize| ((t * a) % b) as u32;
        for t in 0..120 {
            let n = [1 + some(t, 7, 5), 2 + some(t, 11, 7), 1 + some(t, 5, 9)];
            for (r, &n) in n.iter().enumerate() {
                m.requests(t, r, n, 0.06);
                m.attempts(t, r, 0, n, 0.06);
            }
            m.told(t, 0, 0.05 * f64::from(n[0]), 1.0, 0.0);
            let w = Arc::make_mut(&mut m.history.windows[t]);
            if tells {
                w.signals.push(SignalCell {
                    resource: ResourceIx(0),
                    instance: InstanceIx::NONE,
                    signal: Signal::RoundTrips,
                    value: f64::from(2 * n[0] + n[1] + 2),
                });
            }
        }
        fit(&m.history, &Options::default()).unwrap()
    }

    #[test]
    fn who_comes_is_counted_and_waits_each_time() {
        let f = fitted(true);
        let visits = &f.resources[0].visits;
        assert!((visits[0] - 2.0).abs() < 0.1, "{visits:?}");
        assert!((visits[1] - 1.0).abs() < 0.1, "{visits:?}");
        assert_eq!((visits[2], f.demand[2][0].mean), (0.0, 0.0));
        assert!(f.demand[1][0].mean > 0.0, "it waits there");
        let turns = AllTurns::of(&f);
        let n = |r: usize| turns.get(r, 0).n;
        assert_eq!((n(0), n(1), n(2)), (2, 1, 1));
        assert!(turns.get(0, 0).long > 0.9, "one of them is the long one");
    }

    #[test]
    fn a_store_that_does_not_tell_is_come_to_once() {
        let f = fitted(false);
        assert!(f.resources[0].visits.is_empty());
        assert_eq!(AllTurns::of(&f).get(0, 0).n, 1);
    }
}
