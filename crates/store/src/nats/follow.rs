//! Follows a stream: what is in it from a place on, in order and each message once, and then what comes. The server keeps a reader in
//! memory (a pull consumer without acks) that is asked for a bounded part at a time; one that is gone, or that left something out,
//! is made anew where the last one ended. A connection that broke ends it: whoever follows goes on from its [`Place`] over the next one.

use super::conn::Conn;
use super::fault::{Fault, chain, fault, odd};
use super::message::{Found, Given, given, time_ms};
use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::timeout;

/// Most messages, and most of their bytes beside the largest one, that are on their way at once.
const PART: usize = 256;
const PART_BYTES: usize = 2 << 20;
/// How long the server waits for messages before it is asked again, how often it says meanwhile that it is there, and how long that is
/// waited for.
const ASKED: Duration = Duration::from_secs(10);
const SIGN: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_millis(1500);
/// After so long without a question the server drops the reader.
const UNUSED: Duration = Duration::from_secs(30);
/// How often in a row a reader is made anew that gives nothing.
const TRIES: u32 = 3;

/// What of a stream is followed.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub stream: String,
    /// Subjects, with wildcards.
    pub filter: String,
    /// Messages come without their values; `Nats-Msg-Size` tells how large those are.
    pub headers_only: bool,
}

/// How far a stream was read. The default: not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// When the stream was made: another one of the same name is another stream.
    pub born_ms: u64,
    /// Of the last message that was told.
    pub seq: u64,
}

/// What is told to whoever follows.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// The stream is another one than before, or lost its end: what was told before does not hold, and all comes again.
    Anew,
    /// Messages below this number may be gone that were never told: the stream threw them away meanwhile.
    Gap(u64),
    Message(Box<Found>),
    /// All has been told that was there when following began.
    Caught,
}

pub struct Follow {
    conn: Conn,
    wanted: Wanted,
    place: Place,
    reader: String,
    answers: Subscriber,
    inbox: String,
    /// Of the reader's last message.
    number: u64,
    /// What may still come of what was asked for.
    open: usize,
    /// How many have to come until it has caught up; `None`: it has.
    behind: Option<u64>,
    tries: u32,
    told: VecDeque<Told>,
}

/// What an answer of the server means.
enum Said {
    Given(Given),
    /// It is there, and has nothing.
    Alive,
    /// What was asked for has ended: it is to be asked again.
    Ended,
    /// The reader is gone.
    Gone,
}

impl Conn {
    /// From a place on. Each answer is waited for by itself.
    pub async fn follow(&self, wanted: Wanted, place: Place) -> Result<Follow, Fault> {
        let inbox = self.client.new_inbox();
        let mut follow = Follow {
            conn: self.clone(),
            wanted,
            place,
            reader: String::new(),
            answers: self.subscribe(&inbox).await?,
            inbox,
            number: 0,
            open: 0,
            behind: None,
            tries: 0,
            told: VecDeque::new(),
        };
        follow.begin().await?;
        Ok(follow)
    }
}

