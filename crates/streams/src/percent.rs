//! Texts in paths, queries and headers. Pure.

/// Without its percent signs, which may stand for any text.
pub fn decoded(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            out.push(first);
            continue;
        }
        let hex = rest.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        let byte = hex
            .filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        let Some(byte) = byte else {
            return Err("a % is followed by two hexadecimal digits".into());
        };
        out.push(byte);
        rest = rest.get(2..).unwrap_or_default();
    }
    match String::from_utf8(out) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err("it is text in UTF-8".into()),
    }
}
