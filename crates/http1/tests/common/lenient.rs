//! A forgiving HTTP/1 reader, as a careless server behind us might have: LF ends lines, folds are joined,
//! odd lengths are taken. What we write must mean the same to it as to us.

/// Body length and total length of the first message in `bytes`, or none when it is not whole.
/// `te_wins`: what it believes when both lengths are given.
pub fn read(bytes: &[u8], is_request: bool, te_wins: bool) -> Option<(usize, usize)> {
    let (head_end, lines) = head(bytes)?;
    let mut length = None;
    let mut chunked = false;
    for line in &lines[1..] {
        let text = String::from_utf8_lossy(line).to_lowercase();
        let (name, value) = text.split_once(':')?;
        match name.trim() {
            "content-length" => {
                let digits: String = value
                    .trim()
                    .trim_start_matches('+')
                    .chars()
                    .take_while(char::is_ascii_digit)
                    .collect();
                length = digits.parse::<usize>().ok();
            }
            "transfer-encoding" => chunked = value.contains("chunked"),
            _ => {}
        }
    }
    let body = &bytes[head_end..];
    match (length, chunked) {
        (Some(n), false) => (body.len() >= n).then_some((n, head_end + n)),
        (Some(n), true) if !te_wins => (body.len() >= n).then_some((n, head_end + n)),
        (_, true) => {
            let (payload, used) = chunks(body)?;
            Some((payload, head_end + used))
        }
        (None, false) if is_request => Some((0, head_end)),
        (None, false) => Some((body.len(), bytes.len())),
    }
}

fn head(bytes: &[u8]) -> Option<(usize, Vec<Vec<u8>>)> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    loop {
        let end = at + bytes[at..].iter().position(|&b| b == b'\n')?;
        let line = bytes[at..end]
            .strip_suffix(b"\r")
            .unwrap_or(&bytes[at..end]);
        at = end + 1;
        match line.first() {
            None if lines.is_empty() => {}
            None => return Some((at, lines)),
            Some(b' ' | b'\t') if lines.len() > 1 => {
                lines.last_mut()?.extend_from_slice(line);
            }
            Some(_) => lines.push(line.to_vec()),
        }
    }
}

fn chunks(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut at, mut payload) = (0, 0);
    let line = |at: &mut usize| -> Option<Vec<u8>> {
        let end = *at + bytes.get(*at..)?.iter().position(|&b| b == b'\n')?;
        let line = bytes[*at..end].to_vec();
        *at = end + 1;
        Some(line)
    };
    loop {
        let text = line(&mut at)?;
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let digits = text.split(';').next()?.trim().trim_start_matches("0x");
        let size = usize::from_str_radix(digits, 16).ok()?;
        if size == 0 {
            while !line(&mut at)?.iter().all(|b| *b == b'\r') {}
            return Some((payload, at));
        }
        payload += size;
        at += size;
        line(&mut at)?;
    }
}

#[test]
fn it_is_lenient() {
    assert_eq!(
        read(b"POST / HTTP/1.1\nContent-Length: +2\n\nab", true, true),
        Some((2, 38))
    );
    let both =
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n";
    assert_eq!(read(both, true, true), Some((0, both.len())));
    assert_eq!(read(both, true, false), Some((1, both.len() - 4)));
}
