//! What is stored under a key: that somebody is at work, or what came of it. Pure.

use super::core::Fingerprint;
use crate::jobs::carry::Kept;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub fingerprint: Fingerprint,
    pub stage: Stage,
}

/// The job that a key shall name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub secret: u128,
    /// Until then it is not forgotten, if it was made (milliseconds since the Unix epoch).
    pub kept_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Somebody is at work, until then at the latest (milliseconds since the Unix epoch).
    Claimed {
        until_ms: u64,
    },
    /// The same of what becomes a job, which can be looked for.
    Queueing {
        until_ms: u64,
        job: Wanted,
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
            Stage::Queueing { until_ms, job } => {
                let (until, kept) = (until_ms.to_be_bytes(), job.kept_ms.to_be_bytes());
                (
                    b'J',
                    [&until[..], &kept, &job.secret.to_be_bytes()].concat(),
                )
            }
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
            b'J' => {
                let (until, rest) = rest.split_first_chunk()?;
                let (kept, secret) = rest.split_first_chunk()?;
                Stage::Queueing {
                    until_ms: u64::from_be_bytes(*until),
                    job: Wanted {
                        secret: u128::from_be_bytes(secret.try_into().ok()?),
                        kept_ms: u64::from_be_bytes(*kept),
                    },
                }
            }
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
            Stage::Queueing {
                until_ms: 7,
                job: Wanted {
                    secret: u128::MAX - 9,
                    kept_ms: 8,
                },
            },
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
