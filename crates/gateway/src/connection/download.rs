//! What the bytes of a response mean, and what goes on to the client of them.

use super::Busy;
use super::drive::{Drive, Driven};
use super::grpc;
use super::via;
use crate::exchange::{Exchange, Failed, Head, MAX_EDITS, Outgoing, Reply, ResponseHead};
use crate::gate::{Settle, Ticket, Transform};
use crate::retry::{self, Failure, Go};
use http1::{
    Body, Connection, Edit, Framing, Kind, Lines, Piece, Reject, Rewrite, Status, Version,
};
use std::ops::Range;
use std::time::Duration;

/// How the body goes on.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Manner {
    /// As it came, framing included.
    #[default]
    AsItCame,
    /// In chunks: the instance frames it by closing, the client's connection shall live on.
    InChunks,
    /// Without framing: the client knows no chunks, and sees the end by closing.
    Bare,
}

/// The state of a response.
#[derive(Default)]
pub(super) struct Download {
    /// After the head.
    body: Option<Body>,
    manner: Manner,
    pub tap: bool,
    /// A gate sees the payload as it comes.
    watched: bool,
    /// A gate changes the body; what has come out of it waits in `ready`.
    pub through: Option<Box<dyn Transform>>,
    pub ready: Vec<u8>,
    /// How the call went stands in a header or a trailer.
    grpc: bool,
    /// The head has been looked at, and a gate holds it back.
    held_back: bool,
    /// What that waits for.
    pub settling: Option<Ticket>,
    /// An interim response has passed.
    pub interim: bool,
    /// The client's connection ends with this response.
    pub closing: bool,
    /// The instance's connection can be used again, once the body has ended.
    pub reusable: bool,
    pub tunnel: bool,
}

impl Download {
    /// The head has passed, so nothing can be tried again.
    pub fn passed(&self) -> bool {
        self.body.is_some()
    }

    pub fn ended(&self) -> bool {
        self.body.as_ref().is_some_and(Body::is_done)
    }
}

