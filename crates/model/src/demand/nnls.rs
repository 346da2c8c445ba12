//! Least squares with non-negative unknowns, on the normal equations (Lawson and Hanson 1974;
//! the form on `A'A` by Bro and de Jong 1997).

use nalgebra::{DMatrix, DVector};

/// Minimises `x'Ax/2 - b'x` over `x >= 0` for symmetric positive definite `a`. `start` is a guess
/// (such as the solution without bounds): its positive entries are tried first.
pub fn nnls(a: &DMatrix<f64>, b: &DVector<f64>, start: Option<&DVector<f64>>) -> DVector<f64> {
    let n = b.len();
    let mut x = start.map_or_else(|| DVector::zeros(n), |s| s.map(|v| v.max(0.0)));
    let mut free: Vec<usize> = (0..n).filter(|&i| x[i] > 0.0).collect();
    let tiny = 1e-10 * b.amax().max(1e-300);
    for round in 0..3 * n + 10 {
        if round > 0 || free.is_empty() {
            let slope = b - a * &x;
            let best = (0..n)
                .filter(|i| !free.contains(i) && slope[*i] > tiny)
                .max_by(|&i, &j| slope[i].total_cmp(&slope[j]));
            let Some(i) = best else { break };
            free.push(i);
        }
        // Moves to the best point of the free set, dropping whatever would turn negative on the way.
        while !free.is_empty() {
            let Some(s) = solve(a, b, &free) else {
                return x;
            };
            // Whoever would turn negative first.
            let blocked = free
                .iter()
                .zip(s.iter())
                .filter(|(_, v)| **v <= 0.0)
                .map(|(&i, &v)| (x[i] / (x[i] - v).max(1e-300), i))
                .min_by(|p, q| p.0.total_cmp(&q.0));
            let Some((step, first)) = blocked else {
                for (&i, &v) in free.iter().zip(s.iter()) {
                    x[i] = v;
                }
                break;
            };
            for (&i, &v) in free.iter().zip(s.iter()) {
                x[i] += step * (v - x[i]);
            }
            // It goes whatever rounding has left of it: when all are as small, that looks like much.
            let kept: Vec<usize> = free
                .iter()
                .zip(s.iter())
                .filter(|(i, v)| **v > 0.0 || x[**i] > 1e-12 * x.amax().max(1e-300))
                .map(|(&i, _)| i)
                .filter(|i| *i != first)
                .collect();
            for i in free.iter().filter(|i| !kept.contains(i)) {
                x[*i] = 0.0;
            }
            free = kept;
        }
    }
    x
}

fn solve(a: &DMatrix<f64>, b: &DVector<f64>, free: &[usize]) -> Option<DVector<f64>> {
    let m = free.len();
    let part = if m == b.len() && free.windows(2).all(|w| w[0] < w[1]) {
        a.clone()
    } else {
        DMatrix::from_fn(m, m, |i, j| a[(free[i], free[j])])
    };
    let rhs = DVector::from_fn(m, |i, _| b[free[i]]);
    part.cholesky().map(|c| c.solve(&rhs))
}

/// Non-negative weights of `columns` that best add up to `y`; a hair of ridge keeps equal columns apart.
pub fn nnls_columns(columns: &[Vec<f64>], y: &[f64]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let n = columns.len();
    let mut a = DMatrix::from_fn(n, n, |i, j| dot(&columns[i], &columns[j]));
    let b = DVector::from_fn(n, |i, _| dot(&columns[i], y));
    let ridge = 1e-9 * (0..n).map(|i| a[(i, i)]).fold(1e-300, f64::max);
    (0..n).for_each(|i| a[(i, i)] += ridge);
    nnls(&a, &b, None).iter().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_rounding_leaves_of_the_last_one_is_nothing() {
        let a = DMatrix::from_diagonal_element(1, 1, 3.0);
        let b = DVector::from_element(1, -0.1);
        // Of some of these guesses 1e-16 and less are left after the step to zero.
        for guess in (1..200).map(|n| f64::from(n) / 100.0) {
            let x = nnls(&a, &b, Some(&DVector::from_element(1, guess)));
            assert_eq!(x[0], 0.0, "{guess}");
        }
    }

    proptest! {
        #[test]
        fn the_optimum_meets_its_conditions(v in proptest::collection::vec(-1.0f64..1.0, 36), y in proptest::collection::vec(-1.0f64..1.0, 6), warm in proptest::bool::ANY) {
            let m = DMatrix::from_vec(6, 6, v);
            let a = m.transpose() * &m + DMatrix::identity(6, 6) * 0.01;
            let b = DVector::from_vec(y);
            let free = a.clone().cholesky().unwrap().solve(&b);
            let x = nnls(&a, &b, warm.then_some(&free));
            let slope = &b - &a * &x;
            for i in 0..6 {
                prop_assert!(x[i] >= 0.0);
                prop_assert!(slope[i] <= 1e-6, "not optimal: {slope}");
                prop_assert!(x[i] == 0.0 || slope[i].abs() < 1e-6);
            }
        }
    }
}
