//! What statements use beyond their own times: parsing, planning and the protocol, as the server's processes show it. Pure.

use super::sql::Counter;

/// Fewer seconds of processors say nothing.
const LEAST_S: f64 = 0.02;

/// Of the last minute or so; sums that fade.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overhead {
    /// Seconds that the processes of connections ran.
    ran: f64,
    /// Of these, by the times of statements; and their calls.
    told: f64,
    calls: f64,
}

impl Overhead {
    pub fn fade(&mut self, by: f64) {
        self.ran *= by;
        self.told *= by;
        self.calls *= by;
    }

    /// One second: what the connections used, and the statements in it, with their part of the processors.
    pub fn see<'a>(&mut self, ran: f64, statements: impl Iterator<Item = &'a Counter>) {
        self.ran += ran;
        for c in statements {
            self.told += c.seconds;
            self.calls += c.calls;
        }
    }

    /// The statement with its part of what is not told: each call costs as much beside its own time, and no more than `most`
    /// seconds. Where times are longer than what was used, because processors were waited for, they are all as much too long.
    pub fn with(&self, c: &Counter, most: f64) -> Counter {
        let mut c = c.clone();
        if self.ran < LEAST_S {
            return c;
        }
        if self.ran >= self.told && self.calls > 0.0 {
            let each = ((self.ran - self.told) / self.calls).min(most);
            c.squares += each * (2.0 * c.seconds + each * c.calls);
            c.seconds += each * c.calls;
        } else if self.told > 0.0 {
            let part = self.ran / self.told;
            c.squares *= part * part;
            c.seconds *= part;
        }
        c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(calls: f64, seconds: f64) -> Counter {
        Counter {
            query_id: 1,
            calls,
            seconds,
            squares: seconds * seconds / calls,
            rows: calls,
        }
    }

    #[test]
    fn each_call_has_its_part_of_what_times_leave_out() {
        // Short ones, 3 µs by their own times, and a long one; 0.1 s are not told.
        let (short, long) = (counter(2000.0, 0.006), counter(1.0, 0.05));
        let mut all = Overhead::default();
        all.see(0.156, [&short, &long].into_iter());
        let each = 0.1 / 2001.0;
        let (s, l) = (all.with(&short, 1.0), all.with(&long, 1.0));
        assert!((s.seconds - 0.006 - 2000.0 * each).abs() < 1e-12);
        assert!((l.seconds - 0.05 - each).abs() < 1e-12);
        assert!((s.seconds + l.seconds - 0.156).abs() < 1e-12);
        assert_eq!(all.with(&short, 0.0), short, "no more than there is");
        // All its calls took as long, and still do.
        assert!((s.squares - s.seconds * s.seconds / 2000.0).abs() < 1e-12);
    }

    #[test]
    fn times_longer_than_use_are_cut_to_it() {
        let mut all = Overhead::default();
        let c = counter(10.0, 0.8);
        all.see(0.4, [&c].into_iter());
        let cut = all.with(&c, 1.0);
        assert!((cut.seconds - 0.4).abs() < 1e-12);
        assert!((cut.squares - c.squares / 4.0).abs() < 1e-12);
        // Nobody has looked, or hardly anything was used.
        assert_eq!(Overhead::default().with(&c, 1.0), c);
        all.fade(0.01);
        assert_eq!(all.with(&c, 1.0), c);
    }
}
