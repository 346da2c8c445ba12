//! Whether one more attempt of a route fits. Pure.
//!
//! A route may always use its part of the limit. Beyond that it borrows: what the other routes have not used lately is
//! lent, what they have is kept for them, so that a light route finds a free permit while a heavy one floods.

/// The limit as one route sees it; all numbers are permits.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    pub limit: f64,
    /// Of the attempt.
    pub cost: f64,
    /// In flight, of this route and of all.
    pub mine: f64,
    pub all: f64,
    /// This route's weight, and those of all routes that were active lately, this one too.
    pub weight: f64,
    pub weights: f64,
    /// What the others need back at once.
    pub kept: f64,
    /// Other routes were active lately.
    pub others: bool,
}

/// Whether one more attempt fits. A part need not be whole attempts: it is rounded to the nearest, because one that exceeds
/// it by nearly a permit takes that from another route, which then waits for its own. What is borrowed exceeds nothing.
pub fn fits(v: &View) -> bool {
    let own = part(v.limit, v.weight, v.weights);
    let lent = v.all + v.cost + v.kept <= v.limit + EXACT;
    v.mine == 0.0 || v.mine + v.cost / 2.0 <= own + EXACT || !v.others || lent
}

/// Sums of thousandths are this exact.
const EXACT: f64 = 1e-9;

/// What belongs to a route: at least one permit.
pub fn part(limit: f64, weight: f64, weights: f64) -> f64 {
    (limit * weight / weights.max(weight)).max(1.0)
}

/// What is kept for a route that has `in_flight` now and had up to `peak` lately: room for one more than ever, within
/// its part.
pub fn kept(part: f64, peak: f64, in_flight: f64) -> f64 {
    ((peak + 1.0).min(part) - in_flight).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_part_is_sure_and_only_what_is_idle_is_lent() {
        let view = View {
            limit: 10.0,
            cost: 1.0,
            weight: 1.0,
            weights: 2.0,
            others: true,
            ..View::default()
        };
        let at = |mine, all, kept| {
            fits(&View {
                mine,
                all,
                kept,
                ..view
            })
        };
        assert!(
            at(4.0, 10.0, 3.0),
            "its own, whatever the others have borrowed"
        );
        assert!(at(5.0, 6.0, 3.0), "lent");
        assert!(!at(7.0, 8.0, 2.0), "kept for the other");
        let dear = |mine, all, kept| {
            fits(&View {
                cost: 4.0,
                mine,
                all,
                kept,
                ..view
            })
        };
        assert!(dear(0.0, 9.0, 1.0) && dear(1.0, 9.0, 1.0), "its own");
        assert!(!dear(4.0, 4.0, 3.0), "it would take what is kept");
        assert!(dear(4.0, 4.0, 2.0));
        let learned = |limit| {
            fits(&View {
                limit,
                cost: 1.05,
                mine: 8.4,
                all: 8.4,
                kept: 1.9,
                ..view
            })
        };
        assert!(!learned(11.3), "a bit of what is kept");
        assert!(learned(11.35));
        let whole = |mine| {
            fits(&View {
                limit: 16.2,
                cost: 1.03,
                mine,
                all: 16.0,
                ..view
            })
        };
        assert!(whole(7.0 * 1.03) && !whole(8.0 * 1.03), "8.1 are 8");
        let alone = View {
            others: false,
            weights: 1.0,
            mine: 12.0,
            all: 12.0,
            ..view
        };
        assert!(fits(&alone), "the limit's queue is for who is alone");
        assert_eq!(part(3.0, 1.0, 100.0), 1.0);
        assert_eq!(part(10.0, 3.0, 5.0), 6.0);
    }

    #[test]
    fn a_route_gets_back_what_it_used_and_a_little_more() {
        assert_eq!(kept(5.0, 2.0, 1.0), 2.0);
        assert_eq!(kept(5.0, 9.0, 1.0), 4.0, "never beyond its part");
        assert_eq!(kept(5.0, 2.0, 7.0), 0.0);
    }
}
