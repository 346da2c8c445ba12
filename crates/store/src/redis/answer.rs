//! What the server answers, taken apart without trust.

use redis::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Answer(pub Value);

impl Answer {
    pub fn number(&self) -> Option<u64> {
        match &self.0 {
            Value::Int(n) => u64::try_from(*n).ok(),
            _ => self.text()?.parse().ok(),
        }
    }

    pub fn float(&self) -> Option<f64> {
        match &self.0 {
            Value::Int(n) => Some(*n as f64),
            Value::Double(n) => Some(*n),
            _ => self.text()?.parse().ok(),
        }
    }

    pub fn bytes(self) -> Option<Vec<u8>> {
        match self.0 {
            Value::BulkString(bytes) => Some(bytes),
            Value::SimpleString(text) => Some(text.into_bytes()),
            Value::VerbatimString { text, .. } => Some(text.into_bytes()),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<String> {
        String::from_utf8(self.clone().bytes()?).ok()
    }

    pub fn list(self) -> Option<Vec<Answer>> {
        match self.0 {
            Value::Array(all) => Some(all.into_iter().map(Answer).collect()),
            _ => None,
        }
    }

    /// So many, no more and no less.
    pub fn fields<const N: usize>(self) -> Option<[Answer; N]> {
        self.list()?.try_into().ok()
    }

    pub fn texts(self) -> Option<Vec<String>> {
        self.list()?.iter().map(Answer::text).collect()
    }

    /// The value of a name, of what is answered in pairs.
    pub fn pair(self, name: &str) -> Option<String> {
        if let Value::Map(pairs) = self.0 {
            let mut pairs = pairs.into_iter().map(|(k, v)| (Answer(k), Answer(v)));
            return pairs
                .find(|(k, _)| k.text().as_deref() == Some(name))?
                .1
                .text();
        }
        let all = self.texts()?;
        let found = all.chunks_exact(2).find(|pair| pair[0] == name)?;
        Some(found[1].clone())
    }
}
