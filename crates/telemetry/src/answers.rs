//! Exact counts of answers against what their routes promise, until somebody takes them. Bounded by the routes.

use base::{Outcome, RouteIx, Sample, SampleKind};
use std::time::Duration;

/// Time limits of one route: its own, and its service's.
pub type Limits = [Option<Duration>; 2];
/// Routes are numbered below this.
const MAX_ROUTES: usize = 4096;

/// Answers of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub total: u64,
    /// With a status of 500 or more, or none.
    pub failed: u64,
    /// Failed, or later than the limit of that place.
    pub bad: [u64; 2],
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    limits: Vec<Limits>,
    answers: Vec<Answers>,
}

impl Book {
    pub fn push(&mut self, s: &Sample) {
        let Some(route) = s.route.get().filter(|r| *r < MAX_ROUTES) else {
            return;
        };
        if s.kind != SampleKind::Request || s.behind {
            return;
        }
        let limits = self.limits.get(route).copied().unwrap_or_default();
        let took = s.end.since(s.start);
        let late = limits.map(|l| s.outcome != Outcome::Stream && l.is_some_and(|l| took > l));
        let left = s.outcome == Outcome::ClientGone && s.status < 500;
        // A client that left early says nothing; one that waited in vain has had no answer.
        if left && !late.contains(&true) {
            return;
        }
        if self.answers.len() <= route {
            self.answers.resize(route + 1, Answers::default());
        }
        let a = &mut self.answers[route];
        let failed = s.status >= 500 || s.status == 0;
        a.total += 1;
        a.failed += u64::from(failed);
        for (bad, late) in a.bad.iter_mut().zip(late) {
            *bad += u64::from(failed || late);
        }
    }

    /// What came since the last time, by number of route; from now on these limits hold.
    pub fn take(&mut self, limits: Vec<Limits>) -> Vec<Answers> {
        self.limits = limits;
        std::mem::take(&mut self.answers)
    }
}

/// The answers of a route; none when nothing came.
pub fn of(all: &[Answers], route: RouteIx) -> Answers {
    route
        .get()
        .and_then(|r| all.get(r))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Nanos;

    #[test]
    fn each_answer_is_judged_once_by_both_limits() {
        let mut book = Book::default();
        let ms = |n| Some(Duration::from_millis(n));
        book.take(vec![[ms(100), ms(500)]]);
        let mut push = |status, took_ms: u64, outcome| {
            let mut s = Sample::new(SampleKind::Request, RouteIx(0), Nanos::ZERO);
            (s.status, s.outcome) = (status, outcome);
            s.end = Nanos(took_ms * 1_000_000);
            book.push(&s);
        };
        push(200, 100, Outcome::Done);
        push(200, 101, Outcome::Done);
        push(404, 501, Outcome::Done);
        push(503, 1, Outcome::Refused);
        push(200, 9000, Outcome::Stream);
        push(0, 50, Outcome::ClientGone);
        push(0, 200, Outcome::ClientGone);
        let mut delivery = Sample::new(SampleKind::Request, RouteIx(0), Nanos::ZERO);
        (delivery.status, delivery.behind) = (500, true);
        book.push(&delivery);
        let all = book.take(Vec::new());
        let expected = Answers {
            total: 6,
            failed: 2,
            bad: [4, 3],
        };
        assert_eq!(of(&all, RouteIx(0)), expected);
        assert_eq!(of(&book.take(Vec::new()), RouteIx(0)), Answers::default());
        assert_eq!(of(&all, RouteIx::NONE), Answers::default());
    }
}
