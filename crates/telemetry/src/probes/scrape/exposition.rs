//! Prometheus' text format (0.0.4), as far as sums of gauges and counters need it.

use config::selector::{Selector, labels};

/// The sum of all series that the selector matches; `None`: there is none.
pub fn sum(text: &str, selector: &Selector) -> Option<f64> {
    let values = text.lines().filter_map(|l| value(l, selector));
    values.fold(None, |sum, v| Some(sum.unwrap_or(0.0) + v))
}

/// The value of a line that the selector matches; a line that is none of the format's is nobody's.
fn value(line: &str, selector: &Selector) -> Option<f64> {
    let rest = line.trim_start().strip_prefix(selector.name.as_str())?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner)?,
        None if rest.starts_with([' ', '\t']) => (Vec::new(), rest),
        None => return None,
    };
    let has = |label: &(String, String)| labels.contains(label);
    let number = rest.split_whitespace().next()?;
    let number: f64 = number.parse().ok()?;
    (selector.labels.iter().all(has) && number.is_finite()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP up x\n# TYPE up gauge\nup 1\nup_since 9\n\
        cpu_seconds_total{mode=\"user\",q=\"a\\\"}b\"} 1.5e1 1700000000\n\
        cpu_seconds_total{mode=\"system\"} 2\ncpu_seconds_total{mode=\"idle\"} NaN\nbroken{ 3\nbroken{a=\"b\n";

    fn of(text: &str) -> Option<f64> {
        sum(PAGE, &Selector::parse(text).unwrap())
    }

    #[test]
    fn series_are_added_up() {
        assert_eq!(of("up"), Some(1.0));
        assert_eq!(of("cpu_seconds_total"), Some(17.0));
        assert_eq!(of("cpu_seconds_total{mode=\"user\"}"), Some(15.0));
        for none in [
            "cpu",
            "broken",
            "up{a=\"b\"}",
            "cpu_seconds_total{mode=\"idle\"}",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
