//! Texts with names in braces, filled in from a request: `order/{id}`, `{header.x-customer}`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Piece {
    Text(String),
    Name(String),
    /// In lower case.
    Header(String),
}

/// What names of headers begin with.
const HEADER: &str = "header.";

impl Pattern {
    /// A text and a name.
    pub fn ending(text: &str, name: &str) -> Pattern {
        Pattern(vec![Piece::Text(text.into()), Piece::Name(name.into())])
    }

    /// The error says what is wrong.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else {
                return Err(format!("in `{text}` a brace is not closed"));
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if name.is_empty() || !name.bytes().all(good) {
                let shown = name.escape_debug();
                return Err(format!(
                    "`{{{shown}}}` is no name: letters, digits, - and _"
                ));
            }
            pieces.push(match name.strip_prefix(HEADER) {
                Some(header) => Piece::Header(header.to_ascii_lowercase()),
                None => Piece::Name(name.to_owned()),
            });
            rest = tail;
        }
        if rest.contains('}') {
            return Err(format!("in `{text}` a brace is not opened"));
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Pattern(pieces))
    }

    /// Those that are no headers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// What is not there is nothing.
    pub fn fill(
        &self,
        name: impl Fn(&str) -> Option<String>,
        header: impl Fn(&str) -> Option<String>,
    ) -> String {
        let one = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Name(of) => name(of).unwrap_or_default(),
            Piece::Header(of) => header(of).unwrap_or_default(),
        };
        self.0.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in() {
        let text = "order/{id}.{header.X-Kind}!{gone}";
        let pattern = Pattern::parse(text).unwrap();
        let of = |wanted: &'static str, value: &'static str| {
            move |name: &str| (name == wanted).then(|| value.to_owned())
        };
        let filled = pattern.fill(of("id", "7"), of("x-kind", "a"));
        assert_eq!(filled, "order/7.a!");
        assert_eq!(pattern.names().collect::<Vec<_>>(), ["id", "gone"]);
        assert_eq!(Pattern::ending("a", "b"), Pattern::parse("a{b}").unwrap());
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["{", "a}", "{}", "{a b}", "{a}}", "{a\n}"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
