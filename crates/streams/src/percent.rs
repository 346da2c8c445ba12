//! Texts in paths, queries and headers. Pure.

use base::escape::{self, Wrong};

/// Without its percent signs, which may stand for any text.
pub fn decoded(text: &str) -> Result<String, String> {
    escape::decoded(text).map_err(|wrong| match wrong {
        Wrong::Digits => "a % is followed by two hexadecimal digits".into(),
        Wrong::Text => "it is text in UTF-8".into(),
    })
}
