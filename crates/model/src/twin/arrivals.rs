//! When requests arrive: a Poisson stream whose rate wanders as a log-Ornstein-Uhlenbeck process.

use super::draw::{exponential, mix, normal, uniform};

/// Salts that keep the streams of one seed apart.
const GAP: u64 = 0x6172_7269;
const WANDER: u64 = 0x6f75_7061;

/// Arrival times, in order. With `sigma` 0 it is Poisson.
/// The rate is `rate * exp(sigma x - sigma^2 / 2)`, x stationary with correlation `exp(-t / tau)`.
#[derive(Clone, Debug)]
pub struct Arrivals {
    seed: u64,
    rate: f64,
    sigma: f64,
    decay: f64,
    /// Length of a cell in which the rate is constant, seconds.
    cell_s: f64,
    cell: u64,
    cell_end: f64,
    x: f64,
    now: f64,
    count: u64,
    current: f64,
}

impl Arrivals {
    /// `rate` in requests per second, `tau` in seconds. A negative `sigma` gives the mirrored path: calm where the
    /// other bursts.
    pub fn new(seed: u64, rate: f64, sigma: f64, tau: f64) -> Arrivals {
        let bursty = sigma.abs() > 1e-3 && tau > 0.0;
        let cell_s = if bursty {
            (tau / 6.0).clamp(0.02, 1.0)
        } else {
            f64::INFINITY
        };
        let x = normal(mix(seed ^ WANDER));
        let mut a = Arrivals {
            seed,
            rate,
            sigma: if bursty { sigma } else { 0.0 },
            decay: if bursty { (-cell_s / tau).exp() } else { 0.0 },
            cell_s,
            cell: 0,
            cell_end: cell_s,
            x,
            now: 0.0,
            count: 0,
            current: rate,
        };
        a.current = a.rate_now();
        a
    }

    fn rate_now(&self) -> f64 {
        self.rate * (self.sigma * self.x - self.sigma * self.sigma / 2.0).exp()
    }

    /// The time of the next arrival, seconds. The same exponential gaps whatever the rate.
    pub fn next_arrival(&mut self) -> f64 {
        let mut hazard = exponential(mix(self.seed.wrapping_mul(31) ^ GAP ^ mix(self.count)));
        self.count += 1;
        loop {
            let at = self.now + hazard / self.current;
            if at <= self.cell_end {
                self.now = at;
                return at;
            }
            hazard -= (self.cell_end - self.now) * self.current;
            self.now = self.cell_end;
            self.cell += 1;
            self.cell_end = (self.cell + 1) as f64 * self.cell_s;
            let step = normal(mix(self.seed ^ WANDER ^ mix(self.cell)));
            self.x = self.decay * self.x + (1.0 - self.decay * self.decay).sqrt() * step;
            self.current = self.rate_now();
        }
    }
}

/// Arrival times that follow counts per second, each second's spread evenly at random, and whether a time lies in
/// the busiest quarter of the 5 s stretches.
#[derive(Clone, Debug)]
pub struct Replay {
    times: Vec<f64>,
    busy: Vec<bool>,
    next: usize,
}

impl Replay {
    /// At most `most` arrivals: what is beyond is left out from the end.
    pub fn new(counts: &[f64], seed: u64, most: usize) -> Replay {
        let mut times = Vec::new();
        for (second, &count) in counts.iter().enumerate() {
            let from = times.len();
            for i in 0..count.clamp(0.0, 1e6).round() as u64 {
                let luck = mix(seed ^ mix((second as u64) << 24 ^ i));
                times.push(second as f64 + uniform(luck));
            }
            if times.len() > most {
                times.truncate(from);
                break;
            }
            times[from..].sort_by(f64::total_cmp);
        }
        let sums: Vec<f64> = counts
            .chunks(5)
            .map(|c| c.iter().sum::<f64>() / c.len() as f64)
            .collect();
        let mut order: Vec<usize> = (0..sums.len()).collect();
        order.sort_by(|&a, &b| sums[a].total_cmp(&sums[b]).then(a.cmp(&b)));
        let mut busy = vec![false; sums.len()];
        let quarter = (sums.len() / 4).max(1).min(sums.len());
        order[sums.len() - quarter..]
            .iter()
            .for_each(|&i| busy[i] = true);
        Replay {
            times,
            busy,
            next: 0,
        }
    }
    pub fn is_busy(&self, at: f64) -> bool {
        self.busy.get((at / 5.0) as usize).copied().unwrap_or(false)
    }
    /// How many arrivals lie in the busiest quarter.
    pub fn busy_count(&self) -> u64 {
        self.times.iter().filter(|t| self.is_busy(**t)).count() as u64
    }
    /// The next arrival; infinite when there are no more.
    pub fn next_arrival(&mut self) -> f64 {
        let at = self.times.get(self.next).copied().unwrap_or(f64::INFINITY);
        self.next += 1;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sigma: f64, tau: f64, seconds: usize) -> Vec<f64> {
        let mut a = Arrivals::new(3, 50.0, sigma, tau);
        let mut c = vec![0.0; seconds];
        loop {
            let t = a.next_arrival() as usize;
            if t >= seconds {
                return c;
            }
            c[t] += 1.0;
        }
    }

    #[test]
    fn poisson_counts_have_variance_equal_to_the_mean() {
        let c = counts(0.0, 0.0, 20_000);
        let mean = c.iter().sum::<f64>() / c.len() as f64;
        let var = c.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / c.len() as f64;
        assert!((mean / 50.0 - 1.0).abs() < 0.01, "{mean}");
        assert!((var / mean - 1.0).abs() < 0.05, "{var}");
    }

    #[test]
    fn bursts_have_the_covariance_of_a_log_ou_process() {
        let c = counts(0.35, 4.0, 60_000);
        let mean = c.iter().sum::<f64>() / c.len() as f64;
        let cov = |lag: usize| {
            let n = c.len() - lag;
            (0..n)
                .map(|i| (c[i] - mean) * (c[i + lag] - mean))
                .sum::<f64>()
                / n as f64
        };
        for lag in [1, 2, 4, 8] {
            let got = (1.0 + cov(lag) / mean / mean).ln();
            let want = 0.35f64.powi(2) * (-(lag as f64) / 4.0).exp();
            assert!(
                (got - want).abs() < 0.012,
                "lag {lag}: {got} against {want}"
            );
        }
    }
}
