//! The keys of a number of the business, and how they are read.

use super::*;

pub const MEASURE: &[Field<Measure>] = &[
    key!(
        "status" = "2xx",
        Kind::Statuses,
        "201",
        "which answers count: a status, a class such as `2xx`, or a list of them",
        |m, n, cx| {
            let all = cx.list(n, |cx, n| status(n, cx));
            if !all.is_empty() {
                m.status = all;
            }
        }
    ),
    key!(
        "header",
        Kind::Text,
        "X-Order-Total",
        "sum of the number in this header of the answer; without `header` and `json`, each answer counts as one",
        |m, n, cx| {
            if let Some(name) = route::header(n, cx) {
                m.term = Term::Header(name);
            }
        }
    ),
    key!(
        "json",
        Kind::Text,
        "/items/0/qty",
        "sum of the number at this place (JSON pointer) of an answer in JSON that is not compressed",
        |m, n, cx| {
            if let Some(pointer) = pointer(n, cx) {
                m.term = Term::Json(pointer);
            }
        }
    ),
    key!(
        "unit",
        Kind::Text,
        "usd",
        "what is summed, for people and as a label: letters, digits and `_`, 16 at most",
        |m, n, cx| put!(m.unit, unit(n, cx))
    ),
    key!(
        "max_body" = "64KiB",
        Kind::Bytes,
        "64KiB",
        "a longer body is not read, and counted as unread; from 1KiB to 1MiB",
        |m, n, cx| put!(m.max_body, cx.bytes_within(n, 1 << 10, 1 << 20))
    ),
];

/// `name: section` pairs of a route.
pub(super) fn read(n: &Node, cx: &mut Cx) -> Vec<Measure> {
    let named = cx.named("business", n);
    if named.len() > MOST_OF_ROUTE {
        let what = format!("a route has at most {MOST_OF_ROUTE} numbers of the business");
        cx.error(n, "config-too-many", what).why = "each is kept for weeks".into();
    }
    let one = |cx: &mut Cx, name: &str, n: &Node| {
        let mut measure = Measure::named(name);
        cx.section("business", n, MEASURE, &mut measure);
        if n.get("header").is_some() && n.get("json").is_some() {
            cx.error(
                n,
                "config-business",
                format!("`{name}` is read from two places"),
            )
            .help = "keep `header` or `json`, and give the other a name of its own".into();
        }
        measure
    };
    let all = named.iter().take(MOST_OF_ROUTE);
    all.map(|(name, n)| one(cx, name, n)).collect()
}

fn status(n: &Node, cx: &mut Cx) -> Option<(u16, u16)> {
    let text = cx.text(n)?;
    let class = text.strip_suffix("xx").and_then(|c| c.parse::<u16>().ok());
    let range = match (class, text.parse::<u16>()) {
        (Some(c @ 2..=5), _) => Some((c * 100, c * 100 + 99)),
        (_, Ok(s @ 200..=599)) => Some((s, s)),
        _ => None,
    };
    if range.is_none() {
        cx.error(
            n,
            "config-value",
            format!("`{text}` is no status of an answer"),
        )
        .help = "write one such as `201`, or a class such as `2xx`".into();
    }
    range
}

fn pointer(n: &Node, cx: &mut Cx) -> Option<String> {
    let text = cx.text(n)?;
    let escapes = text.split('~').skip(1).all(|t| t.starts_with(['0', '1']));
    if !text.starts_with('/') || !escapes || text.len() > 256 {
        cx.error(n, "config-value", format!("`{text}` is no JSON pointer"))
            .help =
            "write it like `/items/0/qty`; `~1` stands for `/` in a name, `~0` for `~`".into();
        return None;
    }
    Some(text)
}

fn unit(n: &Node, cx: &mut Cx) -> Option<String> {
    let text = cx.text(n)?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if text.len() > 16 || !text.bytes().all(good) {
        cx.error(n, "config-value", format!("`{text}` cannot be a unit"))
            .help = "use letters, digits and `_`, at most 16, such as `usd`".into();
        return None;
    }
    Some(text)
}