impl Follow {
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What comes next, for as long as it takes.
    pub async fn next(&mut self) -> Result<Told, Fault> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Ok(told);
            }
            if self.open == 0 {
                self.ask().await?;
            }
            match self.answer().await? {
                Said::Given(given) => self.take(given).await?,
                Said::Alive => {}
                Said::Ended => self.open = 0,
                Said::Gone => self.again().await?,
            }
        }
    }

    async fn take(&mut self, given: Given) -> Result<(), Fault> {
        if given.number != self.number + 1 {
            return self.again().await;
        }
        self.number = given.number;
        self.open = self.open.saturating_sub(1);
        self.tries = 0;
        self.place.seq = given.found.seq;
        self.told.push_back(Told::Message(Box::new(given.found)));
        self.behind = self.behind.map(|n| n.saturating_sub(1));
        if self.behind == Some(0) || given.pending == 0 {
            self.caught();
        }
        Ok(())
    }

    fn caught(&mut self) {
        if self.behind.take().is_some() {
            self.told.push_back(Told::Caught);
        }
    }

    async fn answer(&mut self) -> Result<Said, Fault> {
        let Ok(answer) = timeout(PATIENCE, self.answers.next()).await else {
            return Ok(Said::Gone);
        };
        let message = answer.ok_or_else(|| Fault::Lost("the connection broke".into()))?;
        meaning(&message)
    }

    async fn ask(&mut self) -> Result<(), Fault> {
        let ask = json!({
            "batch": PART,
            "max_bytes": PART_BYTES + self.conn.max_payload,
            "expires": ASKED.as_nanos() as u64,
            "idle_heartbeat": SIGN.as_nanos() as u64,
        });
        let (stream, reader) = (&self.wanted.stream, &self.reader);
        let asked = self.conn.client.publish_with_reply(
            format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{reader}"),
            self.inbox.clone(),
            ask.to_string().into(),
        );
        asked.await.map_err(|e| Fault::Lost(fault(&chain(&e))))?;
        self.open = PART;
        Ok(())
    }

    /// Another reader, and another place for its answers: what the last one sends after that is nobody's.
    async fn again(&mut self) -> Result<(), Fault> {
        self.tries += 1;
        if self.tries > TRIES {
            return Err(Fault::Lost("it does not say what its stream holds".into()));
        }
        self.inbox = self.conn.client.new_inbox();
        self.answers = self.conn.subscribe(&self.inbox).await?;
        self.begin().await
    }

    async fn begin(&mut self) -> Result<(), Fault> {
        let info = self.conn.stream(&self.wanted.stream).await?;
        let now = standing(&info).ok_or_else(odd)?;
        let was = self.place.seq;
        if was > 0 && (now.born_ms != self.place.born_ms || now.last < was) {
            self.place.seq = 0;
            self.told.push_back(Told::Anew);
        } else if was > 0 && now.first > was + 1 {
            self.told.push_back(Told::Gap(now.first));
        }
        self.place.born_ms = now.born_ms;
        let ask = json!({
            "stream_name": self.wanted.stream,
            "config": {
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": self.place.seq + 1,
                "ack_policy": "none",
                "filter_subject": self.wanted.filter,
                "headers_only": self.wanted.headers_only,
                "mem_storage": true,
                "num_replicas": 1,
                "inactive_threshold": UNUSED.as_nanos() as u64,
            },
        });
        let made = self
            .conn
            .api(&format!("CONSUMER.CREATE.{}", self.wanted.stream), ask)
            .await?;
        self.reader = made["name"].as_str().ok_or_else(odd)?.to_owned();
        (self.number, self.open) = (0, 0);
        self.behind = made["num_pending"].as_u64();
        if self.behind == Some(0) {
            self.caught();
        }
        Ok(())
    }
}

struct Standing {
    pub born_ms: u64,
    first: u64,
    last: u64,
}

fn standing(info: &Value) -> Option<Standing> {
    let state = &info["state"];
    Some(Standing {
        born_ms: time_ms(info["created"].as_str()?)?,
        first: state["first_seq"].as_u64()?,
        last: state["last_seq"].as_u64()?,
    })
}

fn meaning(message: &Message) -> Result<Said, Fault> {
    let text = message.description.as_ref().map_or("", |d| d.as_str());
    Ok(match message.status.map(|s| s.as_u16()) {
        None | Some(200) => Said::Given(given(message).ok_or_else(odd)?),
        Some(100) => Said::Alive,
        // It waited long enough, nothing is there, or what is there is too much at once.
        Some(404 | 408) => Said::Ended,
        Some(409) if text.to_lowercase().contains("maxbytes") => Said::Ended,
        _ => Said::Gone,
    })
}

#[cfg(test)]
mod tests {
    use super::super::message::Draft;
    use super::super::target::Target;
    use super::super::{Options, bucket};
    use super::*;
    use peers::{Nats, NatsOptions, there};

