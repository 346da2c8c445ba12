//! How much of the requests stays in the gateway's own zone: all, unless the zone is short of instances or of capacity.
//! Pure.

/// The instances of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    pub usable: usize,
    pub all: usize,
}

/// As long as so much of the own zone's capacity is used, nothing is sent elsewhere.
const CALM: f64 = 0.8;
/// A zone is not short as long as this many times its usable instances are all that it has (Envoy's default, 140 %).
const SPARE: f64 = 1.4;

/// The share (0 to 1) that stays. `load` is what the whole service has in flight over what it can hold; `None`: not
/// known. Never less than the own zone's part of the usable instances, and never 0 while one of them is usable.
pub fn share(own: Side, others: Side, load: Option<f64>) -> f64 {
    if others.usable == 0 {
        return 1.0;
    }
    let part = own.usable as f64 / (own.usable + others.usable) as f64;
    let instances = SPARE * own.usable as f64 / own.all.max(1) as f64;
    let room = match load {
        Some(load) if load > 0.0 => CALM * part / load,
        _ => 1.0,
    };
    instances.min(room).clamp(part, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn side(usable: usize, all: usize) -> Side {
        Side { usable, all }
    }

    #[test]
    fn the_own_zone_keeps_all_until_it_is_short() {
        let (own, others) = (side(4, 4), side(8, 8));
        assert_eq!(share(own, others, None), 1.0);
        assert_eq!(share(own, others, Some(0.2)), 1.0, "a third of 0.6 is used");
        let half = share(own, others, Some(0.6));
        assert!((0.44..0.45).contains(&half), "{half}");
        assert_eq!(
            share(own, others, Some(1.0)),
            1.0 / 3.0,
            "equal parts at the end"
        );
        assert_eq!(
            share(side(3, 4), others, None),
            1.0,
            "one of four may be missing"
        );
        assert_eq!(share(side(1, 4), others, None), 0.35);
        assert_eq!(share(side(0, 4), others, None), 0.0);
        assert_eq!(
            share(side(0, 4), side(0, 8), None),
            1.0,
            "health itself is in doubt"
        );
    }

    proptest! {
        #[test]
        fn it_is_a_share_that_falls_with_the_load_and_never_empties_a_zone(
            own in 1usize..50, down in 0usize..50, others in 1usize..50, a in 0.0f64..3.0, b in 0.0f64..3.0,
        ) {
            let of = |load| share(side(own, own + down), side(others, others), Some(load));
            prop_assert!((0.0..=1.0).contains(&of(a)) && of(a) > 0.0);
            prop_assert!(of(a.max(b)) <= of(a.min(b)));
        }
    }
}
