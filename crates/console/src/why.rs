//! What gates do out of the ordinary, and why they do such a thing: for the page of a route, the API and `plimsoll routes`.

use serde::{Deserialize, Serialize};

/// What one gate has done out of the ordinary since the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub gate: String,
    /// The route or service it belongs to.
    pub of: String,
    pub what: String,
    pub count: u64,
    /// Why it does such a thing; empty where its name says it.
    pub why: String,
}

impl Decision {
    pub fn new(gate: &str, of: &str, what: &str, count: u64) -> Decision {
        let told = WHY.iter().find(|w| w.0 == gate && w.1 == what);
        Decision {
            gate: gate.into(),
            of: of.into(),
            what: what.into(),
            count,
            why: told.map_or("", |w| w.2).into(),
        }
    }

    /// Whether it says something of a route that goes to a service.
    pub fn concerns(&self, route: &str, service: &str) -> bool {
        self.count > 0 && (self.of == route || self.of == service)
    }
}

/// Gate, decision, and what it means.
const WHY: &[(&str, &str, &str)] = &[
    (
        "rate",
        "refused",
        "the client sent more than its limit allows",
    ),
    (
        "rate",
        "would_refuse",
        "more than the limit allows; the limit only counts",
    ),
    (
        "limit",
        "refused",
        "as much was in flight as the service can carry, and the queue was full or the wait too long",
    ),
    (
        "limit",
        "would_refuse",
        "more in flight than the service is thought to carry; the limit only counts",
    ),
    (
        "limit",
        "waited",
        "as much was in flight as the service can carry, so it waited for its turn",
    ),
    ("breaker", "refused", "too many failed, or nobody listened"),
    (
        "breaker",
        "would_refuse",
        "too many failed, or nobody listened; the breaker only counts",
    ),
    (
        "breaker",
        "would_open",
        "nobody listened any more; the breaker only counts",
    ),
    (
        "breaker",
        "would_close",
        "somebody answers again; the breaker only counts",
    ),
    (
        "breaker",
        "opened",
        "nobody listened any more, so all but probes were refused",
    ),
    (
        "breaker",
        "closed",
        "a probe was answered, so requests pass again",
    ),
    (
        "bulkhead",
        "refused",
        "the route had its part of the limit in flight",
    ),
    (
        "bulkhead",
        "waited",
        "the route had its part of the limit in flight, so it waited",
    ),
    (
        "shed",
        "by_user",
        "the limit was full, and these users matter least",
    ),
    (
        "shed",
        "no_room",
        "the limit was full, and nothing that matters less was there to refuse",
    ),
    (
        "shed",
        "would_refuse",
        "the limit refused it, and shedding would have at once, as it matters less; shedding only counts",
    ),
    (
        "degrade",
        "fresh",
        "it failed, and a fresh answer was stored meanwhile",
    ),
    (
        "degrade",
        "stale_if_error",
        "it failed, and a stale answer was stored that may be used then",
    ),
    (
        "degrade",
        "last_good",
        "it failed, and the last good answer was sent instead",
    ),
    (
        "degrade",
        "static",
        "it failed, and the configured answer was sent instead",
    ),
    (
        "degrade",
        "refused",
        "it failed, and nothing was there to send instead",
    ),
    (
        "degrade",
        "brownout",
        "most failed, so stored answers were sent without asking",
    ),
    (
        "coalesce",
        "shared",
        "an equal request was under way, and its answer served for both",
    ),
    (
        "coalesce",
        "led",
        "its answer served others that came meanwhile",
    ),
    ("coalesce", "alone", "the answer was for this client only"),
    (
        "coalesce",
        "late",
        "the one under way took too long, so it went itself",
    ),
    (
        "coalesce",
        "failed",
        "the one under way failed, so it went itself",
    ),
    (
        "compress",
        "compressed",
        "the client takes it, and it is worth it",
    ),
    (
        "compress",
        "would_compress",
        "it could be; estimated from one answer in 16, while compression only counts",
    ),
    (
        "compress",
        "too_many",
        "as many were being compressed as may be at once",
    ),
    ("fault", "struck", "a fault was asked for, until its end"),
    (
        "outliers",
        "ejected",
        "an instance was far slower than the others, or failed far more often",
    ),
    (
        "outliers",
        "would-eject",
        "an instance stands out; ejection only counts",
    ),
    (
        "outliers",
        "cannot-spare",
        "an instance stands out, but the rest cannot carry its part",
    ),
    ("identity", "malformed_token", "the token cannot be read"),
    (
        "identity",
        "unknown_key",
        "the token is signed with a key or algorithm that is not accepted here",
    ),
    (
        "identity",
        "bad_signature",
        "the token's signature is wrong",
    ),
    (
        "identity",
        "expired_token",
        "the token has expired, or is not valid yet",
    ),
    (
        "identity",
        "foreign_token",
        "the token is for somebody else",
    ),
];
