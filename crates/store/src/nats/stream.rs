//! JetStream's requests for a stream: what is in it, and what comes into it.

use super::bucket::Bucket;
use super::conn::Conn;
use super::fault::{
    BEHIND, BEHIND_IN_FLIGHT, Fault, NO_MESSAGE, NO_STREAM, OTHER_STREAM, chain, fault, odd, said,
    unreachable,
};
use super::link::PATIENCE;
use super::message::{Draft, Found, direct, number, read};
use crate::Error;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;

/// What a message may carry beside its value, bytes.
const HEADERS: usize = 1024;
const LONG_HEADERS: usize = 16 << 10;
/// Most values, and most of their bytes, in one answer to a read of many.
const PAGE: usize = 256;
const PAGE_BYTES: usize = 2 << 20;

/// Messages of one read of many, and how many more match.
pub struct Page {
    pub found: Vec<Found>,
    pub more: u64,
}

impl Conn {
    /// What it says of a stream.
    pub async fn stream(&self, stream: &str) -> Result<Value, Fault> {
        self.api(&format!("STREAM.INFO.{stream}"), Value::Null)
            .await
    }

    pub(super) async fn ensure(&self, bucket: &Bucket) -> Result<(), Fault> {
        let stream = bucket.stream();
        let info = match self.stream(&stream).await {
            Err(Fault::Said {
                code: NO_STREAM, ..
            }) => {
                let made = self
                    .api(&format!("STREAM.CREATE.{stream}"), bucket.config())
                    .await;
                match made {
                    // Another node was quicker.
                    Err(Fault::Said {
                        code: OTHER_STREAM, ..
                    }) => self.stream(&stream).await?,
                    made => made?,
                }
            }
            info => info?,
        };
        match bucket.unfit(&info["config"]) {
            None => Ok(()),
            Some(lacks) => Err(Fault::Own(Error::Invalid(format!(
                "the stream {stream} was not made by Plimsoll and lacks {lacks}: set that (`nats stream edit`), or remove it"
            )))),
        }
    }

    /// Stores a message; its number. `None`: the last message under this subject is another one than expected.
    pub async fn publish(&self, subject: String, message: Draft) -> Result<Option<u64>, Fault> {
        self.fits(&message)?;
        let headers = message.headers();
        let answer = self.request(subject, Some(headers), message.value).await?;
        stored(&answer.payload)
    }

    /// Most bytes of a value, beside headers of any length.
    pub fn most(&self) -> usize {
        self.max_payload.saturating_sub(LONG_HEADERS)
    }

    fn fits(&self, message: &Draft) -> Result<(), Fault> {
        let headers: usize = message.headers.iter().map(|(_, text)| text.len()).sum();
        let most = self
            .max_payload
            .saturating_sub(HEADERS.max(headers + HEADERS / 2));
        if message.value.len() <= most {
            return Ok(());
        }
        Err(Fault::Own(Error::TooLarge {
            what: "what is to be stored (nats-server takes more with a larger `max_payload`)"
                .into(),
            size: message.value.len(),
            limit: most,
        }))
    }

    /// Stores all messages, one after the other, or none; the number of the last.
    pub async fn publish_all(
        &self,
        mut messages: Vec<(String, Draft)>,
    ) -> Result<Option<u64>, Fault> {
        for (_, message) in &messages {
            self.fits(message)?;
        }
        let Some((subject, last)) = messages.pop() else {
            return Err(Error::Invalid("there is nothing to be stored".into()).into());
        };
        if messages.is_empty() {
            return self.publish(subject, last).await;
        }
        // What an inbox is named after is random.
        let batch = self.client.new_inbox().replace(['.', '_'], "");
        let batch = batch
            .get(..batch.len().min(60))
            .unwrap_or_default()
            .to_owned();
        let mut number = 0u32;
        let mut headers = |message: &Draft| {
            number += 1;
            let mut headers = message.headers();
            headers.insert("Nats-Batch-Id", batch.as_str());
            headers.insert("Nats-Batch-Sequence", number.to_string().as_str());
            headers
        };
        for (subject, message) in messages {
            let headers = headers(&message);
            let sent = self
                .client
                .publish_with_headers(subject, headers, message.value.into());
            sent.await.map_err(|e| Fault::Lost(fault(&chain(&e))))?;
        }
        let mut headers = headers(&last);
        headers.insert("Nats-Batch-Commit", "1");
        let answer = self.request(subject, Some(headers), last.value).await?;
        stored(&answer.payload)
    }

