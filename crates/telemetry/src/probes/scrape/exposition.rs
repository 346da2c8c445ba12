//! Prometheus' text format (0.0.4), as far as sums of gauges and counters need it.

use config::selector::Selector;

/// The sum of all series that the selector matches; `None`: there is none.
pub fn sum(text: &str, selector: &Selector) -> Option<f64> {
    let values = text.lines().filter_map(|l| value(l, selector));
    values.fold(None, |sum, v| Some(sum.unwrap_or(0.0) + v))
}

/// The value of a line that the selector matches; a line that is none of the format's is nobody's.
fn value(line: &str, selector: &Selector) -> Option<f64> {
    let rest = line.trim_start().strip_prefix(selector.name.as_str())?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => split_labels(inner)?,
        None if rest.starts_with([' ', '\t']) => (Vec::new(), rest),
        None => return None,
    };
    let has =
        |(k, v): &(String, String)| labels.iter().any(|(name, value)| name == k && value == v);
    let number = rest.split_whitespace().next()?;
    let number: f64 = number.parse().ok()?;
    (selector.labels.iter().all(has) && number.is_finite()).then_some(number)
}

type Labels<'a> = Vec<(&'a str, String)>;

/// Up to and without the closing brace; values may hold escaped quotes.
fn split_labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((all, after));
        }
        let (name, after) = rest.split_once('=')?;
        let mut chars = after.strip_prefix('"')?.char_indices();
        let mut value = String::new();
        rest = loop {
            match chars.next()? {
                (i, '"') => break &after[i + 2..],
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    c => c,
                }),
                (_, c) => value.push(c),
            }
        };
        all.push((name.trim(), value));
    }
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
