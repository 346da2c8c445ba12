//! One number of a document in JSON: everything beside its place is passed over, and nothing is kept.

use super::core::{Told, number};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A JSON pointer (RFC 6901) as its parts.
pub fn parts(pointer: &str) -> Box<[String]> {
    let part = |p: &str| p.replace("~1", "/").replace("~0", "~");
    pointer.split('/').skip(1).map(part).collect()
}

/// What stands there. A number as a text counts, too: many write amounts so. Of equal names the last counts.
pub fn at(body: &[u8], parts: &[String]) -> Told {
    let mut document = serde_json::Deserializer::from_slice(body);
    let told = At(parts).deserialize(&mut document);
    match (told, document.end()) {
        (Ok(told), Ok(())) => told,
        _ => Told::Malformed,
    }
}

/// What is left of the way.
#[derive(Clone, Copy)]
struct At<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Told;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Told, D::Error> {
        d.deserialize_any(self)
    }
}

impl At<'_> {
    /// A number, if the way ends here.
    fn end(&self, text: &str) -> Told {
        match self.0 {
            [] => number(text),
            _ => Told::Absent,
        }
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Told;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<Told, E> {
        Ok(Told::Absent)
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Told, E> {
        Ok(self.end("no number"))
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<Told, E> {
        Ok(self.end(&n.to_string()))
    }
    fn visit_i64<E: Error>(self, n: i64) -> Result<Told, E> {
        Ok(self.end(&n.to_string()))
    }
    /// The shortest text that is this number is what was written, up to 15 digits.
    fn visit_f64<E: Error>(self, n: f64) -> Result<Told, E> {
        Ok(self.end(&format!("{n:e}")))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Told, E> {
        Ok(self.end(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Told, A::Error> {
        let Some((name, rest)) = self.0.split_first() else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Told::Malformed);
        };
        let mut told = Told::Absent;
        while let Some(is) = map.next_key_seed(Is(name))? {
            match is {
                true => told = map.next_value_seed(At(rest))?,
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(told)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Told, A::Error> {
        let place = self.0.split_first();
        let wanted = place.and_then(|(name, _)| index(name));
        for _ in 0..wanted.unwrap_or(0) {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(Told::Absent);
            }
        }
        let told = match (place, wanted) {
            (None, _) => Told::Malformed,
            (Some((_, rest)), Some(_)) => seq.next_element_seed(At(rest))?.unwrap_or(Told::Absent),
            (Some(_), None) => Told::Absent,
        };
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(told)
    }
}

/// Without zeros in front (RFC 6901).
fn index(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|b| b.is_ascii_digit());
    let plain = name == "0" || !name.starts_with('0');
    (digits && plain).then(|| name.parse().ok())?
}

/// Whether a name is this one.
struct Is<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<bool, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(body: &str, pointer: &str) -> Told {
        at(body.as_bytes(), &parts(pointer))
    }

    #[test]
    fn numbers_are_found_by_their_place() {
        let body = r#"{"id":7,"items":[{"qty":3},{"qty":2.50}],"total":"19.99","a/b":{"~":-1},
            "none":null,"big":12345678.901234,"tiny":1e-6,"list":[1],"twice":1,"twice":2}"#;
        for (pointer, micro) in [
            ("/items/0/qty", 3_000_000),
            ("/items/1/qty", 2_500_000),
            ("/total", 19_990_000),
            ("/a~1b/~0", -1_000_000),
            ("/big", 12_345_678_901_234),
            ("/tiny", 1),
            ("/twice", 2_000_000),
        ] {
            assert_eq!(told(body, pointer), Told::Number(micro), "{pointer}");
        }
        for pointer in [
            "/nothing",
            "/none",
            "/items/2/qty",
            "/items/00/qty",
            "/items/x",
            "/id/x",
        ] {
            assert_eq!(told(body, pointer), Told::Absent, "{pointer}");
        }
        for pointer in ["/items", "/list", "/items/0"] {
            assert_eq!(told(body, pointer), Told::Malformed, "{pointer}");
        }
    }

    #[test]
    fn what_is_no_whole_document_counts_for_nothing() {
        let deep = "[".repeat(100_000);
        for body in ["", "{\"a\":1", "{\"a\":1} x", "{\"a\":1,}", &deep] {
            assert_eq!(told(body, "/a"), Told::Malformed);
        }
    }

    proptest! {
        #[test]
        fn cents_come_back_whatever_their_size(cents in -1_000_000_000_000i64..1_000_000_000_000) {
            let text = format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100);
            prop_assert_eq!(told(&format!("{{\"v\":{text}}}"), "/v"), Told::Number(cents * 10_000));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(body: Vec<u8>) {
            let _ = at(&body, &parts("/a/0"));
        }
    }
}
