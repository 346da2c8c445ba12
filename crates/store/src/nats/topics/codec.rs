//! What is done to topics as a message: a line of JSON, then all that is opaque, one after another. Pure.

use super::super::log::codec::said;
use super::super::message::Found;
use crate::embedded::copy::{Command, Deed};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Head<D> {
    deed: D,
    /// How long each part is that follows.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    bytes: Vec<usize>,
}

pub fn value(deed: &mut Deed) -> Vec<u8> {
    let blobs: Vec<Vec<u8>> = deed.blobs().into_iter().map(std::mem::take).collect();
    let head = Head {
        bytes: blobs.iter().map(Vec::len).collect(),
        deed: &*deed,
    };
    let mut value = serde_json::to_vec(&head).unwrap_or_default();
    value.push(b'\n');
    blobs.iter().for_each(|blob| value.extend_from_slice(blob));
    value
}

/// What it says. What is not ours, or is not as we write it, does nothing, at every node.
///
/// # Errors
/// Its format, when that is one that this version does not know.
pub fn read(found: &Found) -> Result<Command, u64> {
    said(found, |value| deed(value).map(Command::Deed))
}

fn deed(value: &[u8]) -> Option<Deed> {
    let end = value.iter().position(|b| *b == b'\n')?;
    let (head, rest) = value.split_at_checked(end)?;
    let mut rest = rest.get(1..)?;
    let Head { mut deed, bytes } = serde_json::from_slice::<Head<Deed>>(head).ok()?;
    let blobs = deed.blobs();
    if blobs.len() != bytes.len() {
        return None;
    }
    for (blob, bytes) in blobs.into_iter().zip(bytes) {
        let (of, after) = rest.split_at_checked(bytes)?;
        *blob = of.to_vec();
        rest = after;
    }
    (rest.is_empty() && deed.acceptable().is_ok()).then_some(deed)
}

#[cfg(test)]
mod tests {
    use super::super::super::log::codec::draft;
    use super::*;
    use crate::{Bounds, Etag, Finish, JobId, NewJob, NewMessage, Precondition, Put, TopicBounds};
    use async_nats::HeaderMap;

    const ID: JobId = JobId {
        seq: 7,
        secret: u128::MAX,
    };

    fn found(value: Vec<u8>) -> Found {
        let draft = draft(value, 1, 2);
        let mut headers = HeaderMap::new();
        for (name, value) in &draft.headers {
            headers.insert(*name, value.as_str());
        }
        Found::new("s".into(), 1, 2, headers, draft.value)
    }

    fn job() -> NewJob {
        NewJob {
            secret: 1 << 100,
            lane: "topics/a/b \n".into(),
            tenant: String::new(),
            weight: 1,
            key: Some("ü".into()),
            blocks: false,
            enqueued_ms: 1,
            due_ms: 2,
            expires_ms: 3,
            title: "t".into(),
            head: Vec::new(),
            payload: Vec::new(),
        }
    }

    fn all() -> Vec<Deed> {
        let event = NewMessage {
            digest: [9; 16],
            at_ms: 1,
            head: b"h\n".to_vec(),
            payload: vec![0, 255],
            jobs: vec![job(), job()],
        };
        let bare = NewMessage {
            jobs: Vec::new(),
            payload: Vec::new(),
            ..event.clone()
        };
        let put = Put {
            key: "k".into(),
            value: b"v".to_vec(),
            precondition: Precondition::Is(Etag(4)),
            expires_ms: None,
        };
        let finish = |how| Deed::Finish {
            id: ID,
            attempt: 1,
            how,
            now_ms: 5,
        };
        vec![
            Deed::Publish {
                topic: "a".into(),
                events: vec![event, bare],
                bounds: TopicBounds {
                    events: 1,
                    bytes: u64::MAX,
                    since_ms: 0,
                },
            },
            Deed::Enqueue {
                jobs: vec![job()],
                bounds: Bounds::NONE,
            },
            Deed::Lease {
                lane: "l".into(),
                most: 5,
                until_ms: 9,
                now_ms: 8,
            },
            finish(Finish::Done {
                result: b"r".to_vec(),
            }),
            finish(Finish::Dead {
                reason: "x".into(),
                result: Vec::new(),
            }),
            finish(Finish::Retry {
                at_ms: 6,
                reason: String::new(),
            }),
            Deed::Put { put, now_ms: 1 },
            Deed::Delete {
                key: "k".into(),
                precondition: Precondition::Absent,
                now_ms: 1,
            },
            Deed::Forget {
                ended_ms: u64::MAX,
                dead_ms: 0,
                most: 1,
            },
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for deed in all() {
            let message = found(value(&mut deed.clone()));
            assert_eq!(read(&message), Ok(Command::Deed(deed)));
        }
    }

    /// Messages of this number are in streams: a version that reads them otherwise needs another one.
    #[test]
    fn the_format_is_as_it_was() {
        let mut lease = Deed::Lease {
            lane: "l".into(),
            most: 5,
            until_ms: 9,
            now_ms: 8,
        };
        assert_eq!(
            value(&mut lease),
            b"{\"deed\":{\"lease\":{\"lane\":\"l\",\"most\":5,\"until_ms\":9,\"now_ms\":8}}}\n"
        );
        let publish = &mut all()[0];
        let text = String::from_utf8_lossy(&value(publish)).into_owned();
        assert!(
            text.starts_with(
                "{\"deed\":{\"publish\":{\"topic\":\"a\",\"events\":[{\"digest\":[9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9],\"at_ms\":1,\"jobs\":[\
                 {\"secret\":1267650600228229401496703205376,\"lane\":\"topics/a/b \\n\",\"key\":\"ü\",\"enqueued_ms\":1,\"due_ms\":2,\
                 \"expires_ms\":3,\"title\":\"t\"},"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_others_write_does_nothing_and_what_is_newer_is_not_guessed_at() {
        let good = value(&mut all()[0]);
        for cut in 0..good.len() {
            let message = found(good[..cut].to_vec());
            assert_eq!(read(&message), Ok(Command::Nothing), "{cut}");
        }
        let far = Deed::Lease {
            lane: "l".into(),
            most: 1,
            until_ms: u64::MAX,
            now_ms: u64::MAX,
        };
        let tenant = Deed::Enqueue {
            jobs: vec![NewJob {
                tenant: "x".into(),
                ..job()
            }],
            bounds: Bounds::NONE,
        };
        let huge = b"{\"deed\":{\"finish\":{\"id\":{\"seq\":1,\"secret\":1},\"attempt\":1,\"how\":{\"done\":{}},\"now_ms\":1}},\"bytes\":[18446744073709551615]}\n";
        for odd in [
            [good.as_slice(), b"!"].concat(),
            value(&mut far.clone()),
            value(&mut tenant.clone()),
            huge.to_vec(),
            b"\n".to_vec(),
        ] {
            assert_eq!(read(&found(odd)), Ok(Command::Nothing));
        }
        let mut theirs = found(good.clone());
        theirs.headers = HeaderMap::new();
        assert_eq!(read(&theirs), Ok(Command::Nothing));
        let mut newer = found(good);
        newer.headers.insert("Plimsoll-Format", "2");
        assert_eq!(read(&newer), Err(2));
    }
}
