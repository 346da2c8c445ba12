//! What one answer adds: numbers as text become whole millionths, or it is said why not.

use base::Amount;

/// Of one answer, in millionths: 10¹² of the unit. More is a mistake, and sums have room for millions of them.
const MOST: i64 = 1_000_000_000_000_000_000;
/// One answer that counts.
pub const ONE: i64 = 1_000_000;

/// What became of the number that an answer should tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// In millionths.
    Number(i64),
    /// It is not there.
    Absent,
    /// What is there is no number, or one that is out of all proportion.
    Malformed,
    /// The body is compressed, too long, or did not come whole.
    Unread,
}

/// A decimal number, `-` and an exponent included; rounded to millionths.
pub fn number(text: &str) -> Told {
    let micro = Amount::parse(text.trim()).map(Amount::micro);
    match micro.filter(|m| (-MOST..=MOST).contains(m)) {
        Some(micro) => Told::Number(micro),
        None => Told::Malformed,
    }
}

/// `application/json`, `application/problem+json`, whatever its parameters.
pub fn is_json(content_type: &[u8]) -> bool {
    let kind = content_type.split(|b| *b == b';').next();
    let kind = kind.unwrap_or_default().trim_ascii();
    let ends = |end: &[u8]| {
        let start = kind.len().checked_sub(end.len());
        start.is_some_and(|at| kind[at..].eq_ignore_ascii_case(end))
    };
    kind.eq_ignore_ascii_case(b"application/json") || ends(b"+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_what_is_none_is_said() {
        for (text, micro) in [
            ("19.99", 19_990_000),
            (" 7 ", 7_000_000),
            ("-0.000001", -1),
            ("0.30000000000000004", 300_000),
            ("1e3", 1_000_000_000),
            ("1000000000000", MOST),
        ] {
            assert_eq!(number(text), Told::Number(micro), "{text}");
        }
        for text in [
            "",
            "$5",
            "1,5",
            "1 2",
            "NaN",
            "1e99",
            "1000000000001",
            "0x10",
        ] {
            assert_eq!(number(text), Told::Malformed, "{text}");
        }
    }

    #[test]
    fn json_is_known_by_its_media_type() {
        for (kind, is) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.shop+json", true),
            ("text/html", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            assert_eq!(is_json(kind.as_bytes()), is, "{kind}");
        }
    }
}
