//! Keys as subjects: each part between slashes is a token, so that a prefix that ends with a slash is a wildcard, and
//! `nats kv get BUCKET state.carts.ann` finds what is under `state/carts/ann`.

/// What a part that is empty is written as; else `=` begins two hexadecimal digits.
const EMPTY: &str = "=";

/// Under which a key is stored.
pub fn subject(bucket: &str, key: &str) -> String {
    let mut out = beginning(bucket);
    tokens(key, &mut out);
    out
}

fn tokens(key: &str, out: &mut String) {
    for (i, part) in key.split('/').enumerate() {
        if i > 0 {
            out.push('.');
        }
        token(part, out);
    }
}

/// The key that is stored there; `None`: something else is.
pub fn key(bucket: &str, subject: &str) -> Option<String> {
    let tokens = subject.strip_prefix(beginning(bucket).as_str())?;
    let parts: Option<Vec<String>> = tokens.split('.').map(part).collect();
    Some(parts?.join("/"))
}

/// Subjects of all keys that begin so, and maybe of others.
pub fn filter(bucket: &str, prefix: &str) -> String {
    let mut out = beginning(bucket);
    if let Some((whole, _)) = prefix.rsplit_once('/') {
        for part in whole.split('/') {
            token(part, &mut out);
            out.push('.');
        }
    }
    out.push('>');
    out
}

/// Under which the appends to a stream of events are, in the stream of JetStream that has them all.
pub fn of_stream(events: &str, stream: &str) -> String {
    let mut out = format!("{events}.");
    tokens(stream, &mut out);
    out
}

/// Under which what is of all streams is: no stream has an empty name.
pub fn of_all(events: &str) -> String {
    of_stream(events, "")
}

fn beginning(bucket: &str) -> String {
    format!("$KV.{bucket}.")
}

fn token(part: &str, out: &mut String) {
    if part.is_empty() {
        out.push_str(EMPTY);
    }
    for b in part.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(b as char),
            b => out.push_str(&format!("={b:02X}")),
        }
    }
}

fn part(token: &str) -> Option<String> {
    if token == EMPTY {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'=' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|p| !p.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        assert_eq!(
            subject("b", "state/carts/ann-7_x"),
            "$KV.b.state.carts.ann-7_x"
        );
        for k in [
            "a", "/", "a//b/", "=", "=3D", "*", ">", "ü 🚢", "a.b", "\u{0}",
        ] {
            let s = subject("b", k);
            let tokens = s.split('.').skip(2);
            assert!(tokens.clone().all(|t| !t.is_empty()), "{s}");
            assert!(s.bytes().all(|b| b > b' ' && !b"*>/".contains(&b)), "{s}");
            assert_eq!(key("b", &s).as_deref(), Some(k));
        }
        for odd in ["$KV.c.a", "$KV.b.", "$KV.b.=4", "$KV.b.=zz", "$KV.b.=FF"] {
            assert_eq!(key("b", odd), None, "{odd}");
        }
    }

    #[test]
    fn each_stream_of_events_has_a_subject_of_its_own() {
        assert_eq!(of_stream("p_events", "order-7"), "p_events.order-7");
        assert_eq!(of_stream("p_events", "a/b.c"), "p_events.a.b=2Ec");
        assert_eq!(of_all("p_events"), "p_events.=");
        assert_eq!(of_stream("p_events", "/"), "p_events.=.=");
        assert_eq!(of_stream("p_events", "="), "p_events.=3D");
    }

    #[test]
    fn a_filter_takes_whole_parts() {
        assert_eq!(filter("b", ""), "$KV.b.>");
        assert_eq!(filter("b", "carts"), "$KV.b.>");
        assert_eq!(filter("b", "state/carts/"), "$KV.b.state.carts.>");
        assert_eq!(filter("b", "state/car"), "$KV.b.state.>");
        assert_eq!(filter("b", "/"), "$KV.b.=.>");
    }
}
