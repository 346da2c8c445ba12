//! Is a futex address a lock, or where idle workers sleep? A pure rule on what was seen.

/// Ticks needed before anything is said.
const ENOUGH: usize = 100;
/// Ticks with a waiter that are no accident.
const SOME: usize = 5;
const CORRELATION: f64 = 0.3;
/// Samples a tenth of a second apart are not independent; about one in five counts.
const INDEPENDENT: f64 = 0.2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Lock,
    /// Idle workers, or something that does not move with the load.
    Other,
    NotEnough,
}

/// `(waiters, requests in flight at the instance)` per tick.
///
/// A lock is where waiters become more when more requests are in flight: their correlation is at least 0.3 and
/// three standard errors above zero. Idle workers become fewer. And a lock has at least once held up two threads at
/// the same address: what a thread waits for alone (its own reply, its own parking place) is no lock.
pub fn decide(ticks: &[(f64, f64)]) -> Group {
    let n = ticks.len();
    if n < ENOUGH || ticks.iter().filter(|t| t.0 > 0.0).count() < SOME {
        return Group::NotEnough;
    }
    if !ticks.iter().any(|t| t.0 >= 2.0) {
        return Group::Other;
    }
    let len = n as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| ticks.iter().map(f).sum::<f64>() / len;
    let (w, q) = (mean(|t| t.0), mean(|t| t.1));
    let (mut ww, mut qq, mut wq) = (0.0, 0.0, 0.0);
    for t in ticks {
        let (a, b) = (t.0 - w, t.1 - q);
        ww += a * a;
        qq += b * b;
        wq += a * b;
    }
    if ww <= 0.0 || qq <= 0.0 {
        return Group::Other;
    }
    let r = wq / (ww * qq).sqrt();
    let z = r * (len * INDEPENDENT).sqrt();
    if r >= CORRELATION && z >= 3.0 {
        Group::Lock
    } else {
        Group::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A load that wanders between 0 and 7, and what `f` makes of it.
    fn ticks(n: usize, f: impl Fn(f64, usize) -> f64) -> Vec<(f64, f64)> {
        (0..n)
            .map(|i| {
                let load = (3.5 + 3.5 * (i as f64 * 0.37).sin()).floor();
                (f(load, i), load)
            })
            .collect()
    }

    #[test]
    fn locks_grow_with_load_and_idle_workers_shrink() {
        assert_eq!(decide(&ticks(200, |q, _| (q - 3.0).max(0.0))), Group::Lock);
        assert_eq!(decide(&ticks(200, |q, _| 8.0 - q)), Group::Other);
        let housekeeping = |_: f64, i: usize| f64::from(u8::from(i.is_multiple_of(13))) * 2.0;
        assert_eq!(decide(&ticks(200, housekeeping)), Group::Other);
        let one_thread_alone = |q: f64, _| f64::from(u8::from(q > 3.0));
        assert_eq!(decide(&ticks(200, one_thread_alone)), Group::Other);
    }

    #[test]
    fn little_evidence_is_not_enough() {
        assert_eq!(decide(&ticks(50, |q, _| q)), Group::NotEnough);
        assert_eq!(decide(&ticks(200, |_, _| 0.0)), Group::NotEnough);
        assert_eq!(
            decide(&vec![(2.0, 3.0); 200]),
            Group::Other,
            "nothing moves"
        );
    }
}
