//! A quota, as the kernel keeps it: so much in each period, at full speed, and nothing beyond it until the next.

/// Of `cpu.max`, seconds, where nobody says another (kernel: Documentation/scheduler/sched-bwc.rst), and a slice of `io.max` (kernel:
/// block/blk-throttle.c, `DFL_THROTL_SLICE_HD`).
const PERIOD_S: f64 = 0.1;

#[derive(Clone, Debug)]
pub struct Quota {
    /// Processor seconds of a period, or those of a disk.
    each: f64,
    /// Of this one, what is left, and when it is over.
    left: f64,
    end: f64,
}

impl Quota {
    /// `cores`, or disks, on average.
    pub fn new(cores: f64) -> Quota {
        let each = (cores * PERIOD_S).max(1e-9);
        Quota {
            each,
            left: each,
            end: PERIOD_S,
        }
    }

    /// The period at `t`: what is left of it, and its end.
    fn at(&self, t: f64) -> (f64, f64) {
        if t < self.end {
            return (self.left, self.end);
        }
        let passed = ((t - self.end) / PERIOD_S).floor() + 1.0;
        let mut end = self.end + passed * PERIOD_S;
        while end <= t {
            end += PERIOD_S;
        }
        (self.each, end)
    }

    /// Processor seconds given from `from` to `to`, to those who take `rate` per second while they may.
    pub fn give(&mut self, rate: f64, from: f64, to: f64) -> f64 {
        let (mut at, mut given) = (from, 0.0);
        while at < to {
            (self.left, self.end) = self.at(at);
            let until = self.end.min(to);
            let some = (rate * (until - at)).min(self.left);
            given += some;
            self.left -= some;
            at = until;
        }
        given
    }

    /// When `need` has been given to one whom nothing else holds up, who asks at `from` and no earlier than the one before was given his.
    pub fn take(&mut self, need: f64, from: f64) -> f64 {
        (self.left, self.end) = self.at(from);
        if need <= self.left {
            self.left -= need;
            return from;
        }
        let periods = ((need - self.left) / self.each).ceil();
        self.left += periods * self.each - need;
        self.end += periods * PERIOD_S;
        self.end - PERIOD_S
    }

    /// When they will have been given `need` from `from` on.
    pub fn given_at(&self, rate: f64, need: f64, from: f64) -> f64 {
        let (left, end) = self.at(from);
        let first = left.min(rate * (end - from));
        if need <= first {
            return from + need / rate;
        }
        let each = self.each.min(rate * PERIOD_S);
        let rest = need - first;
        let whole = ((rest / each).ceil() - 1.0).max(0.0);
        end + whole * PERIOD_S + (rest - whole * each) / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn at_full_speed_until_it_is_spent() {
        let mut q = Quota::new(0.3);
        assert!(near(q.given_at(1.0, 0.006, 0.0), 0.006));
        assert!(near(q.given_at(1.0, 0.03, 0.0), 0.03));
        assert!(near(q.given_at(1.0, 0.031, 0.0), 0.101), "then it waits");
        assert!(near(q.given_at(1.0, 0.1, 0.0), 0.31));
        assert!(near(q.give(1.0, 0.0, 0.09), 0.03));
        assert!(near(q.give(1.0, 0.09, 0.11), 0.01), "a new period");
        assert!(near(q.given_at(1.0, 0.02, 0.11), 0.13));
        assert!(near(q.given_at(1.0, 0.021, 0.11), 0.201));
        // Idle periods are not saved up.
        assert!(near(q.give(1.0, 5.05, 5.1), 0.03));
    }

    #[test]
    fn what_nothing_else_holds_up_is_given_as_a_period_begins() {
        let mut q = Quota::new(1.0);
        assert!(near(q.take(0.06, 0.01), 0.01) && near(q.take(0.03, 0.02), 0.02));
        assert!(near(q.take(0.02, 0.03), 0.1), "it is spent");
        assert!(near(q.take(0.07, 0.1), 0.1) && near(q.take(0.2, 0.1), 0.3));
        assert!(near(q.take(0.05, 0.35), 0.4), "nor is the rest saved up");
        assert!(near(q.take(0.08, 9.05), 9.05) && near(q.take(0.05, 9.06), 9.1));
    }

    #[test]
    fn what_is_given_is_given_when_it_was_said() {
        let mut q = Quota::new(0.37);
        let mut at = 0.0;
        for i in 1..2000 {
            let (rate, need) = (1.0 + f64::from(i % 3), 0.0007 * f64::from(i % 91 + 1));
            let when = q.given_at(rate, need, at);
            let given = q.give(rate, at, when);
            assert!((given - need).abs() < 1e-6, "{i}: {given} of {need}");
            at = when + 0.001 * f64::from(i % 7);
        }
    }
}
