//! Of very many routes only the busiest are fitted each by itself: a system of thousands of unknowns has no answer in five minutes
//! of evidence, and takes gigabytes to say so. The others are one unknown, and keep the proportions of their priors.

use super::fin::Fin;

/// Routes that are fitted each by itself.
const ALONE: usize = 256;

pub struct Crowd {
    /// Places of the routes that are fitted by themselves, in order.
    alone: Vec<usize>,
    /// Of the others, with their share of the one unknown.
    rare: Vec<(usize, f64)>,
    /// Their lives, weighed by these shares, one value per second.
    life: Vec<f64>,
    /// The largest of their priors.
    prior: f64,
}

impl Crowd {
    /// `rates` and `prior` of each route, and its `lives` per second.
    pub fn of(rates: &[f64], prior: &[f64], lives: &[&[f64]]) -> Crowd {
        let mut alone: Vec<usize> = (0..rates.len()).collect();
        alone.sort_by(|&a, &b| rates[b].total_cmp(&rates[a]));
        let rare = alone.split_off(ALONE.min(alone.len()));
        alone.sort_unstable();
        let top = rare.iter().map(|&i| prior[i]).fold(0.0, f64::max);
        let rare: Vec<(usize, f64)> = (rare.into_iter())
            .map(|i| (i, if top > 0.0 { prior[i] / top } else { 1.0 }))
            .collect();
        let seconds = lives.first().map_or(0, |l| l.len());
        let mut life = vec![0.0; seconds];
        for &(i, share) in &rare {
            life.iter_mut()
                .zip(lives[i])
                .for_each(|(sum, l)| *sum += share * l);
        }
        Crowd {
            alone,
            rare,
            life,
            prior: top,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rare.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rare.len()
    }

    /// Of each of `n` routes, whether it is fitted with others.
    pub fn places(&self, n: usize) -> Vec<bool> {
        let mut crowded = vec![false; n];
        self.rare.iter().for_each(|r| crowded[r.0] = true);
        crowded
    }

    /// What is fitted: a column for each unknown.
    pub fn columns<'a>(&'a self, lives: &[&'a [f64]]) -> Vec<&'a [f64]> {
        let alone = self.alone.iter().map(|&i| lives[i]);
        let rest = (!self.is_empty()).then_some(&*self.life);
        alone.chain(rest).collect()
    }

    pub fn priors(&self, prior: &[f64]) -> Vec<f64> {
        let alone = self.alone.iter().map(|&i| prior[i]);
        let rest = (!self.is_empty()).then_some(self.prior);
        alone.chain(rest).collect()
    }

    /// What was found, for each route again. Of a crowd only the sum is known: each of it may as well be twice its prior, or nothing.
    pub fn spread(&self, found: Fin) -> Fin {
        if self.is_empty() {
            return found;
        }
        let n = self.alone.len() + self.rare.len();
        let (mut demand, mut sd) = (vec![0.0; n], vec![0.0; n]);
        for (at, &i) in self.alone.iter().enumerate() {
            (demand[i], sd[i]) = (found.demand[at], found.sd[at]);
        }
        let last = self.alone.len();
        for &(i, share) in &self.rare {
            demand[i] = share * found.demand[last];
            sd[i] = (share * found.sd[last]).hypot(share * self.prior);
        }
        Fin {
            demand,
            sd,
            ..found
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(demand: Vec<f64>, sd: Vec<f64>) -> Fin {
        Fin {
            demand,
            sd,
            background: 0.0,
            background_sd: 0.0,
            left: Vec::new(),
            bursts: false,
        }
    }

    #[test]
    fn few_routes_are_what_they_were() {
        let lives: Vec<&[f64]> = vec![&[1.0, 2.0], &[3.0, 4.0]];
        let crowd = Crowd::of(&[1.0, 9.0], &[0.1, 0.2], &lives);
        assert!(crowd.is_empty() && crowd.places(2) == [false; 2]);
        assert_eq!(crowd.columns(&lives), lives);
        assert_eq!(crowd.priors(&[0.1, 0.2]), [0.1, 0.2]);
        let f = crowd.spread(found(vec![1.0, 2.0], vec![0.5, 0.6]));
        assert_eq!((f.demand, f.sd), (vec![1.0, 2.0], vec![0.5, 0.6]));
    }

    #[test]
    fn of_thousands_the_busiest_stand_alone_and_the_rest_shares_one_unknown() {
        let n = 3000;
        let rates: Vec<f64> = (0..n)
            .map(|i| if i == 1500 { 99.0 } else { i as f64 / 1e6 })
            .collect();
        let prior: Vec<f64> = (0..n)
            .map(|i| if i % 2 == 0 { 0.02 } else { 0.01 })
            .collect();
        let one = [1.0, 2.0];
        let lives: Vec<&[f64]> = vec![&one; n];
        let crowd = Crowd::of(&rates, &prior, &lives);
        assert_eq!(crowd.len(), n - ALONE);
        let crowded = crowd.places(n);
        assert!(!crowded[1500] && !crowded[n - 1] && crowded[0]);
        let columns = crowd.columns(&lives);
        assert_eq!(columns.len(), ALONE + 1);
        // Half of them weigh 1, half 1/2.
        let shares = columns[ALONE][0];
        assert!(
            (shares / (0.75 * crowd.len() as f64) - 1.0).abs() < 0.01,
            "{shares}"
        );
        assert_eq!(columns[ALONE][1], 2.0 * shares);
        let mut demand = vec![0.5; ALONE + 1];
        demand[ALONE] = 0.04;
        let f = crowd.spread(found(demand, vec![0.001; ALONE + 1]));
        assert_eq!((f.demand.len(), f.demand[1500]), (n, 0.5));
        assert_eq!((f.demand[0], f.demand[1]), (0.04, 0.02));
        assert!(f.sd[0] >= 0.02 && f.sd[1500] == 0.001);
        // What they use together is what was found.
        let sum: f64 = (0..n).filter(|&i| crowded[i]).map(|i| f.demand[i]).sum();
        assert!((sum / (shares * 0.04) - 1.0).abs() < 1e-9);
    }
}
