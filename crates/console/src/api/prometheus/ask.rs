//! Parameters, as Prometheus reads them.

use past::promql::{Matcher, Refused, duration_ms, selector};
use serde::Deserialize;

/// Selectors at once.
const MAX_SELECTORS: usize = 64;

/// Names and values, of the query or of a form.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Asked(Vec<(String, String)>);

impl Asked {
    fn find(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|p| p.0 == name)?;
        Some(&pair.1).filter(|v| !v.is_empty()).map(String::as_str)
    }

    pub fn one(&self, name: &str) -> Result<&str, Refused> {
        let missing = || Refused::bad(format!("invalid parameter {name:?}: it is missing"));
        self.find(name).ok_or_else(missing)
    }

    /// Milliseconds since the Unix epoch.
    pub fn time(&self, name: &str) -> Result<Option<i64>, Refused> {
        let Some(text) = self.find(name) else {
            return Ok(None);
        };
        let wrong = || {
            Refused::bad(format!(
                "invalid parameter {name:?}: cannot parse {text:?} to a valid timestamp"
            ))
        };
        time_ms(text).map(Some).ok_or_else(wrong)
    }

    pub fn needed(&self, name: &str) -> Result<i64, Refused> {
        self.one(name)?;
        Ok(self.time(name)?.unwrap_or_default())
    }

    /// Milliseconds.
    pub fn step(&self) -> Result<i64, Refused> {
        let text = self.one("step")?;
        let number = text.parse::<f64>().ok().filter(|s| s.is_finite());
        let ms = number
            .map(|s| (s * 1000.0) as i64)
            .or_else(|| duration_ms(text));
        ms.ok_or_else(|| {
            Refused::bad(format!(
                "invalid parameter \"step\": cannot parse {text:?} to a valid duration"
            ))
        })
    }

    pub fn selectors(&self) -> Result<Vec<Vec<Matcher>>, Refused> {
        let all = self.0.iter().filter(|p| p.0 == "match[]");
        if all.clone().count() > MAX_SELECTORS {
            let why = format!("more than {MAX_SELECTORS} match[] parameters");
            return Err(Refused::bad(why));
        }
        all.map(|p| selector(&p.1)).collect()
    }

    /// From when until when series are looked for; all of the past when nothing is said.
    pub fn span(&self) -> Result<(i64, i64), Refused> {
        let from = self.time("start")?.unwrap_or(0);
        Ok((from, self.time("end")?.unwrap_or(i64::MAX)))
    }
}

/// Seconds with a fraction, or RFC 3339.
fn time_ms(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(s) if s.is_finite() && s.abs() < 1e13 => Some((s * 1000.0).round() as i64),
        Ok(_) => None,
        Err(_) => Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()),
    }
}

pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        let owned = |p: &(&str, &str)| (p.0.to_owned(), p.1.to_owned());
        Asked(pairs.iter().map(owned).collect())
    }

    #[test]
    fn times_and_steps_are_read_in_both_forms() {
        let a = asked(&[
            ("start", "1700000000.5"),
            ("end", "2023-11-14T22:13:20Z"),
            ("step", "1m30s"),
        ]);
        assert_eq!(a.time("start"), Ok(Some(1_700_000_000_500)));
        assert_eq!(a.needed("end"), Ok(1_700_000_000_000));
        assert_eq!(a.step(), Ok(90_000));
        assert_eq!(asked(&[("step", "0.5")]).step(), Ok(500));
        for wrong in ["NaN", "1e300", "yesterday", "inf"] {
            assert!(asked(&[("start", wrong)]).time("start").is_err(), "{wrong}");
            assert!(asked(&[("step", wrong)]).step().is_err() || wrong == "1e300");
        }
        assert!(asked(&[("start", "")]).needed("start").is_err());
    }
}
