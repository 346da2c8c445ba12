//! What is stored under a key: that somebody is at work, or what came of it. Pure.

use super::core::Fingerprint;
use crate::jobs::carry::Kept;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub fingerprint: Fingerprint,
    pub stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Somebody is at work, until then at the latest (milliseconds since the Unix epoch).
    Claimed {
        until_ms: u64,
    },
    Answered(Kept),
    /// It was answered with this status, and the answer is not here.
    NotKept {
        status: u16,
    },
    /// It was sent, and nobody knows what came of it.
    Unknown,
}

impl Record {
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let (tag, rest) = match &self.stage {
            Stage::Claimed { until_ms } => (b'C', until_ms.to_be_bytes().to_vec()),
            Stage::Answered(kept) => (b'A', kept.write()),
            Stage::NotKept { status } => (b'N', status.to_be_bytes().to_vec()),
            Stage::Unknown => (b'U', Vec::new()),
        };
        out.push(tag);
        out.extend_from_slice(&self.fingerprint.0);
        out.extend_from_slice(&rest);
        out
    }

    /// `None`: this is nothing that `write` wrote.
    pub fn read(bytes: &[u8]) -> Option<Record> {
        let (tag, rest) = bytes.split_first()?;
        let (fingerprint, rest) = rest.split_first_chunk::<32>()?;
        let stage = match tag {
            b'C' => Stage::Claimed {
                until_ms: u64::from_be_bytes(rest.try_into().ok()?),
            },
            b'A' => Stage::Answered(Kept::read(rest)?),
            b'N' => Stage::NotKept {
                status: u16::from_be_bytes(rest.try_into().ok()?),
            },
            b'U' if rest.is_empty() => Stage::Unknown,
            _ => return None,
        };
        Some(Record {
            fingerprint: Fingerprint(*fingerprint),
            stage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let answered = Kept {
            status: 201,
            lines: b"X: 1\r\n".to_vec(),
            body: b"made".to_vec(),
        };
        for stage in [
            Stage::Claimed { until_ms: 7 },
            Stage::Answered(answered),
            Stage::NotKept { status: 200 },
            Stage::Unknown,
        ] {
            let record = Record {
                fingerprint: Fingerprint([3; 32]),
                stage,
            };
            let bytes = record.write();
            assert_eq!(Record::read(&bytes), Some(record));
            for end in 0..bytes.len() {
                // A piece of it is something else or nothing, and no panic.
                let _ = Record::read(&bytes[..end]);
            }
        }
        assert_eq!(Record::read(b"X"), None);
        assert_eq!(Record::read(&[b'U'; 40]), None);
    }
}
