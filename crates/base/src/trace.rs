//! Trace identifiers. A span id that Plimsoll gives out carries the number of its route, its arm and a keyed check,
//! so a call that an upstream makes while it serves the request is tied to its parent without any table:
//! `[route 16 bit][check 16 bit][arm 1 bit][counter 31 bit]`.

use crate::{Arm, RouteIx};
use std::hash::{BuildHasher, Hasher};

/// Gives out span ids and recognises its own. The key is random per process (and shared between its threads).
#[derive(Clone, Debug, PartialEq)]
pub struct SpanIds {
    key: u64,
}

impl SpanIds {
    pub fn new(key: u64) -> SpanIds {
        SpanIds { key }
    }

    fn check(&self, route: u16, low: u32) -> u16 {
        let mut h = foldhash::quality::FixedState::with_seed(self.key).build_hasher();
        h.write_u64((route as u64) << 32 | low as u64);
        h.finish() as u16
    }

    /// The span id of an exchange of `route` on `arm`; the low 31 bits of `counter` must not repeat soon. Never zero.
    pub fn give(&self, route: RouteIx, arm: Arm, counter: u32) -> u64 {
        let low = ((arm == Arm::CANARY) as u32 * ARM) | (counter & !ARM);
        let id = (route.0 as u64) << 48 | (self.check(route.0, low) as u64) << 32 | low as u64;
        id.max(1)
    }

    /// Route and arm of a span id that this process gave out.
    pub fn origin_of(&self, span: u64) -> Option<(RouteIx, Arm)> {
        let (route, check, low) = ((span >> 48) as u16, (span >> 32) as u16, span as u32);
        let arm = Arm((low & ARM != 0) as u8);
        (self.check(route, low) == check).then_some((RouteIx(route), arm))
    }
}

/// The bit of a span id that is set on the canary's arm.
const ARM: u32 = 1 << 31;

/// A W3C `traceparent` of version 00 (later versions are read as 00, as the document asks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    pub trace: u128,
    pub span: u64,
    pub flags: u8,
}

/// Length of a written `traceparent`.
pub const TRACEPARENT_LEN: usize = 55;

impl TraceParent {
    pub fn parse(value: &[u8]) -> Option<TraceParent> {
        if value.len() < TRACEPARENT_LEN
            || (value.len() > TRACEPARENT_LEN && value[TRACEPARENT_LEN] != b'-')
        {
            return None;
        }
        if value[2] != b'-' || value[35] != b'-' || value[52] != b'-' {
            return None;
        }
        let version = hex(&value[0..2])?;
        if version == 0xff || (version == 0 && value.len() != TRACEPARENT_LEN) {
            return None;
        }
        let t = TraceParent {
            trace: hex(&value[3..35])?,
            span: hex(&value[36..52])? as u64,
            flags: hex(&value[53..55])? as u8,
        };
        (t.trace != 0 && t.span != 0).then_some(t)
    }

    pub fn write(&self) -> [u8; TRACEPARENT_LEN] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        for i in 0..32 {
            out[3 + i] = DIGITS[(self.trace >> (124 - 4 * i)) as usize & 15];
        }
        for i in 0..16 {
            out[36 + i] = DIGITS[(self.span >> (60 - 4 * i)) as usize & 15];
        }
        out[53] = DIGITS[(self.flags >> 4) as usize];
        out[54] = DIGITS[(self.flags & 15) as usize];
        out
    }
}

/// Lower-case hexadecimal only, as the W3C document demands.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |acc, &b| {
        let d = match b {
            b'0'..=b'9' => b - b'0',
            b'a'..=b'f' => b - b'a' + 10,
            _ => return None,
        };
        Some(acc << 4 | d as u128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_id_tells_its_route_and_arm_and_a_foreign_one_does_not() {
        let ids = SpanIds::new(7);
        for (counter, arm) in [(0, Arm::BASE), (1, Arm::CANARY), (u32::MAX, Arm::BASE)] {
            let span = ids.give(RouteIx(12), arm, counter);
            assert_eq!(ids.origin_of(span), Some((RouteIx(12), arm)));
        }
        let foreign = (0..1000u64)
            .filter(|i| {
                ids.origin_of(0x00f0_67aa_0ba9_02b7u64.wrapping_mul(i * 2 + 1))
                    .is_some()
            })
            .count();
        assert!(
            foreign <= 1,
            "{foreign} of 1000 foreign ids were taken for ours"
        );
    }

    #[test]
    fn traceparent_round_trip_and_refusals() {
        let v = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let t = TraceParent::parse(v).unwrap();
        assert_eq!(&t.write(), v);
        for bad in [
            &b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"[..],
            b"00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(
                TraceParent::parse(bad),
                None,
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
    }
}
