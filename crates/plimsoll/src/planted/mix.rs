//! The mix of a scenario, drawn anew for each seed: nothing should be right for one mix only.

/// A weight is at most this many times the table's, and at least its inverse; evenly in the logarithm.
const MOST: f64 = 1.4;
/// Weights are whole numbers of a sum of about this many times the table's.
const FINER: f64 = 10.0;

/// The weights with which a seed is run. The first has those of the table. A route without traffic stays without.
pub fn drawn(weights: &[u32], seed: u64) -> Vec<u32> {
    if seed <= 1 {
        return weights.to_vec();
    }
    let mut state = seed;
    let mut draw = |w: &u32| {
        let weight = FINER * f64::from(*w) * MOST.powf(2.0 * uniform(&mut state) - 1.0);
        if *w == 0 {
            0
        } else {
            weight.round().max(1.0) as u32
        }
    };
    weights.iter().map(&mut draw).collect()
}

/// Of 0 to 1 (splitmix64: Steele, Lea and Flood, OOPSLA 2014).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_has_its_own_mix_near_the_tables() {
        let table = [20, 60, 0, 1];
        assert_eq!(drawn(&table, 1), table);
        let (two, three) = (drawn(&table, 2), drawn(&table, 3));
        assert_ne!(two, three);
        assert_eq!(two, drawn(&table, 2), "a seed can be run again");
        assert_eq!(two[2], 0);
        let share = |m: &[u32]| f64::from(m[1]) / f64::from(m.iter().sum::<u32>());
        assert!((share(&two) / share(&table) - 1.0).abs() < 0.3, "{two:?}");
    }
}
