//! Which thread gets a fresh connection. Pure.

/// `loads` are connections per thread, `here` is the thread that accepted. The kernel's choice stands unless this
/// thread has more than the least loaded one by over a quarter of the mean.
pub(super) fn place(loads: &[u32], here: usize) -> usize {
    let sum: u64 = loads.iter().map(|l| *l as u64).sum();
    let least = (0..loads.len())
        .min_by_key(|i| (loads[*i], *i != here))
        .unwrap_or(here);
    let spread = loads.get(here).zip(loads.get(least));
    let spread = spread.map_or(0, |(h, l)| (h - l) as u64);
    if spread * 4 * loads.len() as u64 > sum {
        least
    } else {
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_use_every_thread() {
        for threads in [2usize, 3, 4] {
            for n in [2usize, 8, 9] {
                let mut loads = vec![0; threads];
                for _ in 0..n {
                    // The kernel sends all of them to the first.
                    let there = place(&loads, 0);
                    loads[there] += 1;
                }
                let (min, max) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
                assert!(
                    max - min <= 1 || n > 2 * threads * 4,
                    "{n} on {threads}: {loads:?}"
                );
            }
        }
    }

    #[test]
    fn a_small_spread_among_many_is_left_alone() {
        assert_eq!(place(&[1100, 1000], 0), 0);
        assert_eq!(place(&[1400, 1000], 0), 1);
        assert_eq!(place(&[5, 9], 0), 0);
    }
}
