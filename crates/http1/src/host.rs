//! What a Host value may look like, and when two authorities are the same.

use crate::name::table;

/// For each byte whether it may stand in a name (RFC 3986 `reg-name`, without the comma).
const NAME: [bool; 256] = table(b"-._~%!$&'()*+;=");

/// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`; no user, path, comma or space.
pub(crate) fn is_valid(host: &[u8]) -> bool {
    let (name, port) = split_port(host);
    let name_ok = match name {
        [] => false,
        [b'[', inner @ .., b']'] => {
            !inner.is_empty()
                && inner
                    .iter()
                    .all(|&b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }
        _ => name.iter().all(|&b| NAME[b as usize]),
    };
    name_ok && port.is_none_or(|p| p.len() <= 5 && p.iter().all(u8::is_ascii_digit))
}

/// Equal without case, the scheme's default port being the same as none.
pub(crate) fn same(a: &[u8], b: &[u8], default_port: &[u8]) -> bool {
    let ((a, a_port), (b, b_port)) = (split_port(a), split_port(b));
    let a_port = a_port.filter(|p| !p.is_empty()).unwrap_or(default_port);
    let b_port = b_port.filter(|p| !p.is_empty()).unwrap_or(default_port);
    a.eq_ignore_ascii_case(b) && a_port == b_port
}

fn split_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    let after_bracket = host.iter().rposition(|&b| b == b']').map_or(0, |i| i + 1);
    match host[after_bracket..].iter().position(|&b| b == b':') {
        Some(i) => (
            &host[..after_bracket + i],
            Some(&host[after_bracket + i + 1..]),
        ),
        None => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in [
            "a",
            "a.example:80",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "a:",
        ] {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a b", "a,b", "u@a", "a/b", "a:b", "a:80:90", "[::1", "[]", "a:123456",
            "a\u{e9}",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
        assert!(same(b"A.example", b"a.example:80", b"80"));
        assert!(!same(b"a", b"b", b"80") && !same(b"a:81", b"a", b"80"));
    }
}
