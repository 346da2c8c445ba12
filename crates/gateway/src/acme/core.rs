//! When a certificate is asked for. Pure: times are seconds since the Unix epoch, `jitter` lies in 0 to 1.

/// Share of its life after which a certificate is renewed.
const RENEW: f64 = 2.0 / 3.0;
/// Earlier by up to this share of its life, so that many hosts do not ask at once.
const SPREAD: f64 = 0.02;
/// Wait after the first failure, seconds; doubles with each, up to the longest.
const FIRST: u64 = 5 * 60;
const LONGEST: u64 = 6 * 3600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub from: u64,
    pub until: u64,
}

/// The certificate at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub life: Life,
    pub names: Vec<String>,
}

/// When the next one is due; 0: at once.
pub fn due(held: Option<&Held>, wanted: &[String], jitter: f64) -> u64 {
    let Some(held) = held else {
        return 0;
    };
    let same = |name: &String| held.names.iter().any(|n| n.eq_ignore_ascii_case(name));
    if !wanted.iter().all(same) {
        return 0;
    }
    let Life { from, until } = held.life;
    let share = RENEW - SPREAD * jitter.clamp(0.0, 1.0);
    from + (until.saturating_sub(from) as f64 * share) as u64
}

/// When it is tried again after so many failures in a row.
pub fn again(now: u64, failures: u32, jitter: f64) -> u64 {
    let doubled = FIRST << failures.saturating_sub(1).min(10);
    let wait = doubled.min(LONGEST) as f64;
    now + (wait * (0.75 + 0.25 * jitter.clamp(0.0, 1.0))) as u64
}
