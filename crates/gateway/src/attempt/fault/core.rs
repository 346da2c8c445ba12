//! Which attempts a fault strikes, and how a slow or broken response is measured out. Pure: chance and time are arguments.

use base::Nanos;
use config::sections::Fault;
use std::time::Duration;

/// What goes wrong with one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct What {
    pub delay: Duration,
    /// Instead of asking the instance.
    pub end: Option<End>,
    /// Bytes per second of the response.
    pub rate: Option<u64>,
    /// Bytes of the body after which the response breaks off.
    pub cut: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// This status comes back.
    Abort(u16),
    /// The connection breaks.
    Reset,
}

impl What {
    pub fn of(f: &Fault) -> What {
        What {
            delay: f.delay.unwrap_or_default(),
            end: match f.abort {
                Some(status) => Some(End::Abort(status)),
                None => f.reset.then_some(End::Reset),
            },
            rate: f.rate,
            cut: f.cut,
        }
    }

    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            What {
                end: Some(End::Abort(_)),
                ..
            } => "abort",
            What {
                end: Some(End::Reset),
                ..
            } => "reset",
            What { cut: Some(_), .. } => "cut",
            What { rate: Some(_), .. } => "slow",
            _ => "delay",
        }
    }
}

/// Whether the attempt is struck. `index` counts, from 0, the attempts that `headers` and `instance` let through;
/// `chance` is uniform in 0 to 1.
pub fn strikes(f: &Fault, index: u64, chance: f64) -> bool {
    f.first.is_none_or(|n| index < n)
        && f.every.is_none_or(|n| (index + 1).is_multiple_of(n.max(1)))
        && chance < f.share
}

/// Reads of a slow response are this much of a second apart, so that it drips.
const DRIPS_PER_SECOND: u64 = 20;

/// Measures out a response: no faster than a rate, no further than a length.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rate: Option<u64>,
    /// What has been taken is paid for by then.
    paid_at: Nanos,
    left: Option<u64>,
    cut: bool,
}

impl Pace {
    /// `None`: nothing to measure.
    pub fn of(what: &What) -> Option<Pace> {
        (what.rate.is_some() || what.cut.is_some()).then_some(Pace {
            rate: what.rate,
            paid_at: Nanos::ZERO,
            left: what.cut,
            cut: false,
        })
    }

    /// How much may be read now, or when something may.
    pub fn room(&self, now: Nanos) -> Result<usize, Nanos> {
        match self.rate {
            None => Ok(usize::MAX),
            Some(_) if now < self.paid_at => Err(self.paid_at),
            Some(rate) => Ok((rate / DRIPS_PER_SECOND).clamp(1, 1 << 16) as usize),
        }
    }

    /// `n` bytes have been read.
    pub fn took(&mut self, n: usize, now: Nanos) {
        if let Some(rate) = self.rate {
            let cost = Duration::from_secs_f64(n as f64 / rate.max(1) as f64);
            self.paid_at = self.paid_at.max(now) + cost;
        }
    }

    /// What may pass of a piece of the body.
    pub fn trim<'a>(&mut self, body: &'a [u8]) -> &'a [u8] {
        let Some(left) = self.left else { return body };
        let n = body.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.left = Some(left - n as u64);
        self.cut |= n < body.len();
        &body[..n]
    }

    /// There was more than may pass.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(f: &Fault) -> Vec<u64> {
        (0..12).filter(|i| strikes(f, *i, 0.0)).collect()
    }

    #[test]
    fn the_first_every_and_a_share_and_all_of_them_at_once() {
        let mut f = Fault::until(1);
        assert_eq!(struck(&f).len(), 12);
        f.first = Some(3);
        assert_eq!(struck(&f), [0, 1, 2]);
        (f.first, f.every) = (None, Some(5));
        assert_eq!(struck(&f), [4, 9]);
        f.first = Some(9);
        assert_eq!(struck(&f), [4]);
        f = Fault {
            share: 0.25,
            ..Fault::until(1)
        };
        assert!(strikes(&f, 0, 0.0) && strikes(&f, 0, 0.249));
        assert!(!strikes(&f, 0, 0.25));
        f.share = 1.0;
        assert!(strikes(&f, 0, 0.999_999), "all means all");
        f.share = 0.0;
        assert!(!strikes(&f, 0, 0.0), "none means none");
    }

    #[test]
    fn a_slow_response_drips_and_takes_its_time() {
        let what = What {
            rate: Some(1000),
            ..What::default()
        };
        let mut p = Pace::of(&what).unwrap();
        let (mut now, mut got) = (Nanos(7), 0);
        while got < 1000 {
            match p.room(now) {
                Ok(n) => {
                    assert_eq!(n, 50);
                    p.took(n, now);
                    got += n;
                }
                Err(at) => now = at,
            }
        }
        let took = now.since(Nanos(7)).as_secs_f64();
        assert!((0.94..=1.0).contains(&took), "{took}");
    }

    #[test]
    fn a_cut_response_ends_at_its_length_whatever_the_pieces() {
        for piece in [1, 3, 7, 100] {
            let mut p = Pace::of(&What {
                cut: Some(10),
                ..What::default()
            })
            .unwrap();
            let body = [b'x'; 100];
            let got: usize = body.chunks(piece).map(|c| p.trim(c).len()).sum();
            assert_eq!((got, p.is_cut()), (10, true));
        }
        let mut whole = Pace::of(&What {
            cut: Some(10),
            ..What::default()
        })
        .unwrap();
        assert_eq!((whole.trim(&[0; 10]).len(), whole.is_cut()), (10, false));
    }
}
