//! The same instance for the same key, with bounded load: a key whose instance is gone, or has more than its part in
//! flight, goes to the next of an order that is its own, so no single neighbour gets all of it. Pure.
//! After Chen, Coleman and Shrivastava, "Revisiting consistent hashing with bounded loads" (AAAI 2021).

use super::table::Table;
use crate::hash::mix;

/// Instances that are looked at for a key. With a bound of 1.25 each has room with a chance of a fifth at worst.
const LOOKS: u64 = 64;

/// What the choice knows of the instances.
pub struct Hashed<'a, U, P> {
    pub table: &'a Table,
    pub count: usize,
    /// Healthy, not ejected, and not tried yet.
    pub usable: U,
    /// In flight.
    pub pending: P,
    /// See the configuration.
    pub bound: f64,
}

impl<U: Fn(usize) -> bool, P: Fn(usize) -> u32> Hashed<'_, U, P> {
    /// `None` when nobody usable was found: choose by other means.
    pub fn pick(&self, key: u64) -> Option<usize> {
        let mut most = None;
        let mut looks = (0..LOOKS).map(|n| self.table.owner(mix(key ^ mix(n))));
        looks.find(|i| {
            // Counted once there is someone to ask.
            let fits = |most: &mut Option<u64>| {
                let most = *most.get_or_insert_with(|| self.most());
                u64::from((self.pending)(*i)) < most
            };
            (self.usable)(*i) && fits(&mut most)
        })
    }

    /// How much one instance may have, this request included.
    fn most(&self) -> u64 {
        let usable = (0..self.count).filter(|i| (self.usable)(*i));
        let (n, all) = usable.fold((0u64, 1u64), |(n, all), i| {
            (n + 1, all + u64::from((self.pending)(i)))
        });
        (self.bound * all as f64 / n.max(1) as f64).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::sections::HashMethod;
    use proptest::prelude::*;
    use std::cell::RefCell;

    fn table(n: usize, method: HashMethod) -> Table {
        let names: Vec<String> = (0..n).map(|i| format!("i{i}")).collect();
        Table::new(method, &names)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn nobody_gets_more_than_the_bound_however_hot_a_key_is(
            n in 1usize..12,
            keys in prop::collection::vec(0u64..4, 1..300),
            maglev: bool,
        ) {
            let method = if maglev { HashMethod::Maglev } else { HashMethod::Ring };
            let (table, pending) = (table(n, method), RefCell::new(vec![0u32; n]));
            for (i, key) in keys.iter().enumerate() {
                let hashed = Hashed {
                    table: &table,
                    count: n,
                    usable: |_| true,
                    pending: |i: usize| pending.borrow()[i],
                    bound: 1.25,
                };
                let chosen = hashed.pick(mix(*key)).unwrap();
                pending.borrow_mut()[chosen] += 1;
                let most = (1.25 * (i + 1) as f64 / n as f64).ceil() as u32;
                prop_assert!(pending.borrow()[chosen] <= most);
            }
        }

        #[test]
        fn keys_of_the_sick_one_spread_and_the_others_stay(n in 2usize..12, sick in 0usize..12) {
            let (sick, table) = (sick % n, table(n, HashMethod::Maglev));
            let pick = |key: u64, healthy: bool| {
                let hashed = Hashed {
                    table: &table,
                    count: n,
                    usable: |i| healthy || i != sick,
                    pending: |_| 0,
                    bound: 1.25,
                };
                hashed.pick(mix(key)).unwrap()
            };
            let mut heirs = std::collections::BTreeSet::new();
            for key in 0..400 {
                let (before, after) = (pick(key, true), pick(key, false));
                prop_assert!(after != sick && (before == sick || before == after));
                heirs.extend((before == sick).then_some(after));
            }
            prop_assert!(heirs.len() > (n - 1) / 2, "{heirs:?}");
        }
    }

    #[test]
    fn without_anybody_usable_there_is_no_pick() {
        let table = table(3, HashMethod::Ring);
        let hashed = Hashed {
            table: &table,
            count: 3,
            usable: |_| false,
            pending: |_| 0,
            bound: 2.0,
        };
        assert_eq!(hashed.pick(7), None);
    }
}
