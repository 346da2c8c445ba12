//! The page against a strict reader of the format.

use super::*;
use base::{Nanos, ResourceCell, Sample, SampleKind};
use std::collections::BTreeSet;

#[derive(Debug)]
struct Row {
    name: String,
    labels: Labels,
    value: f64,
}

fn name_ok(n: &str) -> bool {
    let mut b = n.bytes();
    b.next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == b'_' || c == b':')
        && b.all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b':')
}

type Labels = Vec<(String, String)>;

fn labels(text: &str) -> Result<(Labels, &str), String> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once("=\"").ok_or("label without value")?;
        if !name_ok(key) || key.contains(':') {
            return Err(format!("bad label {key}"));
        }
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().ok_or("open quote")? {
                (i, '"') => break i,
                (_, '\\') => match chars.next().ok_or("open escape")?.1 {
                    'n' => value.push('\n'),
                    c @ ('\\' | '"') => value.push(c),
                    c => return Err(format!("bad escape {c}")),
                },
                (_, c) => value.push(c),
            }
        };
        out.push((key.to_owned(), value));
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(r) => rest = r,
            None => return Ok((out, rest.strip_prefix('}').ok_or("no closing brace")?)),
        }
    }
}

/// Reads a page and refuses what `promtool check metrics` would.
fn strict(page: &str) -> Result<Vec<Row>, String> {
    if !page.ends_with('\n') {
        return Err("no newline at the end".into());
    }
    let mut rows = Vec::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let (mut done, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut help = None;
    for line in page.lines() {
        if let Some(h) = line.strip_prefix("# HELP ") {
            let (n, text) = h.split_once(' ').ok_or("help without text")?;
            if !text.ends_with('.') {
                return Err(format!("help of {n} is no sentence"));
            }
            help = Some(n.to_owned());
        } else if let Some(t) = line.strip_prefix("# TYPE ") {
            let (n, k) = t.split_once(' ').ok_or("type without kind")?;
            if help.take().as_deref() != Some(n) || !name_ok(n) || !done.insert(n.to_owned()) {
                return Err(format!("family {n} without help, misnamed or twice"));
            }
            if !["counter", "gauge", "histogram"].contains(&k) {
                return Err(format!("kind {k}"));
            }
            if (k == "counter") != n.ends_with("_total") {
                return Err(format!("counters, and only they, end in _total: {n}"));
            }
            (family, kind) = (n.to_owned(), k.to_owned());
        } else {
            let (head, value) = line.rsplit_once(' ').ok_or("no value")?;
            let (name, labels) = match head.split_once('{') {
                Some((n, l)) => {
                    let (labels, rest) = labels(l)?;
                    if !rest.is_empty() {
                        return Err(format!("rest {rest}"));
                    }
                    (n, labels)
                }
                None => (head, Vec::new()),
            };
            let suffix = name
                .strip_prefix(family.as_str())
                .ok_or(format!("{name} outside its family"))?;
            let fits = match kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                _ => suffix.is_empty(),
            };
            let value = match value {
                "+Inf" => f64::INFINITY,
                v => v.parse().map_err(|_| format!("value {v}"))?,
            };
            if !fits || !seen.insert(head.to_owned()) {
                return Err(format!("{head} does not fit or comes twice"));
            }
            rows.push(Row {
                name: name.to_owned(),
                labels,
                value,
            });
        }
    }
    Ok(rows)
}

fn page() -> String {
    let names = Names::default();
    let route = names.routes.intern("a \"quoted\"\\\nroute");
    let instance = names.instances.intern("shop/127.0.0.1:1");
    let mut totals = Totals::default();
    for (i, status) in [200u16, 200, 404, 503, 0].into_iter().enumerate() {
        let mut s = Sample::new(SampleKind::Request, route, Nanos::ZERO);
        s.status = status;
        s.end = Nanos::from_secs_f64(0.004 * (1 << (3 * i)) as f64);
        s.parent = names.routes.intern("caller");
        totals.push(&s);
        s.kind = SampleKind::Attempt;
        totals.push(&s);
    }
    let mut window = Window::default();
    for (name, busy) in [("cpu.shop", 0.5), ("net.host.eth0", 1.0)] {
        window.resources.push(ResourceCell {
            resource: names.resources.intern(name),
            instance,
            busy,
            capacity: (busy < 1.0).then_some(2.0),
            waiting: None,
            level: None,
            background: None,
        });
    }
    render(&View {
        totals: &totals,
        exemplars: false,
        stats: &Stats::default(),
        notes: &[ProbeNote {
            probe: "cpu",
            about: "x".into(),
            text: "y".into(),
            blind: true,
        }],
        in_flight: &[(instance, 3)],
        window: Some(&window),
        names: &names,
        process: Process::read(),
    })
}

#[test]
fn the_page_passes_a_strict_reader() {
    let rows = strict(&page()).unwrap();
    let get = |name: &str| rows.iter().filter(|r| r.name == name).collect::<Vec<_>>();
    let ok = get("plimsoll_requests_total");
    assert_eq!(ok.len(), 4);
    assert_eq!(ok[0].labels[0].1, "a \"quoted\"\\\nroute");
    assert_eq!(get("plimsoll_resource_utilisation_ratio")[0].value, 0.25);
    assert_eq!(get("plimsoll_attempts_in_flight")[0].value, 3.0);
    assert!(get("process_resident_memory_bytes")[0].value > 0.0);
    let calls = get("plimsoll_calls_total");
    assert_eq!((calls.len(), calls[0].value), (1, 5.0));
    assert_eq!(calls[0].labels[0], ("parent".into(), "caller".into()));
    let started = get("process_start_time_seconds")[0].value;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!(now - 86_400.0 < started && started < now + 2.0, "{started}");
    let buckets = get("plimsoll_request_duration_seconds_bucket");
    assert_eq!(buckets.len(), BOUNDS.len() + 1);
    assert!(buckets.windows(2).all(|w| w[0].value <= w[1].value));
    let last = buckets.last().unwrap();
    assert!(last.labels.contains(&("le".into(), "+Inf".into())));
    assert_eq!(
        last.value,
        get("plimsoll_request_duration_seconds_count")[0].value
    );
}

#[test]
fn the_strict_reader_is_strict() {
    for bad in [
        "x 1\n",
        "# HELP x_total Y.\n# TYPE x_total gauge\nx_total 1\n",
        "# HELP x Y.\n# TYPE x gauge\nx 1\nx 1\n",
        "# HELP x Y.\n# TYPE x gauge\nx{a=\"b} 1\n",
        "# HELP x Y.\n# TYPE x gauge\nx one\n",
        "# HELP x Y.\n# TYPE x gauge\nx 1",
    ] {
        assert!(strict(bad).is_err(), "{bad}");
    }
}

#[test]
fn when_a_process_started() {
    let hz = rustix::param::clock_ticks_per_second();
    let own = format!("7 (a b) c) S 1 {}{} 0", "0 ".repeat(17), 30 * hz);
    let all = "cpu 1 2\nbtime 1700000000\nprocesses 9\n";
    assert_eq!(started(&own, all), Some(1_700_000_030.0));
    assert_eq!(started("7 (a) S", all), None);
    assert_eq!(started(&own, "cpu 1\n"), None);
}
