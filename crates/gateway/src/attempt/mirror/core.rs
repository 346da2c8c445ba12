//! Comparing answers. A difference between two services means something only beside the differences between two answers
//! of one: dates, ids and orders differ by themselves (after Twitter's Diffy). Pure.

use sha2::{Digest, Sha256};

/// Bytes of a body that are looked at; of longer ones the rest is not compared.
pub const BODY: usize = 256 * 1024;

/// What of an answer is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// In the order in which they are asked for.
    pub headers: Vec<Option<Vec<u8>>>,
    pub body: [u8; 32],
}

/// A body as it passes.
#[derive(Debug, Default)]
pub struct Hashed {
    hash: Sha256,
    length: usize,
}

impl Hashed {
    pub fn add(&mut self, data: &[u8]) {
        let room = BODY.saturating_sub(self.length).min(data.len());
        self.hash.update(&data[..room]);
        self.length += room;
    }

    pub fn done(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

/// Which parts of two answers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differs {
    pub status: bool,
    pub headers: bool,
    pub body: bool,
}

impl Differs {
    pub fn between(a: &Answer, b: &Answer) -> Differs {
        Differs {
            status: a.status != b.status,
            headers: a.headers != b.headers,
            body: a.body != b.body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &str, body: &[u8]) -> Answer {
        let mut hashed = Hashed::default();
        body.chunks(3).for_each(|part| hashed.add(part));
        Answer {
            status,
            headers: vec![Some(kind.as_bytes().to_vec()), None],
            body: hashed.done(),
        }
    }

    #[test]
    fn each_part_is_told_apart_however_the_bytes_came() {
        let one = answer(200, "text/plain", b"hello");
        let mut whole = Hashed::default();
        whole.add(b"hello");
        assert_eq!(whole.done(), one.body);
        assert_eq!(Differs::between(&one, &one), Differs::default());
        let differs = |other| {
            let d = Differs::between(&one, &other);
            [d.status, d.headers, d.body]
        };
        assert_eq!(
            differs(answer(404, "text/plain", b"hello")),
            [true, false, false]
        );
        assert_eq!(
            differs(answer(200, "text/html", b"hello")),
            [false, true, false]
        );
        assert_eq!(
            differs(answer(200, "text/plain", b"hullo")),
            [false, false, true]
        );
    }

    #[test]
    fn what_is_beyond_the_bound_is_not_looked_at() {
        let of = |length: usize, last: u8| {
            let mut body = vec![7; length];
            body.push(last);
            answer(200, "", &body)
        };
        assert_eq!(of(BODY, 1), of(BODY, 2));
        assert_ne!(of(BODY - 1, 1), of(BODY - 1, 2));
    }
}
