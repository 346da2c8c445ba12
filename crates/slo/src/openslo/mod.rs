//! OpenSLO, version 1: objectives out, and objectives in. Where the answers come from is said with a metric source of
//! the type `plimsoll`: `{ route: product, good: "status<500 && latency<=250ms" }`.

mod export;
mod import;

#[cfg(test)]
mod tests;

pub use export::export;
pub use import::import;

use crate::Kind;
use std::time::Duration;

const VERSION: &str = "openslo/v1";
/// Type of our metric sources.
const TYPE: &str = "plimsoll";
/// Annotations that say what a foreign indicator is about: a route or service, and its time limit.
const ROUTE: &str = "plimsoll.dev/route";
const SERVICE: &str = "plimsoll.dev/service";
const LATENCY: &str = "plimsoll.dev/latency";
/// Of a calendar month.
const MONTH: &str = "1M";

/// Which answers are good, as a condition.
fn condition(kind: Kind) -> String {
    match kind {
        Kind::Availability => "status<500".into(),
        Kind::Latency { within } => format!("status<500 && latency<={}", time(within)),
    }
}

/// `None`: not a condition of ours. Else the time limit, where it has one.
fn read_condition(text: &str) -> Option<Option<Duration>> {
    let text: String = text.split_whitespace().collect();
    let (mut status, mut latency) = (false, None);
    for part in text.split("&&") {
        match part.strip_prefix("latency<=") {
            Some(limit) => latency = Some(base::units::duration(limit).ok()?),
            None if part == "status<500" => status = true,
            None => return None,
        }
    }
    status.then_some(latency)
}

/// As both configurations read it, whole.
fn time(d: Duration) -> String {
    let us = d.as_micros();
    let units = [
        ("d", 86_400_000_000),
        ("h", 3_600_000_000),
        ("m", 60_000_000),
        ("s", 1_000_000),
        ("ms", 1000),
        ("us", 1),
    ];
    let whole = units.iter().find(|(_, n)| us.is_multiple_of(*n));
    whole.map_or_else(|| "0s".into(), |(unit, n)| format!("{}{unit}", us / n))
}
