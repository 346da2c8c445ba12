//! Numbers as people read them: rates, shares, factors, amounts of a resource, money.

use crate::units::Secs;

/// Requests per second; what nothing limits has no number.
pub fn rate(x: f64) -> String {
    match x {
        x if !x.is_finite() || x >= 1e12 => "no limit seen".to_owned(),
        x if x.abs() < 9.95 => format!("{x:.1}/s"),
        x => format!("{x:.0}/s"),
    }
}

/// `148/s (139 to 155)`: a rate and its interval.
pub fn rate_in(x: f64, low: f64, high: f64) -> String {
    if !x.is_finite() || x >= 1e12 {
        return rate(x);
    }
    let bare = |x| rate(x).trim_end_matches("/s").to_owned();
    format!("{} ({} to {})", rate(x), bare(low), bare(high))
}

/// A share of 0 to 1.
pub fn percent(x: f64) -> String {
    format!("{:.0} %", 100.0 * x)
}

pub fn times(x: f64) -> String {
    if !x.is_finite() || x >= 1e6 {
        "—".to_owned()
    } else {
        format!("×{x:.2}")
    }
}

/// What one request uses: bytes, or seconds of everything else.
pub fn amount(x: f64, unit: &str) -> String {
    if !unit.starts_with("bytes") {
        return Secs(x).to_string();
    }
    match x {
        x if x < 1e4 => format!("{x:.0} B"),
        x if x < 1e7 => format!("{:.0} kB", x / 1e3),
        x => format!("{:.0} MB", x / 1e6),
    }
}

/// What a resource offers: `2 cores`, `125000000 bytes/s` as `125 MB/s`.
pub fn capacity(x: f64, unit: &str) -> String {
    match unit.strip_prefix("bytes") {
        Some(per) => format!("{}{per}", amount(x, "bytes")),
        None if x == 1.0 => format!("1 {}", unit.trim_end_matches('s')),
        None => format!("{} {unit}", (x * 1000.0).round() / 1000.0),
    }
}

/// Whole micro-dollars, to the last digit.
pub fn money(micro: u64) -> String {
    format!("${}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

/// Dollars per hour more or less.
pub fn cost(per_hour: f64) -> String {
    match per_hour {
        x if x.abs() < 0.00005 => "nothing".to_owned(),
        x if x < 0.0 => format!("-${:.4}/h", -x),
        x if x < 0.1 => format!("+${x:.4}/h"),
        x => format!("+${x:.2}/h"),
    }
}

pub fn seconds(x: Option<f64>) -> String {
    x.map_or("—".to_owned(), |x| Secs(x).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!([money(833), money(12_000_001)], ["$0.000833", "$12.000001"]);
        assert_eq!(
            [rate(148.3), rate(3.24), rate(f64::MAX)],
            ["148/s", "3.2/s", "no limit seen"]
        );
        assert_eq!(rate_in(148.3, 139.0, 155.2), "148/s (139 to 155)");
        assert_eq!(
            [amount(0.0061, "servers"), amount(2e4, "bytes/s")],
            ["6.10 ms", "20 kB"]
        );
        assert_eq!(
            [capacity(1.0, "servers"), capacity(1.25e8, "bytes/s")],
            ["1 server", "125 MB/s"]
        );
        assert_eq!(
            [cost(0.0), cost(0.034), cost(-0.5)],
            ["nothing", "+$0.0340/h", "-$0.5000/h"]
        );
        assert_eq!([times(2.5), times(f64::INFINITY)], ["×2.50", "—"]);
    }
}
