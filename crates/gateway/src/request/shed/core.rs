//! Whom to refuse. Pure.
//!
//! Two rules. The first looks at the limit as it is now: what can be shed never waits and leaves a tenth of the permits
//! free, what is normal takes at most half of the queue, and what is critical is left to the limit. The second looks at
//! the last second: it lets in as large a share of the users as the first rule had room for, and always the same ones,
//! so that some get all of it instead of everybody getting pages with holes (WeChat's DAGOR, SoCC 2018).

use config::sections::Criticality;

/// The limit of a service as it is now. Work is in thousandths of a permit.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub in_flight: u64,
    pub limit: u64,
    pub waiting: usize,
    /// As many may wait.
    pub queue: usize,
}

/// Whether there is room for one more that matters so much.
pub fn room(criticality: Criticality, load: &Load) -> bool {
    match criticality {
        Criticality::Critical => true,
        Criticality::Normal => load.waiting * 2 < load.queue,
        Criticality::Sheddable => load.waiting == 0 && load.in_flight * 10 < load.limit * 9,
    }
}

/// So many users are let in at least, for what they tell.
const LEAST: f64 = 0.02;
/// How much of the users comes back in each second in which there was room for all.
const BACK: f64 = 0.05;

/// The share of users to let in, after a second in which there was no room for `refused` of the `all` that it let in.
pub fn share(share: f64, all: u64, refused: u64) -> f64 {
    if refused == 0 {
        return (share + BACK).min(1.0);
    }
    let served = all.saturating_sub(refused) as f64 / all.max(1) as f64;
    (share * served).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::sections::Criticality::*;

    fn load(permits: u64, waiting: usize) -> Load {
        Load {
            in_flight: permits * 1000,
            limit: 10_000,
            waiting,
            queue: 16,
        }
    }

    #[test]
    fn who_matters_less_finds_less_room() {
        let rooms = |l: Load| [Critical, Normal, Sheddable].map(|c| room(c, &l));
        assert_eq!(rooms(load(8, 0)), [true, true, true]);
        assert_eq!(rooms(load(9, 0)), [true, true, false], "a tenth stays free");
        assert_eq!(
            rooms(load(8, 1)),
            [true, true, false],
            "nobody is overtaken"
        );
        assert_eq!(rooms(load(10, 8)), [true, false, false]);
    }

    #[test]
    fn as_many_users_as_there_was_room_for_and_then_more() {
        assert!((share(1.0, 1000, 900) - 0.1).abs() < 1e-9);
        assert_eq!(share(0.1, 100, 100), 0.02);
        let mut s = 0.02;
        for _ in 0..20 {
            s = share(s, 100, 0);
        }
        assert_eq!(s, 1.0);
    }
}
