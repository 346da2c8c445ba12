//! Statements and addresses without their values, so that the same call is the same text.

/// Longest text that is kept, bytes.
pub const LONGEST: usize = 160;

/// `SELECT a FROM t WHERE id IN (1, 2)` is `SELECT a FROM t WHERE id IN (?)`.
pub fn statement(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next().filter(|_| out.len() < LONGEST) {
        let (piece, after) = match c {
            '\'' => ("?", after_quote(rest)),
            '/' if rest.starts_with("/*") => (" ", rest.split_once("*/").map_or("", |p| p.1)),
            '-' if rest.starts_with("--") => (" ", rest.split_once('\n').map_or("", |p| p.1)),
            c if c.is_whitespace() => (" ", rest.trim_start()),
            ':' if rest.starts_with("::") => rest.split_at(2),
            '$' | ':' | '@' if named(&rest[1..]) > 0 && !rest[1..].starts_with(c) => {
                ("?", &rest[1 + named(&rest[1..])..])
            }
            '%' if rest.starts_with("%s") => ("?", &rest[2..]),
            c if c.is_ascii_digit() && !in_name(&out) => ("?", after_number(rest)),
            c => rest.split_at(c.len_utf8()),
        };
        if !(piece == " " && (out.is_empty() || out.ends_with(' '))) {
            out.push_str(piece);
        }
        rest = after;
    }
    let mut short = cut(out.trim_end(), LONGEST).to_owned();
    for list in ["?, ?", "?,?"] {
        while short.contains(list) {
            short = short.replace(list, "?");
        }
    }
    short
}

/// `http://stock:80/items/42?x=1` is `stock:80/items/{}`.
pub fn address(url: &str) -> String {
    let plain = url.split_once("://").map_or(url, |p| p.1);
    let plain = plain.split(['?', '#']).next().unwrap_or("");
    // Who calls is nobody's business here.
    let (host, path) = plain.split_once('/').unwrap_or((plain, ""));
    let host = host.rsplit('@').next().unwrap_or("");
    let value = |s: &str| s.bytes().any(|b| b.is_ascii_digit()) || s.len() > 40;
    let segment = |s| if value(s) { "{}" } else { s };
    let path: Vec<&str> = path.split('/').map(segment).collect();
    cut(&format!("{host}/{}", path.join("/")), LONGEST).to_owned()
}

/// At most `most` bytes, whole characters.
pub fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What follows a quoted text; quotes in it are doubled or escaped.
fn after_quote(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut i = 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'\'' if bytes.get(i + 1) == Some(&b'\'') => i += 2,
            b'\'' => return &text[i + 1..],
            _ => i += 1,
        }
    }
    ""
}

fn after_number(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.')
}

/// Length of a parameter's name.
fn named(text: &str) -> usize {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.find(|c| !part(c)).unwrap_or(text.len())
}

fn in_name(before: &str) -> bool {
    before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '`'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_and_names_are_not() {
        for (text, shape) in [
            (
                "SELECT a1 FROM t2 WHERE id = 42",
                "SELECT a1 FROM t2 WHERE id = ?",
            ),
            (
                "SELECT\n  1.5e3,'it''s' /* x */ -- y\n FROM t",
                "SELECT ? FROM t",
            ),
            ("a IN (1, 2,3)", "a IN (?)"),
            (
                "a = $1 AND b = :name AND c = %s AND d = @p1",
                "a = ? AND b = ? AND c = ? AND d = ?",
            ),
            ("a::text = 'x\\'y'", "a::text = ?"),
            ("GET key'open", "GET key?"),
            ("", ""),
        ] {
            assert_eq!(statement(text), shape, "{text}");
        }
        assert!(statement(&"ä".repeat(500)).len() <= LONGEST);
    }

    #[test]
    fn an_address_has_no_values_no_query_and_no_password() {
        assert_eq!(
            address("http://u:p@stock:80/items/42?x=1"),
            "stock:80/items/{}"
        );
        assert_eq!(address("stock"), "stock/");
        assert_eq!(address(""), "/");
    }
}
