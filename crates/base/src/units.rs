//! Values with units as people write them: `250ms`, `200/s`, `1MiB`, `99.9%`, `$0.10/h`.

use std::fmt;
use std::time::Duration;

/// Why a text is not a value of its kind; `expected` shows how to write one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}; write it like {expected}")]
pub struct UnitError {
    pub text: String,
    pub kind: &'static str,
    pub expected: &'static str,
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number = text[..end].parse::<f64>().ok().filter(|n| n.is_finite())?;
    Some((number, text[end..].trim()))
}

/// `5us`, `250ms`, `2s`, `3m`, `1h`, `28d`. A bare number is refused, except `0`.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let err = || UnitError {
        text: text.into(),
        kind: "a duration",
        expected: "`250ms`, `2s`, `5m`, `1h` or `28d`",
    };
    let (n, unit) = split(text).ok_or_else(err)?;
    let scale = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        "" if n == 0.0 => 1.0,
        _ => return Err(err()),
    };
    Duration::try_from_secs_f64(n * scale).map_err(|_| err())
}

/// Events per second from `200/s`, `12/m`, `1000/h`.
pub fn rate(text: &str) -> Result<f64, UnitError> {
    let err = || UnitError {
        text: text.into(),
        kind: "a rate",
        expected: "`200/s`, `30/m` or `1000/h`",
    };
    let (n, unit) = split(text).ok_or_else(err)?;
    match unit.trim_start_matches('/').trim() {
        _ if !unit.starts_with('/') => Err(err()),
        "s" => Ok(n),
        "m" | "min" => Ok(n / 60.0),
        "h" => Ok(n / 3600.0),
        _ => Err(err()),
    }
}

/// Bytes from `512B`, `64KiB`, `1MiB`, `2GiB`, `10kB`, `1MB`. A bare number is refused, except `0`.
pub fn bytes(text: &str) -> Result<u64, UnitError> {
    let err = || UnitError {
        text: text.into(),
        kind: "a size",
        expected: "`512B`, `64KiB`, `1MiB` or `2GiB`",
    };
    let (n, unit) = split(text).ok_or_else(err)?;
    let scale: f64 = match unit {
        "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1048576.0,
        "GiB" => 1073741824.0,
        "" if n == 0.0 => 1.0,
        _ => return Err(err()),
    };
    let v = n * scale;
    if v <= 9e15 { Ok(v as u64) } else { Err(err()) }
}

/// A share from `99.9%`; 0 to 1.
pub fn share(text: &str) -> Result<f64, UnitError> {
    let err = || UnitError {
        text: text.into(),
        kind: "a share",
        expected: "`99.9%` or `5%`",
    };
    let (n, unit) = split(text).ok_or_else(err)?;
    if unit == "%" && n <= 100.0 {
        Ok((n * 1e7).round() / 1e9)
    } else {
        Err(err())
    }
}

/// Dollars per hour from `$0.10/h`, `$35/month` (730 h) or `$400/y`.
pub fn price(text: &str) -> Result<f64, UnitError> {
    let err = || UnitError {
        text: text.into(),
        kind: "a price",
        expected: "`$0.10/h` or `$35/month`",
    };
    let (n, unit) = split(text.trim().strip_prefix('$').ok_or_else(err)?).ok_or_else(err)?;
    match unit {
        "/h" => Ok(n),
        "/d" => Ok(n / 24.0),
        "/month" => Ok(n / 730.0),
        "/y" => Ok(n / 8760.0),
        _ => Err(err()),
    }
}

/// Seconds for people: `1.2 s`, `250 ms`, `35 µs`.
pub struct Secs(pub f64);

impl fmt::Display for Secs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0;
        let text = match s.abs() {
            a if !s.is_finite() => format!("{a}"),
            0.0 => "0 s".to_owned(),
            a if a < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
            a if a < 0.009_995 => format!("{:.2} ms", s * 1e3),
            a if a < 0.099_95 => format!("{:.1} ms", s * 1e3),
            a if a < 0.999_5 => format!("{:.0} ms", s * 1e3),
            a if a < 9.995 => format!("{s:.2} s"),
            a if a < 600.0 => format!("{s:.0} s"),
            a if a < 7200.0 => format!("{:.0} min", s / 60.0),
            a if a < 172_800.0 => format!("{:.0} h", s / 3600.0),
            _ => format!("{:.0} days", s / 86_400.0),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_people_write_them() {
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(duration("28d").unwrap().as_secs(), 28 * 86400);
        assert_eq!(rate("30/m").unwrap(), 0.5);
        assert_eq!(bytes("1MiB").unwrap(), 1 << 20);
        assert_eq!(share("99.9%").unwrap(), 0.999);
        assert_eq!(price("$0.10/h").unwrap(), 0.10);
    }

    #[test]
    fn a_missing_unit_is_refused_with_an_example() {
        for (kind, e) in [
            ("duration", duration("250").err()),
            ("rate", rate("200").err()),
            ("size", bytes("10").err()),
        ] {
            assert!(e.unwrap().to_string().contains(kind));
        }
        assert!(share("101%").is_err() && share("0.99").is_err() && price("0.10/h").is_err());
        assert!(
            duration("1e400s").is_err()
                && duration("-1s").is_err()
                && bytes("9999999999GiB").is_err()
        );
    }

    #[test]
    fn seconds_for_people() {
        let shown: Vec<_> = [0.0000351, 0.0042, 0.25, 1.234, 90.0]
            .map(|s| Secs(s).to_string())
            .into();
        assert_eq!(shown, ["35 µs", "4.20 ms", "250 ms", "1.23 s", "90 s"]);
    }
}
