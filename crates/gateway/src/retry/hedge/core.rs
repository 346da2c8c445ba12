//! Whether a late attempt gets a rival: only where the service has room for it, and within the cap.

use base::Nanos;

/// Second attempts that may be saved up, so that a quiet minute does not pay for a storm.
const BURST: f64 = 10.0;

/// What requests have earned: a share of a second attempt each.
#[derive(Debug, Default)]
pub struct Cap {
    tokens: f64,
}

impl Cap {
    /// One request more, which pays for `extra` of a second attempt.
    pub fn earn(&mut self, extra: f64) {
        self.tokens = (self.tokens + extra).min(BURST);
    }

    pub fn spend(&mut self) -> bool {
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

/// What the decision knows of the service.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Requests wait for its limit.
    pub queueing: bool,
    /// In flight over what may be; `None`: not known.
    pub load: Option<f64>,
    /// The budget allows a retry.
    pub retries: bool,
    /// When the exchange must have its first byte.
    pub deadline: Option<Nanos>,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The service holds all that it may, or fails so much that nothing is tried again.
    Full,
    Late,
    /// As many as the requests have paid for were sent.
    Capped,
}

/// Decides, and spends from the cap when it says yes.
pub fn decide(state: &State, cap: &mut Cap, now: Nanos) -> Result<(), Why> {
    if state.deadline.is_some_and(|d| now >= d) {
        return Err(Why::Late);
    }
    let above = state.load.is_some_and(|load| load >= 1.0);
    if state.queueing || above || !state.retries {
        return Err(Why::Full);
    }
    cap.spend().then_some(()).ok_or(Why::Capped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CALM: State = State {
        queueing: false,
        load: Some(0.5),
        retries: true,
        deadline: Some(Nanos(100)),
    };

    fn rich() -> Cap {
        Cap { tokens: BURST }
    }

    #[test]
    fn only_where_there_is_room_and_time() {
        let ask = |state: State| decide(&state, &mut rich(), Nanos(7));
        assert_eq!(ask(CALM), Ok(()));
        let unknown = State {
            load: None,
            deadline: None,
            ..CALM
        };
        assert_eq!(ask(unknown), Ok(()));
        let full = [
            State {
                queueing: true,
                ..CALM
            },
            State {
                load: Some(1.0),
                ..CALM
            },
            State {
                retries: false,
                ..CALM
            },
        ];
        for state in full {
            assert_eq!(ask(state), Err(Why::Full), "{state:?}");
        }
        let late = State {
            deadline: Some(Nanos(7)),
            ..CALM
        };
        assert_eq!(ask(late), Err(Why::Late));
    }

    #[test]
    fn what_is_refused_for_another_reason_costs_nothing() {
        let mut cap = Cap { tokens: 1.0 };
        let full = State {
            queueing: true,
            ..CALM
        };
        assert_eq!(decide(&full, &mut cap, Nanos(7)), Err(Why::Full));
        assert_eq!(decide(&CALM, &mut cap, Nanos(7)), Ok(()));
        assert_eq!(decide(&CALM, &mut cap, Nanos(7)), Err(Why::Capped));
    }

    proptest! {
        #[test]
        fn never_more_than_the_share_of_any_stretch_and_the_burst(
            steps in prop::collection::vec(any::<bool>(), 1..2000),
            extra in 0.001f64..0.5,
        ) {
            let (mut cap, mut requests, mut sent) = (Cap::default(), 0.0, 0.0);
            for (i, ask) in steps.iter().enumerate() {
                cap.earn(extra);
                requests += 1.0;
                sent += f64::from(u8::from(*ask && cap.spend()));
                prop_assert!(sent <= extra * requests + 1e-6);
                // A new stretch begins: what was saved up is at most the burst.
                if i % 500 == 499 {
                    prop_assert!(cap.tokens <= BURST);
                }
            }
        }
    }
}
