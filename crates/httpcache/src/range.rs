//! Byte ranges (RFC 9110 14). Pure. Several ranges at once are not answered in parts: the whole is.

/// One range as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    From(u64),
    /// Both included.
    Between(u64, u64),
    Last(u64),
}

/// What is stored of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub first: u64,
    /// Bytes of the whole.
    pub total: u64,
    /// The `Range` that brought it: the same question gets the same answer.
    pub asked: Box<[u8]>,
}

/// `None`: no single byte range, so the field is as good as absent.
pub fn parse(value: &[u8]) -> Option<Range> {
    let text = std::str::from_utf8(value).ok()?;
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (number(first), number(last)) {
        (Some(first), _) if last.is_empty() => Some(Range::From(first)),
        (Some(first), Some(last)) if first <= last => Some(Range::Between(first, last)),
        (_, Some(last)) if first.is_empty() => Some(Range::Last(last)),
        _ => None,
    }
}

/// First and last byte of the range in `total` bytes; `None`: there are none.
#[inline]
pub fn within(range: Range, total: u64) -> Option<(u64, u64)> {
    let end = total.checked_sub(1)?;
    match range {
        Range::From(first) if first <= end => Some((first, end)),
        Range::Between(first, last) if first <= end => Some((first, last.min(end))),
        Range::Last(n) if n > 0 => Some((total.saturating_sub(n), end)),
        _ => None,
    }
}

/// `Content-Range: bytes 5-9/10` as first, last and total. An unknown total is none: nothing could be built of it.
pub fn content(value: &[u8]) -> Option<(u64, u64, u64)> {
    let text = std::str::from_utf8(value).ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    (first <= last && last < total).then_some((first, last, total))
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_range_of_bytes() {
        assert_eq!(parse(b"bytes=0-1"), Some(Range::Between(0, 1)));
        assert_eq!(parse(b"Bytes = 5-"), Some(Range::From(5)));
        assert_eq!(parse(b"bytes=-5"), Some(Range::Last(5)));
        for bad in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=2-1",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=a-",
            "bytes=+1-2",
            "bytes=99999999999999999999-",
            "bytes=0-x",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_range_ends_where_the_bytes_end() {
        assert_eq!(within(Range::From(3), 10), Some((3, 9)));
        assert_eq!(within(Range::Between(3, 99), 10), Some((3, 9)));
        assert_eq!(within(Range::Last(3), 10), Some((7, 9)));
        assert_eq!(within(Range::Last(30), 10), Some((0, 9)));
        for (range, total) in [
            (Range::From(10), 10),
            (Range::Last(0), 10),
            (Range::From(0), 0),
            (Range::Last(1), 0),
        ] {
            assert_eq!(within(range, total), None, "{range:?}");
        }
    }

    #[test]
    fn a_content_range_must_make_sense() {
        assert_eq!(content(b"bytes 4-9/10"), Some((4, 9, 10)));
        for bad in [
            "bytes 4-9/*",
            "bytes 4-10/10",
            "bytes 9-4/10",
            "bytes */10",
            "4-9/10",
            "",
        ] {
            assert_eq!(content(bad.as_bytes()), None, "{bad}");
        }
    }
}
