//! Short text without the heap.

use std::fmt::Write;
use std::net::Ipv4Addr;

/// Text on the stack; what does not fit is cut from the front, where the least trusted part is.
pub(super) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Text {
            bytes: [0; N],
            len: 0,
        }
    }
}

impl<const N: usize> Text<N> {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub fn push(&mut self, s: &[u8]) {
        if self.len + s.len() > N {
            self.len = 0;
        }
        let s = &s[s.len().saturating_sub(N)..];
        self.bytes[self.len..self.len + s.len()].copy_from_slice(s);
        self.len += s.len();
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        self.push(s.as_bytes());
        Ok(())
    }
}

/// Without the formatter, which costs more than the rest of the line.
pub(super) fn push_v4<const N: usize>(text: &mut Text<N>, address: Ipv4Addr) {
    for (i, octet) in address.octets().into_iter().enumerate() {
        let digits = [octet / 100, octet / 10 % 10, octet % 10].map(|d| b'0' + d);
        let zeros = usize::from(octet < 100) + usize::from(octet < 10);
        if i > 0 {
            text.push(b".");
        }
        text.push(&digits[zeros..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_formatter_writes_them() {
        for address in [
            [0, 9, 10, 99],
            [100, 101, 199, 200],
            [255, 250, 205, 1],
            [127, 0, 0, 1],
        ] {
            let mut text = Text::<512>::default();
            push_v4(&mut text, address.into());
            assert_eq!(text.bytes(), Ipv4Addr::from(address).to_string().as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_from_the_front() {
        let mut text = Text::<8>::default();
        text.push(b"12345");
        text.push(b"6789");
        assert_eq!(text.bytes(), b"6789");
        text.push(b"a longer text");
        assert_eq!(text.bytes(), b"ger text");
    }
}
