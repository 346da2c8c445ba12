//! `plimsoll traces`: requests that are kept step by step, and one of them as a waterfall.

use crate::ask;
use crate::cli::traces::TracesArgs;
use crate::exit::{Exit, Failure};
use crate::terminal;
use ::traces::{Row, Summary, View};
use base::units::Secs;
use serde_json::Value;
use std::fmt::Write;

/// Width of the bars, and of what stands before them, characters.
const BAR: i64 = 40;
const NAME: usize = 44;
/// Deeper spans are not set in further.
const DEEPEST: u16 = 10;

pub fn run(args: &TracesArgs) -> Result<Exit, Failure> {
    let at = ask::console(&args.ask)?;
    let target = match &args.id {
        Some(id) => format!("/api/v1/traces/{}", ask::encode(id)),
        None => query(args),
    };
    let said: Value = ask::get(&at, &target)?;
    if args.ask.json {
        println!("{said}");
        return Ok(Exit::Ok);
    }
    let odd = |e: serde_json::Error| Failure::new(format!("the answer is not understood: {e}"));
    let page = match &args.id {
        Some(_) => one(&serde_json::from_value(said).map_err(odd)?),
        None => {
            let all: Vec<Summary> = serde_json::from_value(said["traces"].clone()).map_err(odd)?;
            list(&all, &said)
        }
    };
    print!("{page}");
    Ok(Exit::Ok)
}

fn query(args: &TracesArgs) -> String {
    let mut target = format!("/api/v1/traces?limit={}", args.limit);
    let texts = [("route", &args.route), ("status", &args.status)];
    for (key, value) in texts {
        if let Some(value) = value {
            let _ = write!(target, "&{key}={}", ask::encode(value));
        }
    }
    if let Some(min) = args.min {
        let _ = write!(target, "&min_ms={}", min.as_millis());
    }
    if let Some(since) = args.since {
        let _ = write!(target, "&since_s={}", since.as_secs());
    }
    target
}

fn list(all: &[Summary], said: &Value) -> String {
    let standing = &said["standing"];
    let mut out = String::new();
    if let Some(wrong) = standing["wrong"].as_str() {
        let _ = writeln!(out, "{wrong}");
    }
    if all.is_empty() {
        let number = standing["traces"].as_u64().unwrap_or(0);
        let _ = writeln!(
            out,
            "none of the {number} traces that are kept is like that"
        );
        return out;
    }
    let headings = [
        "trace", "when", "request", "status", "took", "kept as", "services", "spans", "lines",
    ];
    let mut table = terminal::table(&headings);
    for s in all {
        table.add_row(vec![
            format!("{:032x}", s.id),
            time(s.at_ms),
            format!("{} {}", s.method, or(&s.route, "no route")),
            s.status.to_string(),
            micros(s.duration_us),
            s.why.to_string(),
            s.services.join(", "),
            s.spans.to_string(),
            s.lines.to_string(),
        ]);
    }
    let _ = writeln!(out, "{table}");
    if said["next"].is_string() {
        let _ = writeln!(
            out,
            "there are more: --limit, --route, --status, --min and --since choose"
        );
    }
    out
}

fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}

fn one(v: &View) -> String {
    let s = &v.summary;
    let mut out = format!(
        "{} {}: {} in {}, kept as {}, {}\ntrace {:032x}\n\n",
        s.method,
        or(&s.route, "no route"),
        s.status,
        micros(s.duration_us),
        s.why,
        time(s.at_ms),
        s.id
    );
    let _ = writeln!(
        out,
        "{:NAME$} {:BAR$} {:>9} {:>9} {:>9}",
        "span",
        "",
        "took",
        "self",
        "critical",
        BAR = BAR as usize
    );
    for row in &v.rows {
        span(&mut out, row, v);
    }
    for note in &v.notes {
        let _ = writeln!(out, "{note}");
    }
    if !v.said.is_empty() {
        out.push_str("\nlog lines\n");
    }
    for l in &v.said {
        let at = signed(l.at_us);
        let (service, severity) = (plain(&l.service), l.severity.word());
        let more = if l.cut { " …" } else { "" };
        let text = plain(&l.text).replace('\n', "\n             ");
        let _ = writeln!(out, "{at:>10}  {severity:<7} {service}: {text}{more}");
    }
    out
}