impl Drive<'_> {
    /// The instance has closed its side: the end of the body, or an error.
    pub(super) fn end_of_body(&mut self) -> Result<(), Reject> {
        self.down.reusable = false;
        if let Some(body) = &mut self.down.body {
            body.end_of_input()?;
            self.end();
        }
        Ok(())
    }

    /// The body has ended.
    fn end(&mut self) {
        self.end_changed();
        if self.down.tap {
            self.room.live.tap(b"");
        }
        if self.down.manner == Manner::InChunks {
            http1::write_last_chunk(&mut self.room.out.bytes, b"");
        }
    }

    /// Handles what was read. The range of `input` goes to the client as it is, behind what is in the buffer.
    pub(super) fn take(&mut self, input: &[u8]) -> Result<Range<usize>, Driven> {
        let mut at = 0;
        while !self.down.passed() {
            match self.head(&input[at..]) {
                Ok(Some(n)) => at += n,
                Err(Driven::Waits) => {
                    // The same head is looked at again.
                    self.room.partial.clear();
                    self.room.partial.extend_from_slice(&input[at..]);
                    return Err(Driven::Waits);
                }
                Err(end) => return Err(end),
                Ok(None) => {
                    self.room.partial.extend_from_slice(&input[at..]);
                    return Ok(0..0);
                }
            }
            if self.down.tunnel {
                return Ok(at..input.len());
            }
        }
        let direct = self.body(&input[at..])?;
        if self.down.grpc {
            self.learn_from_trailers();
        }
        Ok(at..at + direct)
    }

    /// One head, interim or final: its length, or `None` when it is not whole.
    fn head(&mut self, input: &[u8]) -> Result<Option<usize>, Driven> {
        let worker = self.worker.clone();
        let mut lines = worker.lines.borrow_mut();
        let Some(request) = self.room.down.meta else {
            return Err(Driven::Broken);
        };
        let limits = &self.room.live.snapshot.response_limits;
        let head = match http1::parse_response(input, limits, request.method, &mut lines) {
            Ok(Status::Complete(head)) => head,
            Ok(Status::Partial) => return Ok(None),
            Err(reject) => return Err(garbage(reject.to_string())),
        };
        if head.meta.is_interim() {
            self.down.interim = true;
            // HTTP/1.0 knows no interim responses.
            if request.version == Version::Http11 {
                http1::write_response(&mut self.room.out.bytes, &head, &Rewrite::default());
            }
            return Ok(Some(head.meta.len));
        }
        let asks_upgrade = self.room.down.head().and_then(|h| h.upgrade()).is_some();
        let upgrade = head.meta.status == 101;
        if upgrade && !(asks_upgrade && head.upgrade().is_some()) {
            return Err(garbage(
                "101 without a request to change the protocol".into(),
            ));
        }
        if !self.down.held_back {
            self.note(&head);
            if let Some(wait) = self.again(&head) {
                return Err(Driven::Again(wait));
            }
            if let Some(answered) = self.answered {
                answered.set(true);
            }
        }
        if self.room.live.settles() {
            self.settle(&head)?;
        }
        if self.room.live.sees_answers()
            && let Some(request) = self.room.down.head()
        {
            let response = ResponseHead::Wire(head);
            self.down.watched = self.room.live.answered(request, response);
        }
        let changed = match upgrade {
            true => None,
            false => self.changed(&head),
        };
        // Without a body, nothing of it is left on the connection.
        let reuse = head.meta.keep_alive
            && head.meta.framing == Framing::None
            && head.meta.len == input.len();
        let came = (head.meta.framing, head.meta.keep_alive);
        let next = match &changed {
            None => self.go_on(&head, came, upgrade),
            Some(bytes) => {
                let mut lines = Lines::default();
                let limits = &self.room.live.snapshot.response_limits;
                match http1::parse_response(bytes, limits, request.method, &mut lines) {
                    Ok(Status::Complete(head)) => self.go_on(&head, came, upgrade),
                    _ => return Err(Driven::Broken),
                }
            }
        };
        match next {
            None => Ok(Some(head.meta.len)),
            Some(reply) => Err(Driven::Instead { reply, reuse }),
        }
    }

    /// Whether a gate lets the head go on.
    fn settle(&mut self, head: &http1::ResponseHead<'_>) -> Result<(), Driven> {
        let now = self.worker.now();
        let Busy { down, live, .. } = &mut *self.room;
        let Some(request) = down.head() else {
            return Err(Driven::Broken);
        };
        match live.settle(request, ResponseHead::Wire(*head), now) {
            Settle::Go => Ok(()),
            Settle::Wait(ticket) => {
                (self.down.held_back, self.down.settling) = (true, Some(ticket));
                Err(Driven::Waits)
            }
            // What is left of the response goes with its connection.
            Settle::Instead(reply) => Err(Driven::Instead {
                reply,
                reuse: false,
            }),
        }
    }

    /// This head goes to the client, or what a gate has instead. What came may have been framed in another way, and its
    /// connection may have been kept or not.
    fn go_on(
        &mut self,
        head: &http1::ResponseHead<'_>,
        came: (Framing, bool),
        upgrade: bool,
    ) -> Option<Reply> {
        let reply = self.instead(head);
        if reply.is_none() {
            self.write(head, came, upgrade);
        }
        reply
    }

    /// What the samples and gates learn of the head.
    fn note(&mut self, head: &http1::ResponseHead<'_>) {
        let kind = head.fields.get(Kind::ContentType);
        self.down.grpc = kind.is_some_and(grpc::is_grpc);
        let status = self.learned(head);
        let (now, live) = (self.worker.now(), &mut self.room.live);
        live.facts.status = status;
        live.facts.first_byte = Some(now);
        live.sample.status = status;
        live.sample.first_byte_us = live.since_start(now);
        let event_stream = |t: &[u8]| {
            t.get(..17)
                .is_some_and(|t| t.eq_ignore_ascii_case(b"text/event-stream"))
        };
        live.set_stream(head.meta.status == 101 || kind.is_some_and(event_stream));
        if let Some(trial) = &mut live.trial {
            trial.status = status;
            trial.first_byte_us = super::live::micros(now.since(trial.start).as_nanos() as u64);
            for value in head.fields.all(Kind::ServerTiming) {
                let shared = &self.worker.shared;
                self.worker.timing.read(
                    value,
                    &self.route.service.name,
                    &shared.names,
                    &shared.sizes,
                    trial,
                );
            }
        }
    }

    /// The status that this response stands for.
    fn learned(&self, head: &http1::ResponseHead<'_>) -> u16 {
        let code = match self.down.grpc {
            true => head.fields.named(grpc::STATUS),
            false => None,
        };
        code.and_then(grpc::learned).unwrap_or(head.meta.status)
    }

    /// The same, when the body has ended and its trailers say it.
    fn learn_from_trailers(&mut self) {
        let body = self.down.body.as_ref().filter(|b| b.is_done());
        let code = body.and_then(|b| grpc::in_trailers(b.trailers()));
        if let Some(status) = code.and_then(grpc::learned) {
            let live = &mut self.room.live;
            (live.facts.status, live.sample.status) = (status, status);
            if let Some(trial) = &mut live.trial {
                trial.status = status;
            }
        }
    }

    /// Whether another try is better than this response.
    fn again(&mut self, head: &http1::ResponseHead<'_>) -> Option<Duration> {
        let status = self.learned(head);
        if !matches!(status, 429 | 502..=504) || self.down.interim {
            return None;
        }
        let pushed = match self.down.grpc {
            true => head.fields.named(grpc::PUSHBACK.as_bytes()),
            false => None,
        };
        let asked = match pushed {
            Some(value) => Some(grpc::pushback(value)),
            None => head.fields.get(Kind::RetryAfter).map(retry::asked),
        };
        let (down, live) = (&self.room.down, &mut self.room.live);
        let mut exchange = Exchange {
            head: Head::Wire(down.head()?),
            facts: &mut live.facts,
        };
        let failure = Failure::Status(status);
        let (replayable, now) = (down.replayable, self.worker.now());
        match (self.route.hinge).after(&mut exchange, failure, asked, replayable, now) {
            Go::Retry(wait) => Some(wait),
            Go::Stop(_) => None,
        }
    }

    /// What a gate has that is better than this answer.
    fn instead(&mut self, head: &http1::ResponseHead<'_>) -> Option<Reply> {
        let (status, now) = (head.meta.status, self.worker.now());
        let Busy {
            down,
            live,
            reply_edits,
            ..
        } = &mut *self.room;
        match status {
            304 => {
                reply_edits.clear();
                let mut out = Outgoing {
                    head: ResponseHead::Wire(*head),
                    edits: reply_edits,
                };
                live.not_modified(down.head()?, &mut out, now)
            }
            500.. => live.failed(down.head()?, Failed { status, reason: "" }, now),
            _ => None,
        }
    }

    /// The gates see the head; then it is written.
    fn write(&mut self, head: &http1::ResponseHead<'_>, came: (Framing, bool), upgrade: bool) {
        let Some(request) = self.room.down.meta else {
            return;
        };
        let limits = &self.room.live.snapshot.response_limits;
        self.down.body = Some(Body::new(came.0, limits));
        self.down.reusable = came.1;
        let old = request.version == Version::Http10;
        let (manner, framing) = match head.meta.framing {
            _ if self.down.through.is_some() => (Manner::InChunks, None),
            Framing::Chunked if old => (Manner::Bare, Some(Framing::UntilClose)),
            Framing::UntilClose if !old && !upgrade => (Manner::InChunks, Some(Framing::Chunked)),
            _ => (Manner::AsItCame, None),
        };
        self.down.manner = manner;
        // A client that waits for 100 and gets this instead may send its body or not: nobody can tell.
        let unsure = request.expect_continue && self.room.down.body.received() == 0;
        self.down.closing = !request.keep_alive
            || self.room.live.is_last()
            || unsure
            || manner == Manner::Bare
            || (old && head.meta.framing == Framing::UntilClose);
        self.room.reply_edits.clear();
        if let Some(request) = self.room.down.head() {
            let mut out = Outgoing {
                head: ResponseHead::Wire(*head),
                edits: &mut self.room.reply_edits,
            };
            let now = self.room.live.facts.first_byte.unwrap_or_default();
            self.room.live.reply(request, &mut out, now);
        }
        self.down.tap = self.room.live.taps();
        let (mut edits, mut n) = self.room.reply_edits.listed::<{ MAX_EDITS + 1 }>();
        let name = self.room.live.snapshot.via.as_deref();
        let via = name.map(|name| via::line(name, head.version, via::is_http2(self.socket)));
        if let Some(via) = &via {
            edits[n] = Edit::Append(b"Via", via.bytes());
            n += 1;
        }
        let rewrite = Rewrite {
            edits: &edits[..n],
            framing,
            connection: match () {
                () if upgrade => Connection::Upgrade,
                () if self.down.closing => Connection::Close,
                () if old => Connection::KeepAlive,
                () => Connection::Omit,
            },
            ..Rewrite::default()
        };
        http1::write_response(&mut self.room.out.bytes, head, &rewrite);
        self.down.tunnel = upgrade;
        match self.room.live.facts.stream {
            // An event stream may be silent as long as it likes, but not when nobody is there any more.
            true => {
                let idle = self.room.live.snapshot.limits.idle;
                self.client.alarm.clear();
                self.client.socket.keep_alive(idle);
                self.socket.keep_alive(idle);
            }
            false => {
                let idle = self.worker.wheel.now() + self.room.live.snapshot.limits.idle;
                self.client.set_alarm(self.worker, Some(idle));
            }
        }
    }

    /// How much of `data` goes on as it is.
    fn body(&mut self, data: &[u8]) -> Result<usize, Driven> {
        let (down, out) = (&mut self.down, &mut self.room.out.bytes);
        let data = match &mut self.paced {
            None => data,
            Some(paced) => paced.trim(data),
        };
        let Some(body) = &mut down.body else {
            return Ok(0);
        };
        if down.manner == Manner::AsItCame && !down.tap && !down.watched {
            let pass = body.pass(data).map_err(|_| Driven::Broken)?;
            down.reusable &= pass.len == data.len();
            return Ok(pass.len);
        }
        let mut at = 0;
        loop {
            let (n, piece) = body.decode(&data[at..]).map_err(|_| Driven::Broken)?;
            let start = at;
            at += n;
            match piece {
                Piece::Data(range) => {
                    let payload = &data[start + range.start..start + range.end];
                    if down.watched {
                        self.room.live.payload(payload);
                    }
                    if let Some(through) = &mut down.through {
                        through.take(payload, &mut down.ready);
                        continue;
                    }
                    if down.tap {
                        self.room.live.tap(payload);
                    }
                    match down.manner {
                        Manner::AsItCame => {}
                        Manner::InChunks => http1::write_chunk(out, payload),
                        Manner::Bare => out.extend_from_slice(payload),
                    }
                }
                Piece::More | Piece::End => break,
            }
        }
        down.reusable &= at == data.len();
        let done = body.is_done();
        self.send_ready();
        if done {
            self.end();
        }
        Ok(match self.down.manner {
            Manner::AsItCame => at,
            _ => 0,
        })
    }
}

fn garbage(what: String) -> Driven {
    let what = format!("what came is no response: {what}");
    Driven::Failed(Failure::Garbage, "upstream-garbage", what.into())
}
