//! What an append is as a message: a line of JSON that says what it is, then the data of its events, one after another. Headers say the
//! format, and who asked. Pure.

use super::super::message::{Draft, Found, number};
use crate::embedded::acceptable;
use crate::embedded::copy::Command;
use crate::{Expect, MAX_ROWS, NewEvent};
use serde::{Deserialize, Serialize};

/// What a command does must not change under one number: nodes that differ in it have copies that differ.
pub const FORMAT: u32 = 1;
const FORMAT_HEADER: &str = "Plimsoll-Format";
/// Who asked for it, and the how manieth of its questions it is.
const ASKED: &str = "Plimsoll-Asked";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Head {
    Append {
        stream: String,
        /// How many events the stream must have; none: any number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<u64>,
        events: Vec<Event>,
    },
    Trim {
        before_ms: u64,
        most: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct Event {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
    kind: String,
    at_ms: u64,
    bytes: usize,
}

pub fn append(stream: &str, expect: Expect, events: &[NewEvent]) -> Vec<u8> {
    let head = Head::Append {
        stream: stream.to_owned(),
        expected: match expect {
            Expect::Any => None,
            Expect::Empty => Some(0),
            Expect::Version(v) => Some(v),
        },
        events: (events.iter())
            .map(|e| Event {
                id: e.id.clone(),
                kind: e.kind.clone(),
                at_ms: e.at_ms,
                bytes: e.data.len(),
            })
            .collect(),
    };
    let mut value = line(&head);
    events.iter().for_each(|e| value.extend_from_slice(&e.data));
    value
}

pub fn trim(before_ms: u64, limit: usize) -> Vec<u8> {
    let most = limit.min(MAX_ROWS);
    line(&Head::Trim { before_ms, most })
}

fn line(head: &Head) -> Vec<u8> {
    let mut line = serde_json::to_vec(head).unwrap_or_default();
    line.push(b'\n');
    line
}

/// With what says who asked.
pub fn draft(value: Vec<u8>, asker: u64, number: u64) -> Draft {
    Draft {
        headers: vec![
            (FORMAT_HEADER, FORMAT.to_string()),
            (ASKED, format!("{asker:x}-{number}")),
        ],
        value,
        ..Draft::default()
    }
}

/// The number of the question that it is; `None`: another one asked.
pub fn asked(found: &Found, asker: u64) -> Option<u64> {
    let (by, number) = found.headers.get(ASKED)?.as_str().split_once('-')?;
    let by = u64::from_str_radix(by, 16).ok()?;
    number.parse().ok().filter(|_| by == asker)
}

/// What it says. What is not ours, or is not as we write it, does nothing, at every node.
///
/// # Errors
/// Its format, when that is one that this version does not know.
pub fn read(found: &Found) -> Result<Command, u64> {
    said(found, command)
}

/// The same, with what `command` makes of the value of a message that is ours.
pub fn said(found: &Found, command: fn(&[u8]) -> Option<Command>) -> Result<Command, u64> {
    match number(&found.headers, FORMAT_HEADER) {
        None => Ok(Command::Nothing),
        Some(format) if format != u64::from(FORMAT) => Err(format),
        Some(_) => Ok(command(&found.value).unwrap_or(Command::Nothing)),
    }
}

fn command(value: &[u8]) -> Option<Command> {
    let end = value.iter().position(|b| *b == b'\n')?;
    let (head, rest) = value.split_at_checked(end)?;
    let mut rest = rest.get(1..)?;
    match serde_json::from_slice(head).ok()? {
        Head::Trim { before_ms, most } => Some(Command::Trim {
            before_ms,
            limit: most.min(MAX_ROWS),
        }),
        Head::Append {
            stream,
            expected,
            events,
        } => {
            let mut read = Vec::new();
            for e in events {
                let (data, after) = rest.split_at_checked(e.bytes)?;
                rest = after;
                read.push(NewEvent {
                    id: e.id,
                    kind: e.kind,
                    at_ms: e.at_ms,
                    data: data.to_vec(),
                });
            }
            let expect = expected.map_or(Expect::Any, Expect::Version);
            acceptable(&stream, &read).ok()?;
            rest.is_empty().then_some(Command::Append {
                stream,
                expect,
                events: read,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_nats::HeaderMap;

    fn found(draft: Draft) -> Found {
        let mut headers = HeaderMap::new();
        for (name, value) in &draft.headers {
            headers.insert(*name, value.as_str());
        }
        Found::new("s".into(), 1, 2, headers, draft.value)
    }

    fn event(id: &str, data: &[u8]) -> NewEvent {
        NewEvent {
            id: id.into(),
            kind: "k".into(),
            at_ms: 7,
            data: data.to_vec(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let events = vec![event("1", b"{}\n\0"), event("", b""), event("ü", b"x\n")];
        for expect in [Expect::Any, Expect::Version(0), Expect::Version(u64::MAX)] {
            let value = append("a \n/ü", expect, &events);
            let message = found(draft(value, 0xab, 9));
            let command = Command::Append {
                stream: "a \n/ü".into(),
                expect,
                events: events.clone(),
            };
            assert_eq!(read(&message), Ok(command));
            assert_eq!(asked(&message, 0xab), Some(9));
            assert_eq!(asked(&message, 1), None);
        }
        let message = found(draft(trim(5, 10), 1, 1));
        let command = Command::Trim {
            before_ms: 5,
            limit: 10,
        };
        assert_eq!(read(&message), Ok(command));
    }

    #[test]
    fn what_others_write_does_nothing_and_what_is_newer_is_not_guessed_at() {
        let good = append("a", Expect::Any, &[event("1", b"data")]);
        for cut in 0..good.len() {
            let message = found(draft(good[..cut].to_vec(), 1, 1));
            assert_eq!(read(&message), Ok(Command::Nothing), "{cut}");
        }
        let more = [good.as_slice(), b"!"].concat();
        let nameless = append("", Expect::Any, &[event("1", b"")]);
        let huge = b"{\"append\":{\"stream\":\"a\",\"events\":[{\"kind\":\"k\",\"at_ms\":1,\"bytes\":18446744073709551615}]}}\n";
        for odd in [more, nameless, huge.to_vec(), b"\n".to_vec()] {
            assert_eq!(read(&found(draft(odd, 1, 1))), Ok(Command::Nothing));
        }
        let mut theirs = draft(good.clone(), 1, 1);
        theirs.headers.clear();
        assert_eq!(read(&found(theirs)), Ok(Command::Nothing));
        let mut newer = draft(good, 1, 1);
        newer.headers[0].1 = "2".into();
        assert_eq!(read(&found(newer)), Err(2));
    }
}
