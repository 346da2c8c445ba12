//! Comparing what somebody shows with a secret.

/// Whether they are the same. Takes the same time wherever they differ, so that nobody finds a secret byte by byte.
pub fn same(shown: &[u8], secret: &[u8]) -> bool {
    let differ = |(a, b): (&u8, &u8)| a ^ b;
    shown.len() == secret.len()
        && shown
            .iter()
            .zip(secret)
            .map(differ)
            .fold(0, |sum, d| sum | d)
            == 0
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        assert!(same(b"abc", b"abc") && same(b"", b""));
        for shown in [&b"abd"[..], b"ab", b"abcd", b"", b"Abc"] {
            assert!(!same(shown, b"abc"));
        }
    }
}
