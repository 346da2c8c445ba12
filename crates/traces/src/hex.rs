//! Ids as people and other tools write them: in hexadecimal.

use serde::{Deserialize, Deserializer, Serializer};

/// `None`: it is no id of a trace.
pub fn trace(text: &str) -> Option<u128> {
    let good = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = u128::from_str_radix(text, 16).ok()?;
    (good && id > 0).then_some(id)
}

/// For `serde(with)`.
pub mod trace_id {
    use super::*;

    pub fn serialize<S: Serializer>(id: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{id:032x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let text = String::deserialize(from)?;
        u128::from_str_radix(&text, 16).map_err(serde::de::Error::custom)
    }
}

/// Likewise; 0 is an empty text: there is none.
pub mod span_id {
    use super::*;

    pub fn serialize<S: Serializer>(id: &u64, to: S) -> Result<S::Ok, S::Error> {
        match id {
            0 => to.serialize_str(""),
            id => to.collect_str(&format_args!("{id:016x}")),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        match text.as_str() {
            "" => Ok(0),
            text => u64::from_str_radix(text, 16).map_err(serde::de::Error::custom),
        }
    }
}
