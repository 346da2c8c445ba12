//! Holds a report against thresholds: for CI, and for people who want a yes or no.

use crate::own;
use crate::report::Report;
use base::units;
use serde::Serialize;
use std::time::Duration;

/// What must hold; none: nothing is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Percentile (0.5, 0.9, 0.95, 0.99 or 0.999) of the latency from the intended time, and its upper limit.
    pub latency: Vec<(f64, Duration)>,
    /// Upper limit of the share of errors, 0 to 1.
    pub errors: Option<f64>,
    /// Lower limit of the achieved rate, per second.
    pub rate: Option<f64>,
}

impl Thresholds {
    /// Reads `p99<250ms`, `errors<1%`, `rate>=200/s`; `<=` and `>` are read alike.
    ///
    /// # Errors
    /// What is wrong, and how it is written.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Thresholds, String> {
        let mut t = Thresholds::default();
        for text in texts {
            let bad = |why: &str| {
                format!(
                    "`{text}` is not a threshold ({why}); write it like `p99<250ms`, `errors<1%` or `rate>=200/s`"
                )
            };
            let at = text.find(['<', '>']).ok_or_else(|| bad("no < or >"))?;
            let below = text[at..].starts_with('<');
            let value = text[at + 1..].trim_start_matches('=').trim();
            match (text[..at].trim(), below) {
                ("errors", true) => {
                    t.errors = Some(units::share(value).map_err(|e| bad(&e.to_string()))?)
                }
                ("rate", false) => {
                    t.rate = Some(units::rate(value).map_err(|e| bad(&e.to_string()))?)
                }
                (p, true) => {
                    let quantile = match p {
                        "p50" => 0.5,
                        "p90" => 0.9,
                        "p95" => 0.95,
                        "p99" => 0.99,
                        "p99.9" | "p999" => 0.999,
                        _ => return Err(bad("unknown measure")),
                    };
                    t.latency.push((
                        quantile,
                        units::duration(value).map_err(|e| bad(&e.to_string()))?,
                    ));
                }
                _ => return Err(bad("the sign points the wrong way")),
            }
        }
        Ok(t)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// `p99 < 0.25 s` and so on.
    pub what: String,
    pub limit: f64,
    /// `None`: not measured, or not to be trusted.
    pub measured: Option<f64>,
    pub holds: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    pub holds: bool,
    pub checks: Vec<Check>,
    /// Why it could not be decided, when that is why it does not hold.
    pub undecided: Option<String>,
}

impl Verdict {
    /// 0 when all holds, 3 when something does not or cannot be known.
    pub fn exit_status(&self) -> u8 {
        if self.holds { 0 } else { 3 }
    }
}

/// A measure that cannot be trusted does not hold. A tail that is not shown can still be held against a limit beside
/// which the generator's own delay is small.
pub fn verdict(report: &Report, thresholds: &Thresholds) -> Verdict {
    let mut checks: Vec<Check> = thresholds
        .latency
        .iter()
        .map(|&(quantile, limit)| {
            let l = match own::judge_goal(&report.own, limit) {
                Ok(()) => &report.whole,
                Err(_) => &report.latency,
            };
            let measured = match quantile {
                q if q >= 0.999 => l.p999,
                q if q >= 0.99 => l.p99,
                q if q >= 0.95 => l.p95,
                q if q >= 0.9 => l.p90,
                _ => l.p50,
            };
            let limit = limit.as_secs_f64();
            Check {
                what: format!("p{} < {}", quantile * 100.0, units::Secs(limit)),
                limit,
                measured,
                holds: measured.is_some_and(|m| m < limit),
            }
        })
        .collect();
    if let Some(limit) = thresholds.errors {
        checks.push(Check {
            what: format!("errors < {} %", limit * 100.0),
            limit,
            measured: Some(report.error_share),
            // `errors<0%` asks for none at all.
            holds: report.offered > 0 && (report.error_share < limit || report.error_share == 0.0),
        });
    }
    if let Some(limit) = thresholds.rate {
        checks.push(Check {
            what: format!("rate >= {limit}/s"),
            limit,
            measured: Some(report.rate_achieved),
            holds: report.rate_achieved >= limit,
        });
    }
    let unknown = checks.iter().any(|c| c.measured.is_none());
    Verdict {
        holds: checks.iter().all(|c| c.holds),
        undecided: match &report.trust {
            Err(why) if unknown => Some(why.clone()),
            _ if unknown => Some("nothing was measured".into()),
            _ => None,
        },
        checks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_as_people_write_them() {
        let t =
            Thresholds::parse(["p99<250ms", "errors <= 1%", "rate>=200/s", "p99.9<1s"]).unwrap();
        assert_eq!(
            t.latency,
            [
                (0.99, Duration::from_millis(250)),
                (0.999, Duration::from_secs(1))
            ]
        );
        assert_eq!((t.errors, t.rate), (Some(0.01), Some(200.0)));
        for bad in [
            "p99",
            "p99>1s",
            "p98<1s",
            "errors>1%",
            "rate<1/s",
            "p99<250",
            "rate>=200",
        ] {
            let e = Thresholds::parse([bad]).unwrap_err();
            assert!(e.contains(bad) && e.contains("write it like"), "{e}");
        }
    }
}