    /// The message of this number, as the stream's leader knows it.
    pub async fn at(&self, stream: &str, seq: u64) -> Result<Option<Found>, Fault> {
        let ask = json!({ "seq": seq });
        let answer = match self.api(&format!("STREAM.MSG.GET.{stream}"), ask).await {
            Err(Fault::Said {
                code: NO_MESSAGE, ..
            }) => return Ok(None),
            answer => answer?,
        };
        read(&answer["message"]).map(Some).ok_or_else(odd)
    }

    /// Takes out all messages under a subject.
    pub async fn purge(&self, stream: &str, filter: &str) -> Result<(), Fault> {
        let ask = json!({ "filter": filter });
        self.api(&format!("STREAM.PURGE.{stream}"), ask)
            .await
            .map(drop)
    }

    /// Takes out all messages before this number.
    pub async fn purge_before(&self, stream: &str, seq: u64) -> Result<(), Fault> {
        let ask = json!({ "seq": seq });
        self.api(&format!("STREAM.PURGE.{stream}"), ask)
            .await
            .map(drop)
    }

    /// The last message under a subject, as the stream's leader knows it.
    pub async fn last(&self, stream: &str, subject: &str) -> Result<Option<Found>, Fault> {
        let asked = json!({ "last_by_subj": subject });
        let answer = match self.api(&format!("STREAM.MSG.GET.{stream}"), asked).await {
            Err(Fault::Said {
                code: NO_MESSAGE, ..
            }) => return Ok(None),
            answer => answer?,
        };
        read(&answer["message"]).map(Some).ok_or_else(odd)
    }

    /// Messages of a stream from a number on, in order.
    pub async fn page(&self, stream: &str, filter: &str, from: u64) -> Result<Page, Fault> {
        let lost = |e: &dyn std::error::Error| Fault::Lost(fault(&chain(e)));
        let inbox = self.client.new_inbox();
        let mut answers = self.subscribe(&inbox).await?;
        let ask = json!({
            "seq": from.max(1), "next_by_subj": filter, "batch": PAGE, "max_bytes": PAGE_BYTES,
        });
        let asked = self.client.publish_with_reply(
            format!("$JS.API.DIRECT.GET.{stream}"),
            inbox,
            ask.to_string().into(),
        );
        asked.await.map_err(|e| lost(&e))?;
        let mut page = Page {
            found: Vec::new(),
            more: 0,
        };
        loop {
            let next = timeout(PATIENCE, answers.next()).await;
            let Some(message) = next.map_err(|_| Fault::Lost(unreachable()))? else {
                return Err(Fault::Lost("the connection broke".into()));
            };
            let pending = message
                .headers
                .as_ref()
                .and_then(|h| number(h, "Nats-Num-Pending"));
            match message.status.map(|s| s.as_u16()) {
                None | Some(200) => {
                    page.more = pending.unwrap_or(0);
                    page.found.push(direct(&message).ok_or_else(odd)?);
                }
                // The end of this page, or nothing matches.
                Some(204) => {
                    page.more = pending.unwrap_or(page.more);
                    return Ok(page);
                }
                Some(404) => {
                    page.more = 0;
                    return Ok(page);
                }
                Some(status) => {
                    let why = message.description.as_ref().map_or("", |d| d.as_str());
                    return Err(Fault::Lost(format!(
                        "it answers a read of many with {status} {why}"
                    )));
                }
            }
        }
    }

    /// Takes a message out, if it is still there.
    pub async fn remove(&self, stream: &str, seq: u64) -> Result<bool, Fault> {
        let ask = json!({ "seq": seq, "no_erase": true });
        match self.api(&format!("STREAM.MSG.DELETE.{stream}"), ask).await {
            Ok(answer) => Ok(answer["success"] == true),
            Err(Fault::Said { .. }) => Ok(false),
            Err(lost) => Err(lost),
        }
    }
}

/// The number of what was stored; `None`: the last message there is another one than expected.
fn stored(payload: &[u8]) -> Result<Option<u64>, Fault> {
    match said(payload) {
        Ok(answer) => Ok(Some(answer["seq"].as_u64().ok_or_else(odd)?)),
        Err(Fault::Said {
            code: BEHIND | BEHIND_IN_FLIGHT,
            ..
        }) => Ok(None),
        Err(fault) => Err(fault),
    }
}
