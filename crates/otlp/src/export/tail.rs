//! Which requests are kept, decided when they have ended: errors and slow ones always, of the rest a share.

pub use base::keep::Why;
use base::{Details, Sample, SampleKind, keep};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Attempts of one request that are kept with it, and requests whose attempts wait for their end: what is more is left out.
const ATTEMPTS: usize = 16;
const WAITING: usize = 8192;
/// Details that wait for the sample of their request, which comes right after them unless it is lost.
const TOLD: usize = 8192;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Of what is neither an error nor slow, 0 to 1.
    pub share: f64,
    /// Longer is slow, by number of route; `other` for the rest.
    pub slow: Vec<Duration>,
    pub other: Duration,
}

impl Rules {
    /// `None`: it is not kept.
    pub fn judge(&self, s: &Sample) -> Option<Why> {
        let slow = s.route.get().and_then(|r| self.slow.get(r));
        keep::why(s, *slow.unwrap_or(&self.other), self.share)
    }
}

/// A request that is kept, with its attempts.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub request: Sample,
    pub attempts: Vec<Sample>,
    pub why: Why,
    /// `None`: they found no room.
    pub details: Option<Arc<Details>>,
}

/// Attempts wait here for the end of their request: it comes after them, in the same ring.
#[derive(Default)]
pub struct Tail {
    young: HashMap<u64, Held>,
    /// Those of before: whose request does not come is forgotten with them.
    old: HashMap<u64, Held>,
    /// By span.
    told: HashMap<u64, Box<Details>>,
    /// Attempts that found no room.
    pub left_out: u64,
}

struct Held {
    first: Sample,
    /// Most requests have no more.
    more: Vec<Sample>,
}

impl Tail {
    /// Takes every sample; gives back a request that is kept.
    pub fn push(&mut self, s: &Sample, rules: &Rules) -> Option<Exchange> {
        if s.trace == 0 {
            return None;
        }
        if s.kind == SampleKind::Attempt {
            self.hold(s);
            return None;
        }
        let held = self.take(s.span);
        let why = rules.judge(s)?;
        let details = (self.told.remove(&s.span)).filter(|d| d.trace == s.trace);
        let attempts = held.into_iter().flat_map(|h| {
            let all = std::iter::once(h.first).chain(h.more);
            all.filter(|a| a.trace == s.trace)
        });
        Some(Exchange {
            request: *s,
            attempts: attempts.collect(),
            why,
            details: details.map(Arc::from),
        })
    }

    /// What is told of a request beside its sample, which comes later.
    pub fn tell(&mut self, details: Box<Details>) {
        if self.told.len() >= TOLD {
            // Their samples were lost: a full ring drops them.
            self.told.clear();
        }
        self.told.insert(details.span, details);
    }

    fn take(&mut self, span: u64) -> Option<Held> {
        let held = self.young.remove(&span);
        match self.old.is_empty() {
            true => held,
            false => held.or_else(|| self.old.remove(&span)),
        }
    }

