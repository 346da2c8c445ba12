//! Notices that a resource's demands changed inside the span: a two-sided CUSUM on whitened innovations.

/// Slack per second, in standard deviations: half the shift worth noticing.
const SLACK: f64 = 0.5;
/// With this bound an unchanged service raises about one false alarm in 5 000 s.
/// (A bound of 5 would raise one in 470 s: half of all spans of 300 s.)
const BOUND: f64 = 9.0;

/// The second at which the drift that broke the bound began.
pub fn changed_at(innovations: &[(usize, f64)]) -> Option<usize> {
    let (mut up, mut down) = ((0.0f64, 0usize), (0.0f64, 0usize));
    for &(t, e) in innovations {
        let e = e.clamp(-2.5, 2.5);
        for (side, e) in [(&mut up, e), (&mut down, -e)] {
            if side.0 <= 0.0 {
                *side = (0.0, t);
            }
            side.0 += e - SLACK;
            if side.0 > BOUND {
                return Some(side.1);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_found_near_its_start_and_noise_is_not() {
        let mut state = 9u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let u = |s: u64| (s & 0xffff) as f64 / 65536.0;
            u(state >> 16) + u(state >> 32) + u(state >> 48) + u(state >> 8) - 2.0
        };
        // The sum of four uniform numbers has a standard deviation of 0.577.
        let quiet: Vec<(usize, f64)> = (0..3000).map(|t| (t, noise() / 0.577)).collect();
        assert_eq!(changed_at(&quiet), None);
        let shifted: Vec<(usize, f64)> = quiet[..300]
            .iter()
            .map(|&(t, e)| (t, if t >= 200 { e + 2.0 } else { e }))
            .collect();
        let at = changed_at(&shifted).expect("a shift of two deviations");
        assert!((195..=205).contains(&at), "{at}");
    }
}
