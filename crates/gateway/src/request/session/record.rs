//! A session as it is stored. Pure.

/// Of a session, as long as it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What the service knows it by: it stays when the client's id is changed, and opens nothing.
    pub name: [u8; 16],
    /// Milliseconds since the Unix epoch.
    pub born_ms: u64,
    pub seen_ms: u64,
    /// Goes up with every change of the data.
    pub version: u64,
    /// As the service wrote it.
    pub data: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Live(Session),
    /// The client has another id now: the key that it is stored under.
    Moved(String),
}

impl Session {
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40 + self.data.len());
        out.extend_from_slice(&self.name);
        for n in [self.born_ms, self.seen_ms, self.version] {
            out.extend_from_slice(&n.to_be_bytes());
        }
        out.extend_from_slice(&self.data);
        out
    }

    /// `None`: this is nothing that `write` wrote.
    pub fn read(bytes: &[u8]) -> Option<Session> {
        let (name, mut rest) = bytes.split_first_chunk::<16>()?;
        let mut number = || {
            let (n, tail) = rest.split_first_chunk::<8>()?;
            rest = tail;
            Some(u64::from_be_bytes(*n))
        };
        let (born_ms, seen_ms, version) = (number()?, number()?, number()?);
        Some(Session {
            name: *name,
            born_ms,
            seen_ms,
            version,
            data: rest.to_vec(),
        })
    }

    /// `name` as text.
    pub fn shown(&self) -> String {
        self.name.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl Record {
    pub fn write(&self) -> Vec<u8> {
        let (tag, rest) = match self {
            Record::Live(session) => (b'L', session.write()),
            Record::Moved(key) => (b'M', key.clone().into_bytes()),
        };
        [&[tag], &rest[..]].concat()
    }

    pub fn read(bytes: &[u8]) -> Option<Record> {
        match bytes.split_first()? {
            (b'L', rest) => Session::read(rest).map(Record::Live),
            (b'M', rest) => String::from_utf8(rest.to_vec()).ok().map(Record::Moved),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let session = Session {
            name: [7; 16],
            born_ms: 1,
            seen_ms: 2,
            version: 3,
            data: b"user=7".to_vec(),
        };
        for record in [Record::Live(session), Record::Moved("sess/a/b".into())] {
            let bytes = record.write();
            assert_eq!(Record::read(&bytes), Some(record));
            for end in 0..bytes.len() {
                let _ = Record::read(&bytes[..end]);
            }
        }
        assert_eq!(Record::read(b"Lshort"), None);
        assert_eq!(Record::read(b"?"), None);
    }
}
