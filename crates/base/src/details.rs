//! What is told of a request that is kept as a trace, beside its sample: what gates decided, and who asked for what.

/// Bounded by whoever makes it. It goes through a ring of its own, before the request's sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Both are those of the request's sample.
    pub trace: u128,
    pub span: u64,
    /// Without its query.
    pub path: Box<str>,
    /// The address or what stands for it; empty: not to be told.
    pub client: Box<str>,
    /// Empty: nobody knows.
    pub tenant: Box<str>,
    /// Of an answer that a gate or the path made; empty: an instance's.
    pub reason: &'static str,
    /// What the cache says of it (RFC 9211); empty: nothing.
    pub cache: Box<str>,
    /// In their order.
    pub decisions: Vec<Decided>,
    /// Attempts that failed, by their number, and how.
    pub failures: Vec<(u8, &'static str)>,
}

/// What a gate did out of the ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    pub gate: &'static str,
    pub what: &'static str,
    /// During which attempt, from 1; 0: before the first.
    pub attempt: u8,
}

impl std::fmt::Display for Decided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.attempt {
            0 => write!(f, "{}: {}", self.gate, self.what),
            n => write!(f, "{}: {} (try {n})", self.gate, self.what),
        }
    }
}

impl Details {
    /// `rate: refused, retry: again (try 1)`; empty: nothing out of the ordinary.
    pub fn told(&self) -> String {
        let all: Vec<String> = self.decisions.iter().map(Decided::to_string).collect();
        all.join(", ")
    }

    /// How this attempt failed; empty: it did not, or it is not known.
    pub fn failure(&self, attempt: u8) -> &'static str {
        let of = self.failures.iter().find(|f| f.0 == attempt);
        of.map_or("", |f| f.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_told_in_their_order_with_the_try_that_they_were_made_in() {
        let decided = |gate, what, attempt| Decided {
            gate,
            what,
            attempt,
        };
        let details = Details {
            decisions: vec![
                decided("shed", "would_refuse", 0),
                decided("retry", "again", 1),
            ],
            failures: vec![(1, "reset")],
            ..Details::default()
        };
        assert_eq!(details.told(), "shed: would_refuse, retry: again (try 1)");
        assert_eq!((details.failure(1), details.failure(2)), ("reset", ""));
        assert_eq!(Details::default().told(), "");
    }
}
