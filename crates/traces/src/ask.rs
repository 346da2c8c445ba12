//! Which traces somebody wants to see.

use crate::trace::Summary;
use serde::{Deserialize, Serialize};

/// What is left out does not matter.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ask {
    pub route: String,
    /// `503`, `5xx`, or `error`: 500 and above, and broken off.
    pub status: String,
    /// Took at least so long, milliseconds.
    pub min_ms: Option<u32>,
    /// Began at most so many seconds ago.
    pub since_s: Option<u32>,
    /// How many, at most [`Ask::MOST`].
    pub limit: Option<u32>,
    /// Those before this place: `next` of the last answer.
    pub before: String,
}

/// The newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub traces: Vec<Summary>,
    /// Where to go on; `None`: these are all.
    pub next: Option<String>,
}

impl Ask {
    const FEW: u32 = 50;
    pub const MOST: u32 = 500;

    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(Self::FEW).clamp(1, Self::MOST) as usize
    }

    /// Whether `status` can be asked for.
    ///
    /// # Errors
    /// What it may be.
    pub fn check(&self) -> Result<(), String> {
        let s = self.status.as_bytes();
        let good = match s {
            [] | b"error" => true,
            [c, b'x', b'x'] => c.is_ascii_digit(),
            [..] => s.len() == 3 && s.iter().all(u8::is_ascii_digit),
        };
        match good {
            true => Ok(()),
            false => Err("a status is `503`, `5xx` or `error`".into()),
        }
    }

    /// Older ones cannot fit, milliseconds since the Unix epoch.
    pub fn oldest_ms(&self, now_ms: u64) -> u64 {
        let since = self.since_s.map(|s| u64::from(s) * 1000);
        since.map_or(0, |ms| now_ms.saturating_sub(ms))
    }

    pub fn fits(&self, s: &Summary, now_ms: u64) -> bool {
        (self.route.is_empty() || *self.route == *s.route)
            && self.fits_status(s)
            && self
                .min_ms
                .is_none_or(|ms| s.duration_us >= u64::from(ms) * 1000)
            && s.at_ms >= self.oldest_ms(now_ms)
    }

    fn fits_status(&self, s: &Summary) -> bool {
        match self.status.as_str() {
            "" => true,
            "error" => s.status >= 500 || &*s.why == "error",
            class if class.ends_with("xx") => class.starts_with(&(s.status / 100).to_string()),
            exact => exact == s.status.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_a_class_or_an_error() {
        let of = |status: &str, why: &str, code| {
            let ask = Ask {
                status: status.into(),
                ..Ask::default()
            };
            ask.check().unwrap();
            let s = Summary {
                status: code,
                why: why.into(),
                ..Summary::default()
            };
            ask.fits(&s, 0)
        };
        assert!(of("503", "error", 503) && !of("503", "error", 500));
        assert!(of("5xx", "error", 500) && !of("5xx", "slow", 499));
        assert!(of("error", "error", 200), "broken off after its head");
        assert!(!of("error", "slow", 404) && of("", "", 0));
        for bad in ["5x", "5xxx", "abc", "é", "50é"] {
            let ask = Ask {
                status: bad.into(),
                ..Ask::default()
            };
            assert!(ask.check().is_err(), "{bad}");
        }
    }
}