fn span(out: &mut String, r: &Row, v: &View) {
    let depth = usize::from(r.depth.min(DEEPEST));
    let mark = if r.error { "! " } else { "" };
    let name = format!(
        "{}{mark}{}: {}",
        "  ".repeat(depth),
        plain(&r.service),
        plain(&r.name)
    );
    let name: String = name.replace('\n', " ").chars().take(NAME).collect();
    let critical = match r.critical_us {
        0 => "-".into(),
        us => micros(us),
    };
    let (took, own) = (micros(r.duration_us), micros(r.self_us));
    let _ = writeln!(
        out,
        "{name:NAME$} {} {took:>9} {own:>9} {critical:>9}",
        bar(r, v)
    );
    let told: Vec<String> = (r.attributes.iter())
        .map(|(k, value)| format!("{}={}", plain(k), plain(value).replace('\n', " ")))
        .collect();
    if !told.is_empty() {
        let _ = writeln!(out, "{}    {}", "  ".repeat(depth), told.join(" "));
    }
}

/// `=` is on the critical path, `-` beside it.
fn bar(r: &Row, v: &View) -> String {
    let all = i128::from(v.to_us.saturating_sub(v.from_us).max(1));
    let place = |us: i64| {
        let at = i128::from(BAR) * i128::from(us.saturating_sub(v.from_us)) / all;
        at.clamp(0, i128::from(BAR)) as usize
    };
    let from = place(r.start_us).min(BAR as usize - 1);
    let to = place(r.start_us.saturating_add_unsigned(r.duration_us)).max(from + 1);
    let mark = if r.critical_us > 0 { "=" } else { "-" };
    format!(
        "{:width$}",
        " ".repeat(from) + &mark.repeat(to - from),
        width = BAR as usize
    )
}

fn micros(us: u64) -> String {
    Secs(us as f64 / 1e6).to_string()
}

fn signed(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "+" };
    format!("{sign}{}", micros(us.unsigned_abs()))
}

fn time(at_ms: u64) -> String {
    let at = i64::try_from(at_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or(String::new(), |at| {
        at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    })
}

/// What services send goes to a terminal: no control characters but the end of a line.
fn plain(text: &str) -> String {
    let fit = |c: char| match c {
        '\n' => '\n',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(fit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::traces::{Head, Line, Severity, Span, Trace};

    #[test]
    fn a_trace_is_a_waterfall_with_its_lines_and_nothing_moves_the_terminal() {
        let ms = 1_000_000;
        let zero = 1_700_000_000_000 * ms;
        let span = |id, parent, service: &str, name: &str, from, to| Span {
            id,
            parent,
            service: service.into(),
            name: name.into(),
            start: zero + from * ms,
            end: zero + to * ms,
            ..Span::default()
        };
        let mut trace = Trace::new(0xabc);
        let head = Head {
            route: "home".into(),
            method: "GET".into(),
            status: 500,
            start: zero,
            end: zero + 100 * ms,
            why: "error".into(),
        };
        trace.add_request(head, vec![span(1, 0, "plimsoll", "GET /", 0, 100)]);
        trace.add_span(span(2, 1, "stock", "SELECT\x1b[2J", 50, 90));
        trace.add_line(Line {
            at: zero + 60 * ms,
            service: "stock".into(),
            severity: Severity::Error,
            text: "sold\nout\x1b[31m".into(),
            ..Line::default()
        });
        let page = one(&View::of(&trace));
        let bar = |name: &str, before, long| {
            format!("{name:NAME$} {}{}", " ".repeat(before), "=".repeat(long))
        };
        for line in [
            bar("plimsoll: GET /", 0, 40),
            bar("  stock: SELECT\u{fffd}[2J", 20, 16),
        ] {
            assert!(page.contains(&line), "{line}: {page}");
        }
        assert!(
            page.contains("GET home: 500 in 100 ms, kept as error, 2023-11-14 22:13:20 UTC"),
            "{page}"
        );
        assert!(
            page.contains("error   stock: sold\n             out\u{fffd}[31m"),
            "{page}"
        );
        assert!(!page.contains('\x1b'));
    }
}
