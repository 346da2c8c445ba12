//! Whom to refuse. Pure.
//!
//! Two rules. The first looks at the queue of the limit as it is now, in which who matters more overtakes: what can be
//! shed takes at most half of the places, what is normal at most three quarters, and what is critical is left to the
//! limit. The second looks at the last second: it lets in as large a share of the users as the first rule had room for,
//! and always the same ones, so that some get all of it instead of everybody getting pages with holes (WeChat's DAGOR,
//! SoCC 2018).

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
}
