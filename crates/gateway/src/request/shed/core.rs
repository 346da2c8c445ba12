//! Whom to refuse. Pure.
//!
//! Two rules. The first looks at the queue of the limit as it is now, in which who matters more overtakes: what can be
//! shed takes at most half of the places, what is normal at most three quarters, and what is critical is left to the
//! limit. The second looks at the last second: it lets in as large a share of the users as the first rule had room for,
//! and always the same ones, so that some get all of it instead of everybody getting pages with holes (WeChat's DAGOR,
//! SoCC 2018). Of equal requests the dear ones go first: what one of them would have used serves several others.

use crate::attempt::limit::TIERS;
use config::sections::Criticality;

/// Whether one more that matters so much may join those who wait now, critical ones first, where `queue` may.
pub fn room(criticality: Criticality, waiting: [usize; TIERS], queue: usize) -> bool {
    let [critical, normal, sheddable] = waiting;
    match criticality {
        Criticality::Critical => true,
        Criticality::Normal => (critical + normal) * 4 < queue * 3,
        Criticality::Sheddable => (critical + normal + sheddable) * 2 < queue,
    }
}

/// So many users are let in at least, for what they tell.
const LEAST: f64 = 0.02;
/// How much of the users comes back in each second in which there was room for all.
const BACK: f64 = 0.05;
/// So many times more are let in than there was room for: with none too many, some room would stay empty.
const MORE: f64 = 1.2;

/// The share of users to let in, after a second in which there was no room for `refused` of the `all` that it let in.
pub fn share(share: f64, all: u64, refused: u64) -> f64 {
    let served = all.saturating_sub(refused) as f64 / all.max(1) as f64;
    match refused {
        0 => (share + BACK).min(1.0),
        _ => (share * served * MORE).clamp(LEAST, 1.0),
    }
}

/// No request counts for more than this many average ones, so that even the dearest is not shut out by a small share.
const DEAREST: f64 = 8.0;

/// The share of users to let in for requests that cost `weight` average ones: `share` for the average one, all for what costs
/// nothing, and who gets the dear ones gets the cheap ones, too.
pub fn weighted(share: f64, weight: f64) -> f64 {
    share.powf(weight.clamp(0.0, DEAREST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::sections::Criticality::*;

    #[test]
    fn who_matters_less_finds_less_room() {
        let rooms = |waiting| [Critical, Normal, Sheddable].map(|c| room(c, waiting, 16));
        assert_eq!(rooms([0, 0, 7]), [true, true, true]);
        assert_eq!(rooms([0, 0, 8]), [true, true, false]);
        assert_eq!(rooms([4, 4, 0]), [true, true, false]);
        assert_eq!(rooms([4, 8, 4]), [true, false, false]);
        assert_eq!(
            rooms([4, 7, 5]),
            [true, true, false],
            "who waits below it is overtaken"
        );
    }

    #[test]
    fn as_many_users_as_there_was_room_for_and_then_more() {
        assert!((share(1.0, 1000, 900) - 0.12).abs() < 1e-9);
        assert_eq!(share(0.1, 100, 100), 0.02);
        assert_eq!(share(1.0, 1000, 1), 1.0);
        let mut s = 0.02;
        for _ in 0..20 {
            s = share(s, 100, 0);
        }
        assert_eq!(s, 1.0);
    }

    #[test]
    fn a_steady_overload_settles_where_nearly_all_of_the_room_is_used() {
        let (mut s, offered, room) = (1.0, 720.0, 250.0);
        let mut served = 0.0;
        for _ in 0..30 {
            let all: f64 = s * offered;
            served = all.min(room);
            s = share(s, all as u64, (all - served) as u64);
        }
        assert!(
            served >= 0.99 * room && s * offered < 1.3 * room,
            "{served} {s}"
        );
    }

    #[test]
    fn what_is_dear_is_shed_before_what_is_cheap() {
        let of = |weight| weighted(0.5, weight);
        assert_eq!([of(0.0), of(1.0), of(2.0)], [1.0, 0.5, 0.25]);
        assert!(of(1e9) > 0.003);
        assert!(weighted(1.0, 5.0) == 1.0 && of(0.1) > 0.9);
    }

    #[test]
    fn more_requests_are_served_by_weight_than_by_an_equal_share() {
        // 100 light requests and 10 that cost ten times as much, with room for half of it all.
        let (light, heavy, room) = ((100.0, 0.55), (10.0, 5.5), 55.0);
        let used = |s: f64| {
            light.0 * light.1 * weighted(s, light.1) + heavy.0 * heavy.1 * weighted(s, heavy.1)
        };
        let mut share = 1.0;
        while used(share) > room {
            share -= 0.001;
        }
        let served = light.0 * weighted(share, light.1) + heavy.0 * weighted(share, heavy.1);
        assert!(served > 1.4 * 0.5 * 110.0, "{served}");
    }
}