    async fn connected(peer: &Nats) -> (Conn, Wanted) {
        let options = Options {
            url: peer.url(),
            ca: None,
            prefix: "p".into(),
            replicas: 1,
            size: 64 << 20,
            jobs: None,
            events: None,
            topics: None,
        };
        let target = Target::new(&options, bucket::of(&options).into()).unwrap();
        let stream = target.buckets[0].stream();
        let wanted = Wanted {
            stream,
            filter: "$KV.p_values.a.>".into(),
            headers_only: false,
        };
        (Conn::open(&target).await.unwrap(), wanted)
    }

    async fn put(conn: &Conn, key: &str, value: &[u8]) {
        let draft = Draft {
            value: value.to_vec(),
            ..Draft::default()
        };
        let put = conn.publish(format!("$KV.p_values.{key}"), draft).await;
        put.unwrap().unwrap();
    }

    /// Values until it has caught up, or until so many came.
    async fn values(follow: &mut Follow, most: usize) -> Vec<String> {
        let mut values = Vec::new();
        while values.len() < most {
            match follow.next().await.unwrap() {
                Told::Message(found) => {
                    values.push(String::from_utf8(found.value).unwrap());
                }
                Told::Caught => break,
                told => panic!("{told:?}"),
            }
        }
        values
    }

    fn numbers(from: usize, to: usize) -> Vec<String> {
        (from..to).map(|i| i.to_string()).collect()
    }

    async fn add(conn: &Conn, from: usize, to: usize) {
        for i in from..to {
            put(conn, &format!("a.{i}"), i.to_string().as_bytes()).await;
            put(conn, &format!("b.{i}"), b"of no interest").await;
        }
    }

    #[test]
    fn each_message_is_told_once_in_order_whatever_becomes_of_the_reader_and_the_server() {
        let Some(mut peer) = there(Nats::start(NatsOptions::default())) else {
            return;
        };
        let run = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        let (place, wanted) = run().block_on(async {
            let (conn, wanted) = connected(&peer).await;
            let nothing = conn.follow(wanted.clone(), Place::default()).await;
            assert_eq!(nothing.unwrap().next().await.unwrap(), Told::Caught);
            add(&conn, 0, 600).await;
            let follow = conn.follow(wanted.clone(), Place::default()).await;
            let mut follow = follow.unwrap();
            assert_eq!(values(&mut follow, 1000).await, numbers(0, 600));
            add(&conn, 600, 610).await;
            assert_eq!(values(&mut follow, 10).await, numbers(600, 610));
            // Its reader is taken away: it goes on with another one.
            let gone = format!("CONSUMER.DELETE.{}.{}", wanted.stream, follow.reader);
            conn.api(&gone, Value::Null).await.unwrap();
            add(&conn, 610, 620).await;
            assert_eq!(values(&mut follow, 10).await, numbers(610, 620));
            (follow.place().clone(), wanted)
        });
        peer.stop();
        peer.start_again().unwrap();
        run().block_on(async {
            let (conn, _) = connected(&peer).await;
            add(&conn, 620, 630).await;
            let wanted = Wanted {
                headers_only: true,
                ..wanted
            };
            let mut follow = conn.follow(wanted, place.clone()).await.unwrap();
            for _ in 620..630 {
                let Told::Message(found) = follow.next().await.unwrap() else {
                    panic!("a message");
                };
                assert!(found.value.is_empty());
                assert_eq!(found.headers.get("Nats-Msg-Size").unwrap().as_str(), "3");
            }
            assert_eq!(follow.next().await.unwrap(), Told::Caught);
        });
        peer.stop();
        peer.start_empty().unwrap();
        run().block_on(async {
            let (conn, wanted) = connected(&peer).await;
            let mut follow = conn.follow(wanted, place).await.unwrap();
            assert_eq!(follow.next().await.unwrap(), Told::Anew);
            assert_eq!(follow.next().await.unwrap(), Told::Caught);
            assert_eq!(follow.place().seq, 0);
        });
    }
}
