//! Which requests are logged: those that failed or were slow, and a share of the others. Pure.

use base::{Outcome, Sample};
use config::sections::AccessLog;

/// "The trace id is random", of W3C Trace Context level 2.
const RANDOM: u8 = 0b10;
/// Low bits of a trace id that are random then, and how many of them a number holds.
const BITS: u32 = 56;
const HELD: u32 = 53;

/// Whether the request is written. `draw` is below 1, and what is below the share is in.
pub fn keep(rules: &AccessLog, sample: &Sample, draw: f64) -> bool {
    let failed = sample.status >= 500 || sample.outcome == Outcome::UpstreamFailed;
    let slow = sample.outcome != Outcome::Stream && sample.end.since(sample.start) > rules.slow;
    failed || slow || draw < rules.share
}

/// The draw of a trace: where the id is random, every hop that asks it picks the same requests.
pub fn draw(trace: u128, flags: u8, random: u64) -> f64 {
    let bits = match flags & RANDOM {
        0 => random & ((1 << BITS) - 1),
        _ => trace as u64 & ((1 << BITS) - 1),
    };
    (bits >> (BITS - HELD)) as f64 / (1u64 << HELD) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Nanos, RouteIx, SampleKind};
    use std::time::Duration;

    fn sample(status: u16, took: Duration, outcome: Outcome) -> Sample {
        let start = Nanos(1);
        let mut sample = Sample::new(SampleKind::Request, RouteIx(0), start);
        (sample.status, sample.outcome, sample.end) = (status, outcome, start + took);
        sample
    }

    #[test]
    fn errors_and_slow_ones_always_and_of_the_others_a_share() {
        let rules = AccessLog {
            share: 0.25,
            ..AccessLog::default()
        };
        let [quick, slow] = [1, 1001].map(Duration::from_millis);
        let kept = |status, took, outcome| keep(&rules, &sample(status, took, outcome), 0.5);
        assert!(!kept(200, quick, Outcome::Done) && !kept(404, quick, Outcome::Done));
        assert!(kept(503, quick, Outcome::Refused) && kept(200, slow, Outcome::Done));
        assert!(kept(200, quick, Outcome::UpstreamFailed), "it broke off");
        assert!(
            !kept(101, slow, Outcome::Stream),
            "a long tunnel is not slow"
        );
        assert!(keep(&rules, &sample(200, quick, Outcome::Done), 0.2));
    }

    #[test]
    fn a_random_trace_decides_and_another_one_does_not() {
        let half = 1u128 << (BITS - 1);
        assert_eq!(draw(0xff << 100 | half, 3, 7), 0.5);
        assert_eq!(draw(half, 1, 0), 0.0);
        assert!(draw(u128::MAX, 2, 0) < 1.0 && draw(0, 0, u64::MAX) < 1.0);
    }
}