    fn hold(&mut self, s: &Sample) {
        if self.young.len() >= WAITING / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        let before = match self.old.remove(&s.span) {
            Some(held) => Some(self.young.entry(s.span).or_insert(held)),
            None => self.young.get_mut(&s.span),
        };
        match before {
            Some(held) if held.more.len() + 1 < ATTEMPTS => held.more.push(*s),
            Some(_) => self.left_out += 1,
            None => {
                let held = Held {
                    first: *s,
                    more: Vec::new(),
                };
                self.young.insert(s.span, held);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Nanos, Outcome, RouteIx};

    fn sample(kind: SampleKind, span: u64) -> Sample {
        let mut s = Sample::new(kind, RouteIx(0), Nanos::ZERO);
        (s.trace, s.span, s.status) = (u128::MAX, span, 200);
        s.end = Nanos::from_secs_f64(0.1);
        s
    }

    fn rules(share: f64) -> Rules {
        Rules {
            share,
            slow: vec![Duration::from_millis(200)],
            other: Duration::from_secs(1),
        }
    }

    #[test]
    fn errors_and_slow_ones_are_kept_and_a_share_of_the_rest() {
        let why = |edit: fn(&mut Sample), share| {
            let mut s = sample(SampleKind::Request, 1);
            edit(&mut s);
            rules(share).judge(&s)
        };
        assert_eq!(why(|_| {}, 0.0), None);
        assert_eq!(why(|_| {}, 1.0), Some(Why::Share));
        assert_eq!(why(|s| s.status = 503, 0.0), Some(Why::Error));
        assert_eq!(
            why(|s| s.outcome = Outcome::UpstreamFailed, 0.0),
            Some(Why::Error)
        );
        assert_eq!(why(|s| s.status = 404, 0.0), None);
        let slow = |s: &mut Sample| s.end = Nanos::from_secs_f64(0.201);
        assert_eq!(why(slow, 0.0), Some(Why::Slow));
        let stream = |s: &mut Sample| (s.outcome, s.end) = (Outcome::Stream, Nanos(9e9 as u64));
        assert_eq!(why(stream, 0.0), None);
        let other = |s: &mut Sample| (s.route, s.end) = (RouteIx(7), Nanos(500_000_000));
        assert_eq!(why(other, 0.0), None, "no rule of its own: a second");
        let mut kept = 0;
        for i in 0..10_000u64 {
            let mut s = sample(SampleKind::Request, 1);
            s.trace = u128::from(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            kept += u32::from(rules(0.1).judge(&s).is_some());
        }
        assert!((900..1100).contains(&kept), "{kept}");
    }

    #[test]
    fn attempts_come_with_their_request_and_no_others() {
        let mut tail = Tail::default();
        let all = rules(1.0);
        let attempt = |span, attempt| {
            let mut s = sample(SampleKind::Attempt, span);
            s.attempt = attempt;
            s
        };
        for s in [attempt(1, 1), attempt(2, 1), attempt(1, 2)] {
            assert!(tail.push(&s, &all).is_none());
        }
        let mut of_another = attempt(1, 3);
        of_another.trace = 5;
        tail.push(&of_another, &all);
        let kept = tail.push(&sample(SampleKind::Request, 1), &all).unwrap();
        let numbers: Vec<u8> = kept.attempts.iter().map(|a| a.attempt).collect();
        assert_eq!((numbers, kept.why), (vec![1, 2], Why::Share));
        let none = tail.push(&sample(SampleKind::Request, 1), &all).unwrap();
        assert!(none.attempts.is_empty(), "answered without one");
        let dropped = tail.push(&sample(SampleKind::Request, 2), &rules(0.0));
        assert!(dropped.is_none() && tail.young.is_empty());
    }

    #[test]
    fn what_waits_has_a_bound() {
        let mut tail = Tail::default();
        for span in 0..100_000 {
            tail.push(&sample(SampleKind::Attempt, span), &rules(1.0));
        }
        assert!(tail.young.len() + tail.old.len() <= WAITING);
        for _ in 0..1000 {
            tail.push(&sample(SampleKind::Attempt, 7), &rules(1.0));
        }
        let kept = tail.push(&sample(SampleKind::Request, 7), &rules(1.0));
        assert_eq!(kept.unwrap().attempts.len(), ATTEMPTS);
        assert_eq!(tail.left_out, 1000 - ATTEMPTS as u64);
    }

    #[test]
    fn details_go_with_their_own_request_and_those_without_one_have_a_bound() {
        let mut tail = Tail::default();
        let tell = |tail: &mut Tail, trace, span| {
            tail.tell(Box::new(Details {
                trace,
                span,
                path: "/p".into(),
                ..Details::default()
            }));
        };
        tell(&mut tail, u128::MAX, 1);
        tell(&mut tail, 5, 2);
        let mut kept = |span| tail.push(&sample(SampleKind::Request, span), &rules(1.0));
        let details = kept(1).unwrap().details.unwrap();
        assert_eq!(&*details.path, "/p");
        assert_eq!(kept(2).unwrap().details, None, "of another trace");
        assert_eq!(kept(1).unwrap().details, None, "not twice");
        for span in 0..100_000 {
            tell(&mut tail, 1, span);
        }
        assert!(tail.told.len() <= TOLD);
    }
}
