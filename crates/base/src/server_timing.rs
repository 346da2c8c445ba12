//! `Server-Timing` as upstreams send it: how long this request held and awaited each resource.
//!
//! `cpu;dur=3.1, lock.stock;dur=6.0;wait=2.2, pool.db;dur=20;wait=0;size=8, db;dur=4;calls=2;rows=900;returned=10`
//! Durations are milliseconds (as in the W3C document); `wait`, `size`, `calls`, `rows` and `returned` are our parameters.

/// One metric of the header. Names that do not start with `cpu lock pool slots db disk` are skipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric<'a> {
    /// `lock.stock`: class and, after the dot, which one.
    pub name: &'a str,
    /// Held or used, milliseconds.
    pub dur_ms: f64,
    pub wait_ms: Option<f64>,
    /// Slots or servers of the resource.
    pub size: Option<f64>,
    pub calls: Option<f64>,
    pub rows: Option<f64>,
    pub returned: Option<f64>,
}

const CLASSES: [&str; 6] = ["cpu", "lock", "pool", "slots", "db", "disk"];

/// The metrics of one header value, in order; malformed ones are skipped, never an error.
pub fn parse(value: &str) -> impl Iterator<Item = Metric<'_>> {
    value.split(',').take(32).filter_map(metric)
}

fn metric(text: &str) -> Option<Metric<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?;
    let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if name.len() > 64 || !name.bytes().all(token) || !CLASSES.contains(&name.split('.').next()?) {
        return None;
    }
    let mut m = Metric {
        name,
        dur_ms: 0.0,
        wait_ms: None,
        size: None,
        calls: None,
        rows: None,
        returned: None,
    };
    let mut told = false;
    for part in parts {
        let Some((key, v)) = part.split_once('=') else {
            continue;
        };
        let Some(v) = v
            .trim()
            .trim_matches('"')
            .parse::<f64>()
            .ok()
            .filter(|v| v.is_finite() && *v >= 0.0)
        else {
            continue;
        };
        match key.trim() {
            "dur" => (m.dur_ms, told) = (v, true),
            "wait" => m.wait_ms = Some(v),
            "size" => m.size = Some(v),
            "calls" => m.calls = Some(v),
            "rows" => m.rows = Some(v),
            "returned" => m.returned = Some(v),
            _ => {}
        }
    }
    told.then_some(m)
}

/// The resource's name in the demand matrix: `lock.stock` of service `front` is `lock.front.stock`.
pub fn resource_name(metric: &str, service: &str) -> String {
    match metric.split_once('.') {
        Some((class, detail)) => format!("{class}.{service}.{detail}"),
        None => format!("{metric}.{service}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_an_upstream_says_and_skips_the_rest() {
        let v = "cpu;dur=3.1, lock.stock;dur=6;wait=2.2, cache;desc=x, db;dur=4;calls=2;rows=900;returned=10, pool;size=8";
        let all: Vec<_> = parse(v).collect();
        assert_eq!(all.len(), 3);
        assert_eq!((all[1].name, all[1].wait_ms), ("lock.stock", Some(2.2)));
        assert_eq!(all[2].rows, Some(900.0));
        assert_eq!(resource_name("lock.stock", "front"), "lock.front.stock");
        assert_eq!(resource_name("cpu", "front"), "cpu.front");
    }

    #[test]
    fn hostile_values_are_skipped() {
        assert_eq!(
            parse("cpu;dur=NaN, cpu;dur=-1, cpu;dur=inf, cpu, ;;;,,, db;dur=\"").count(),
            0
        );
    }
}
