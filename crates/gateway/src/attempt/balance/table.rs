//! Where keys belong: a ring of points, or a Maglev table. Both say for any number which instance owns it, the same on
//! every node, and change as little as they can when instances come and go. Pure.

use crate::hash::{hash, mix};
use config::sections::HashMethod;

/// Points of one instance on the ring: the parts of two instances differ by a tenth or so.
const POINTS: u64 = 160;
/// Places of a Maglev table: a prime, a hundred times as many as there are instances, or it is uneven.
const PLACES: usize = 65_537;
/// Nobody's place yet.
const FREE: u16 = u16::MAX;

#[derive(Debug)]
pub enum Table {
    /// Sorted; an instance owns what lies before its points, back to the next one.
    Ring(Vec<(u64, u16)>),
    Maglev(Vec<u16>),
}

impl Table {
    /// By the names of the instances, of which it uses the first 65 535.
    pub fn new(method: HashMethod, names: &[String]) -> Table {
        let seeds: Vec<u64> = names.iter().map(|n| hash(n.as_bytes())).collect();
        let seeds = &seeds[..seeds.len().min(FREE as usize)];
        match method {
            HashMethod::Ring => Table::Ring(ring(seeds)),
            HashMethod::Maglev => Table::Maglev(maglev(seeds)),
        }
    }

    /// The instance that owns a number, which must be spread over all of `u64`. Not to be asked without instances.
    pub fn owner(&self, number: u64) -> usize {
        match self {
            Table::Ring(points) => {
                let at = points.partition_point(|(point, _)| *point < number);
                points[at % points.len()].1 as usize
            }
            Table::Maglev(places) => {
                places[((number as u128 * places.len() as u128) >> 64) as usize] as usize
            }
        }
    }
}

fn ring(seeds: &[u64]) -> Vec<(u64, u16)> {
    let mut points = Vec::with_capacity(seeds.len() * POINTS as usize);
    for (i, seed) in seeds.iter().enumerate() {
        points.extend((0..POINTS).map(|p| (mix(seed ^ mix(p + 1)), i as u16)));
    }
    points.sort_unstable();
    points
}

/// Eisenbud and others, "Maglev" (NSDI 2016), 3.4: in turn each instance takes the next free place of its own order.
fn maglev(seeds: &[u64]) -> Vec<u16> {
    let mut places = vec![FREE; PLACES];
    // Turns are in the order of the hashes, so that the list of instances may be written in any order.
    let mut turns: Vec<usize> = (0..seeds.len()).collect();
    turns.sort_unstable_by_key(|i| seeds[*i]);
    let skip = |seed: u64| 1 + (mix(seed ^ 1) % (PLACES as u64 - 1)) as usize;
    let mut next: Vec<usize> = (seeds.iter())
        .map(|seed| (mix(*seed) % PLACES as u64) as usize)
        .collect();
    let mut left = PLACES;
    while left > 0 && !seeds.is_empty() {
        for &i in turns.iter().take(left) {
            while places[next[i]] != FREE {
                next[i] = (next[i] + skip(seeds[i])) % PLACES;
            }
            places[next[i]] = i as u16;
            left -= 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: u64 = 4000;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("10.0.0.{i}:80")).collect()
    }

    /// By key, the name of its owner.
    fn owners(method: HashMethod, names: &[String]) -> Vec<&String> {
        let table = Table::new(method, names);
        let owner = |k| &names[table.owner(mix(k))];
        (0..KEYS).map(owner).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn only_keys_of_the_one_that_goes_move(n in 2usize..30, gone in 0usize..30, seed: u64) {
            let gone = gone % n;
            let all: Vec<String> = names(n).iter().map(|n| format!("{seed}-{n}")).collect();
            let mut rest = all.clone();
            rest.remove(gone);
            for (method, most) in [(HashMethod::Ring, 0.0), (HashMethod::Maglev, 0.05)] {
                let (before, after) = (owners(method, &all), owners(method, &rest));
                let pairs = before.iter().zip(&after);
                let moved = pairs.filter(|(b, a)| **b != &all[gone] && b != a).count();
                prop_assert!(moved as f64 <= most * KEYS as f64, "{method:?}: {moved}");
            }
        }

        #[test]
        fn the_order_in_the_file_does_not_matter(n in 2usize..20, turn in 1usize..20) {
            let all = names(n);
            let mut turned = all.clone();
            turned.rotate_left(turn % n);
            for method in [HashMethod::Ring, HashMethod::Maglev] {
                prop_assert_eq!(owners(method, &all), owners(method, &turned));
            }
        }
    }

    #[test]
    fn parts_are_even_and_those_of_maglev_more_so() {
        for (method, most) in [(HashMethod::Ring, 1.35), (HashMethod::Maglev, 1.12)] {
            let (all, mut counts) = (names(10), std::collections::HashMap::new());
            for owner in owners(method, &all) {
                *counts.entry(owner).or_insert(0) += 1;
            }
            let largest = *counts.values().max().unwrap() as f64 * 10.0 / KEYS as f64;
            assert!(
                counts.len() == 10 && largest < most,
                "{method:?}: {largest}"
            );
        }
    }

    #[test]
    fn placement_is_the_same_in_every_version() {
        let all = names(9);
        let place = |method| {
            let owner = |name: &String| name[7..8].to_owned();
            let owners = owners(method, &all);
            owners[..20].iter().map(|n| owner(n)).collect::<String>()
        };
        assert_eq!(place(HashMethod::Ring), "52303710704621230453");
        assert_eq!(place(HashMethod::Maglev), "45836286264762854803");
    }
}
