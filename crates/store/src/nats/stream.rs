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
        let most = self.max_payload.saturating_sub(HEADERS);
        if message.value.len() > most {
            return Err(Fault::Own(Error::TooLarge {
                what: "a value (nats-server takes more with a larger `max_payload`)".into(),
                size: message.value.len(),
                limit: most,
            }));
        }
        let headers = message.headers();
        let answer = self.request(subject, Some(headers), message.value).await?;
        match said(&answer.payload) {
            Ok(answer) => Ok(Some(answer["seq"].as_u64().ok_or_else(odd)?)),
            Err(Fault::Said {
                code: BEHIND | BEHIND_IN_FLIGHT,
                ..
            }) => Ok(None),
            Err(fault) => Err(fault),
        }
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

    /// The message of this number, as the stream's leader knows it.
    pub async fn at(&self, stream: &str, seq: u64) -> Result<Option<Found>, Fault> {
        let asked = json!({ "seq": seq });
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
        let subscribed = self.client.subscribe(inbox.clone()).await;
        let mut answers = subscribed.map_err(|e| lost(&e))?;
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
