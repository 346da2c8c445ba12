//! Which service answers a user, where several share a route: weighted rendezvous hashing. A weight that grows only adds
//! users to its service, one that shrinks only takes users away, and nobody else moves. Pure.

use crate::hash::{hash, mix, position};

/// Services with their weights; what counts is their ratio.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts(Vec<(u64, f64)>);

impl Parts {
    /// By name: the order of the list makes no difference.
    pub fn new<'a>(services: impl Iterator<Item = (&'a str, f64)>) -> Parts {
        Parts(
            services
                .map(|(name, w)| (hash(name.as_bytes()), w))
                .collect(),
        )
    }

    /// The place in the list of the service that answers `who`, a hash of the user; `None` when no weight is above 0.
    pub fn of(&self, who: u64) -> Option<usize> {
        let parts = self.0.iter().enumerate();
        let raced = parts
            .filter(|(_, (_, weight))| *weight > 0.0)
            .map(|(i, (seed, weight))| {
                // Each service has an exponential clock that runs at its weight; the first to ring answers.
                let u = position(mix(who ^ mix(*seed)));
                (i, -(1.0 - u).ln() / weight)
            });
        raced.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(weights: &[f64]) -> Parts {
        let names = ["stable", "next", "third"];
        Parts::new(names.into_iter().zip(weights.iter().copied()))
    }

    proptest! {
        #[test]
        fn a_weight_that_grows_only_adds_users(
            a in 0.01f64..1.0, b in 0.01f64..1.0, c in 0.0f64..1.0, more in 0.0f64..1.0, user: u64,
        ) {
            let before = parts(&[a, b, c]).of(user);
            let after = parts(&[a, b + more, c]).of(user);
            prop_assert!(after == before || after == Some(1));
            // Two that give to one another: a share that moves from 95 % and 5 % to 90 % and 10 %.
            let (small, large) = (b.min(a + b), (b + more).min(a + b));
            let two = |w: f64| parts(&[a + b - w, w]).of(user);
            prop_assert!(two(small) != Some(1) || two(large) == Some(1));
        }
    }

    #[test]
    fn shares_are_kept_and_nothing_goes_to_nobody() {
        let parts = parts(&[0.9, 0.07, 0.03]);
        let mut counts = [0; 3];
        for i in 0..20_000u64 {
            counts[parts.of(mix(i)).unwrap()] += 1;
        }
        for (count, share) in counts.into_iter().zip([0.9, 0.07, 0.03]) {
            assert!(
                (count as f64 / 20_000.0 - share).abs() < 0.008,
                "{counts:?}"
            );
        }
        let all = Parts::new([("a", 1.0), ("b", 0.0)].into_iter());
        assert!((0..1000).all(|i| all.of(mix(i)) == Some(0)));
        assert_eq!(Parts::new([("a", 0.0)].into_iter()).of(1), None);
    }

    #[test]
    fn placement_is_the_same_in_every_version() {
        let half = parts(&[0.5, 0.5]);
        let who: String = (0..20)
            .map(|i| half.of(hash(&[i])).unwrap().to_string())
            .collect();
        assert_eq!(who, "00100101101100110100");
    }
}
