//! Percent signs put into texts for paths and queries, and taken out of them (RFC 3986, 2.1). Strict: what cannot be read is an
//! error.

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Behind a percent sign stand no two hexadecimal digits.
    Digits,
    /// What they stand for is no UTF-8, or has a zero byte in it.
    Text,
}

/// The text without its percent signs, which may stand for any other.
///
/// # Errors
/// What is wrong with it.
pub fn decoded(text: &str) -> Result<String, Wrong> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            out.push(first);
            continue;
        }
        let [high, low, tail @ ..] = rest else {
            return Err(Wrong::Digits);
        };
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(Wrong::Digits);
        };
        out.push(high << 4 | low);
        rest = tail;
    }
    match String::from_utf8(out) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(Wrong::Text),
    }
}

/// A text as one part of a path, or as a value in a query.
pub fn encoded(text: &str) -> String {
    let one = |b: u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(b).to_string()
        }
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_taken_out() {
        assert_eq!(encoded("a b/ü~"), "a%20b%2F%C3%BC~");
        assert_eq!(decoded(&encoded("a b/ü%~")), Ok("a b/ü%~".into()));
    }

    #[test]
    fn a_text_stands_for_another_or_is_wrong() {
        assert_eq!(decoded("a%20%C3%BC%2f+b"), Ok("a ü/+b".into()));
        assert_eq!(decoded(""), Ok(String::new()));
        for text in ["%", "%2", "%zz", "%+1", "a%2"] {
            assert_eq!(decoded(text), Err(Wrong::Digits), "{text}");
        }
        for text in ["%ff", "%00", "a\0"] {
            assert_eq!(decoded(text), Err(Wrong::Text), "{text}");
        }
    }
}
