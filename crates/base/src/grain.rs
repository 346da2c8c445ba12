//! The two lengths of slots in which the past is counted: 10 s for what is fresh, 5 min for what is old. Prometheus looks back
//! 5 min, so that longer ones would leave holes.

pub const FINE_MS: u64 = 10_000;
pub const COARSE_MS: u64 = 300_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Fine,
    Coarse,
}

impl Grain {
    pub fn slot_ms(self) -> u64 {
        match self {
            Grain::Fine => FINE_MS,
            Grain::Coarse => COARSE_MS,
        }
    }
}
