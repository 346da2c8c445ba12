//! Whether something happens again and again after the same time.

/// Beginnings that are needed: five intervals, of which four must agree.
const FEWEST: usize = 6;
const AGREE: f64 = 0.75;
/// How far an interval may be from the middle one: relative, and at least what seconds can tell.
const CLOSE: f64 = 0.2;
const CLOSE_S: f64 = 1.0;
/// What comes more often is not told from what is always there by windows of a second.
pub const SHORTEST_S: f64 = 3.0;

/// First seconds of runs of `true`; a run that is broken for one second is one.
pub fn onsets(seconds: &[bool]) -> Vec<usize> {
    let before = |t: usize, d: usize| t >= d && seconds[t - d];
    let first = |t: &usize| seconds[*t] && !before(*t, 1) && !before(*t, 2);
    (0..seconds.len()).filter(first).collect()
}

/// The time between them, seconds; `None`: they come as they like.
pub fn period(onsets: &[usize]) -> Option<f64> {
    if onsets.len() < FEWEST {
        return None;
    }
    let mut all: Vec<f64> = onsets.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
    all.sort_by(f64::total_cmp);
    let middle = all[all.len() / 2];
    let close = |x: &&f64| (**x - middle).abs() <= (CLOSE * middle).max(CLOSE_S);
    let agreed: Vec<f64> = all.iter().filter(close).copied().collect();
    let regular = agreed.len() as f64 >= AGREE * all.len() as f64 && middle >= SHORTEST_S;
    regular.then(|| agreed.iter().sum::<f64>() / agreed.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_is_found_and_chance_is_not() {
        let beat = |t: usize| t % 7 == 3 || t % 7 == 4;
        let seconds: Vec<bool> = (0..120).map(beat).collect();
        let at = onsets(&seconds);
        assert_eq!(at[..3], [3, 10, 17]);
        assert_eq!(period(&at), Some(7.0));
        assert_eq!(period(&at[..5]), None, "too few to tell");
        // One beat that was missed does not matter.
        let missed: Vec<usize> = at.iter().copied().filter(|t| *t != 38).collect();
        assert!((period(&missed).unwrap() - 7.0).abs() < 0.01);
        let mut state = 5u64;
        let mut alarms = 0;
        for _ in 0..200 {
            let chance: Vec<bool> = (0..120)
                .map(|_| {
                    state = state
                        .wrapping_mul(6364136223846793005)
                        .wrapping_add(1442695040888963407);
                    (state >> 33).is_multiple_of(8)
                })
                .collect();
            alarms += usize::from(period(&onsets(&chance)).is_some());
        }
        assert!(alarms <= 4, "{alarms} of 200");
    }
}
