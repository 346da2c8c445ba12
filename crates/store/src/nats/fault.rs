//! What can go wrong, and what to do about it.

use super::link::PATIENCE;
use crate::Error;
use serde_json::Value;
use std::fmt;

/// JetStream's numbers of what it refuses.
pub const NO_MESSAGE: u64 = 10_037;
pub const NO_STREAM: u64 = 10_059;
pub const OTHER_STREAM: u64 = 10_058;
pub const BEHIND: u64 = 10_071;
/// The same, of a change that is still on its way through a cluster.
pub const BEHIND_IN_FLIGHT: u64 = 10_164;

/// Why something was not done, or why that is not known.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing is known: the connection is of no more use.
    Lost(String),
    /// The server says no, and why with what to do about it.
    Said {
        code: u64,
        why: String,
    },
    Own(Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Lost(why) | Fault::Said { why, .. } => f.write_str(why),
            Fault::Own(e) => e.fmt(f),
        }
    }
}

impl From<Error> for Fault {
    fn from(e: Error) -> Fault {
        Fault::Own(e)
    }
}

pub fn unreachable() -> String {
    let s = PATIENCE.as_secs();
    format!("no answer within {s} s: it is stalled or unreachable, or its disk is")
}

pub fn odd() -> Fault {
    Fault::Lost(
        "it answers with something unexpected: is it a nats-server of 2.11 or later?".into(),
    )
}

/// An answer in JSON, or what it says is wrong.
pub fn said(payload: &[u8]) -> Result<Value, Fault> {
    let answer: Value = serde_json::from_slice(payload).map_err(|_| odd())?;
    let error = &answer["error"];
    if error.is_null() {
        return Ok(answer);
    }
    let code = error["err_code"].as_u64().unwrap_or(0);
    let why = error["description"].as_str().unwrap_or("an error");
    Err(Fault::Said {
        code,
        why: advised(code, why),
    })
}

/// With what to do about it.
fn advised(code: u64, why: &str) -> String {
    let advice = match code {
        10_002 | 10_023 | 10_028 | 10_047 => {
            "lower `engines.size`, or let JetStream have more (max_file_store, or the account's limits)"
        }
        10_077 if why.contains("maximum bytes") => {
            "the bucket is full: raise its max_bytes (`nats stream edit`), or keep less"
        }
        10_077 => "look at its disk and its log",
        10_054 => "raise max_msg_size of the stream",
        10_039 | 10_076 => "enable JetStream for this account",
        10_005 | 10_074 => "`engines.replicas` asks for more servers than there are",
        10_166 => {
            "the stream was not made by Plimsoll: allow messages with a TTL (allow_msg_ttl), or remove it"
        }
        _ => return format!("it says: {why}"),
    };
    format!("it says: {why}; {advice}")
}

/// What is wrong with the connection.
pub fn fault(said: &str) -> String {
    let lower = said.to_lowercase();
    let has = |what: &str| lower.contains(what);
    let advice = match () {
        () if has("unknownissuer") => {
            "whoever signed its certificate is not trusted: name the CA's file with `engines.ca`"
        }
        () if has("notvalidforname") || has("not valid for name") || has("hostname") => {
            "its certificate is for another name: use that name in the URL"
        }
        () if has("expired") => "renew its certificate",
        () if has("authorization") || has("authentication") => {
            "correct the URL in the variable or file that `engines.durable` names"
        }
        () if has("permissions violation") => "allow its user the subjects of docs/engines.md",
        () if has("refused") => "is it running, and the URL right?",
        () => return said.to_owned(),
    };
    format!("{said}; {advice}")
}

/// An error with its causes.
pub fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        let more = e.to_string();
        if !text.contains(&more) {
            text += &format!(": {more}");
        }
        cause = e.source();
    }
    text
}
