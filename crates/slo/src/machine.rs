//! From evidence to an alert that does not flap: quiet, pending, firing, and quiet again after a while of calm.

use crate::Severity;
use serde::{Deserialize, Serialize};

/// Calm must last so long before an alert ends.
const KEEP_PAGE_MS: u64 = 120_000;
const KEEP_TICKET_MS: u64 = 900_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    #[default]
    Quiet,
    /// It looks like it, and too few answers have come to be sure.
    Pending,
    Firing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Fires,
    Ends,
}

#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub standing: Standing,
    calm_since_ms: Option<u64>,
}

impl Machine {
    /// One that fires already.
    pub fn firing() -> Machine {
        Machine {
            standing: Standing::Firing,
            calm_since_ms: None,
        }
    }

    pub fn step(
        &mut self,
        severity: Severity,
        proven: bool,
        suspected: bool,
        now_ms: u64,
    ) -> Option<Turn> {
        if self.standing != Standing::Firing {
            self.standing = match (proven, suspected) {
                (true, _) => Standing::Firing,
                (false, true) => Standing::Pending,
                (false, false) => Standing::Quiet,
            };
            self.calm_since_ms = None;
            return proven.then_some(Turn::Fires);
        }
        if proven || suspected {
            self.calm_since_ms = None;
            return None;
        }
        let since = *self.calm_since_ms.get_or_insert(now_ms);
        let keep = match severity {
            Severity::Page => KEEP_PAGE_MS,
            Severity::Ticket => KEEP_TICKET_MS,
        };
        if now_ms.saturating_sub(since) < keep {
            return None;
        }
        *self = Machine::default();
        Some(Turn::Ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_outlives_a_short_calm_and_ends_after_a_long_one() {
        let mut m = Machine::default();
        let mut step = |proven, suspected, s: u64| {
            let turn = m.step(Severity::Page, proven, suspected, s * 1000);
            (turn, m.standing)
        };
        assert_eq!(step(false, true, 0), (None, Standing::Pending));
        assert_eq!(step(true, true, 1), (Some(Turn::Fires), Standing::Firing));
        assert_eq!(step(false, false, 2), (None, Standing::Firing));
        assert_eq!(
            step(false, true, 100),
            (None, Standing::Firing),
            "it is back: the calm begins anew"
        );
        assert_eq!(step(false, false, 101), (None, Standing::Firing));
        assert_eq!(step(false, false, 220), (None, Standing::Firing));
        assert_eq!(step(false, false, 221), (Some(Turn::Ends), Standing::Quiet));
    }
}
