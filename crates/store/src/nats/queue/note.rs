//! What stands in the headers of a job's two messages: what was accepted, and how it stands since. Followers read headers only.

use crate::queue::{is_one, one};
use crate::{NewJob, State};
use async_nats::HeaderMap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Headers of the two kinds.
pub const JOB: &str = "Plimsoll-Job";
pub const STATE: &str = "Plimsoll-State";

/// What was accepted. The message's value is the head, and then the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    pub lane: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocks: bool,
    pub enqueued_ms: u64,
    pub due_ms: u64,
    pub expires_ms: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Bytes of the head, and of both.
    pub head: usize,
    pub bytes: u64,
}

impl Card {
    pub fn of(job: &NewJob) -> Card {
        Card {
            lane: job.lane.clone(),
            tenant: job.tenant.clone(),
            weight: job.weight,
            key: job.key.clone(),
            blocks: job.blocks,
            enqueued_ms: job.enqueued_ms,
            due_ms: job.due_ms,
            expires_ms: job.expires_ms,
            title: job.title.clone(),
            head: job.head.len(),
            bytes: (job.head.len() + job.payload.len()) as u64,
        }
    }

    /// How a job stands of which nothing was said since.
    pub fn standing(&self, seq: u64) -> Note {
        Note {
            job: seq,
            state: State::Waiting,
            attempts: 0,
            due_ms: self.due_ms,
            expires_ms: self.expires_ms,
            ended_ms: None,
            reason: String::new(),
            by: 0,
            turn: seq,
            forgotten: false,
        }
    }
}

/// How a job stands. The value of the message is what the worker said of one that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The number of what was accepted.
    pub job: u64,
    /// Never `Behind`: that is for each node to see.
    pub state: State,
    pub attempts: u32,
    /// Of a leased one: until when.
    pub due_ms: u64,
    /// 0: it is cancelled unless the attempt under way succeeds.
    pub expires_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The node that leased it.
    pub by: u64,
    /// Its place among those of its key.
    pub turn: u64,
    /// Nobody asks for it any more; its messages are about to go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

pub fn write<T: Serialize>(what: &T) -> String {
    serde_json::to_string(what).unwrap_or_default()
}

/// `None`: it does not say so, or not as we do.
pub fn read<T: DeserializeOwned>(headers: &HeaderMap, name: &str) -> Option<T> {
    serde_json::from_str(headers.get(name)?.as_str()).ok()
}

/// Where a stream has the two messages of a job, and both.
pub struct Subjects {
    pub accepted: String,
    pub state: String,
    pub both: String,
}

impl Subjects {
    pub fn of(stream: &str, secret: u128) -> Subjects {
        let of = |kind: &str| format!("{stream}.{secret:032x}.{kind}");
        Subjects {
            accepted: of("new"),
            state: of("state"),
            both: of("*"),
        }
    }
}

/// The secret of the job whose message is there.
pub fn secret(stream: &str, subject: &str) -> Option<u128> {
    let rest = subject.strip_prefix(stream)?.strip_prefix('.')?;
    let (secret, _) = rest.split_once('.')?;
    let is_hex = secret.len() == 32 && secret.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(secret, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_are_written_whatever_is_in_them() {
        let job = NewJob {
            secret: 7,
            lane: "l\r\nNats-TTL: 1s".into(),
            tenant: "ü🚢".into(),
            weight: 3,
            key: Some("\u{0}\"".into()),
            blocks: true,
            enqueued_ms: 1,
            due_ms: 2,
            expires_ms: 3,
            title: "POST /\n".into(),
            head: vec![1; 3],
            payload: vec![2; 4],
        };
        let card = Card::of(&job);
        let line = write(&card);
        assert!(!line.contains(['\r', '\n', '\u{0}']), "{line}");
        let mut headers = HeaderMap::new();
        headers.insert(JOB, line.as_str());
        headers.insert(STATE, write(&card.standing(9)).as_str());
        assert_eq!(read::<Card>(&headers, JOB), Some(card.clone()));
        assert_eq!(read::<Note>(&headers, STATE), Some(card.standing(9)));
        headers.insert(STATE, "{}");
        assert_eq!(read::<Note>(&headers, STATE), None);
    }

    #[test]
    fn subjects_tell_whose_they_are() {
        let at = Subjects::of("p_jobs", 0xfeed);
        assert_eq!(secret("p_jobs", &at.accepted), Some(0xfeed));
        assert_eq!(secret("p_jobs", &at.state), Some(0xfeed));
        for odd in ["p_jobs.x.new", "p_job.0.new", "p_jobs.", "q_jobs.feed.new"] {
            assert_eq!(secret("p_jobs", odd), None, "{odd}");
        }
    }
}
