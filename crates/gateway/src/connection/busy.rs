//! The room of one exchange under way. Buffers keep their memory for the next exchange, within bounds.

use super::live::Live;
use crate::exchange::Edits;
use crate::worker::Worker;
use http1::{Body, Framing, Lines, RequestHead, RequestMeta};
use std::rc::Rc;

/// Buffers larger than this are not kept.
const KEEP: usize = 32 * 1024;

pub struct Busy {
    pub(super) down: Incoming,
    /// To the instance.
    pub(super) up: Buffer,
    /// A response head that is not whole yet.
    pub(super) partial: Vec<u8>,
    /// To the client.
    pub(super) out: Buffer,
    pub(super) reply_edits: Edits,
    pub(super) live: Live,
}

/// What comes from the client.
pub(super) struct Incoming {
    /// A head, its body, and what follows.
    pub bytes: Vec<u8>,
    /// Up to where the end of a head was searched for.
    pub seen: usize,
    pub lines: Lines,
    /// The head of the request under way.
    pub meta: Option<RequestMeta>,
    pub body: Body,
    /// Up to where `bytes` belongs to this request and was passed on.
    pub taken: usize,
    /// All body bytes that were taken are still in `bytes`.
    pub replayable: bool,
}

/// Bytes on their way out.
#[derive(Default)]
pub(super) struct Buffer {
    pub bytes: Vec<u8>,
    sent: usize,
}

impl Buffer {
    pub fn left(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }
    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }
    pub fn advance(&mut self, n: usize) {
        self.sent += n;
        if self.is_empty() {
            self.clear();
        }
    }
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
    }
}

impl Incoming {
    pub fn head(&self) -> Option<RequestHead<'_>> {
        let meta = self.meta?;
        Some(meta.attach(self.bytes.get(..meta.len)?, self.lines.as_slice()))
    }

    /// Becomes a request of its own, without a body, with the head of `other`.
    pub fn copy_head(&mut self, other: &Incoming) {
        let Some(meta) = other.meta else { return };
        self.bytes.extend_from_slice(&other.bytes[..meta.len]);
        self.lines.clone_from(&other.lines);
        self.body = Body::new(Framing::None, &http1::Limits::default());
        (self.meta, self.taken) = (Some(meta), meta.len);
    }

    /// Up to where head and body go, and the body at its end, where all of it has come and nothing was forgotten.
    pub fn whole(&self, limits: &http1::Limits) -> Option<(usize, Body)> {
        let meta = self.meta.filter(|_| self.replayable)?;
        let mut body = Body::new(meta.framing, limits);
        let pass = body.pass(self.bytes.get(meta.len..)?).ok()?;
        pass.done.then_some((meta.len + pass.len, body))
    }

    /// Becomes a request of its own with head and body of `other`, which is [`Incoming::whole`] up to `end`.
    pub fn copy_whole(&mut self, other: &Incoming, (end, body): (usize, Body)) {
        self.copy_head(other);
        let len = self.taken;
        self.bytes.extend_from_slice(&other.bytes[len..end]);
        (self.taken, self.body) = (end, body);
    }

    /// The bytes of its body that were taken.
    pub fn passed(&self) -> &[u8] {
        let from = self.meta.map_or(self.taken, |m| m.len);
        self.bytes.get(from..self.taken).unwrap_or(&[])
    }

    /// Back to the start of the body, for another attempt.
    pub fn rewind(&mut self, limits: &http1::Limits) {
        if let Some(meta) = self.meta {
            self.body = Body::new(meta.framing, limits);
            self.taken = meta.len;
        }
    }

    /// Forgets the body bytes that were passed on; the head stays.
    pub fn forget(&mut self) {
        if let Some(meta) = self.meta {
            self.bytes.drain(meta.len..self.taken);
            self.taken = meta.len;
            self.replayable = false;
        }
    }

    /// Leaves only what belongs to the next request.
    pub fn next(&mut self) {
        self.bytes.drain(..self.taken);
        (self.seen, self.taken, self.replayable, self.meta) = (0, 0, true, None);
    }
}

impl Busy {
    pub fn new(worker: Rc<Worker>) -> Busy {
        Busy {
            down: Incoming {
                bytes: Vec::new(),
                seen: 0,
                lines: Lines::default(),
                meta: None,
                body: Body::new(Framing::None, &http1::Limits::default()),
                taken: 0,
                replayable: true,
            },
            up: Buffer::default(),
            partial: Vec::new(),
            out: Buffer::default(),
            reply_edits: Edits::default(),
            live: Live::new(worker),
        }
    }

    /// What the client sent behind its head.
    pub(crate) fn take_early(&mut self) -> Vec<u8> {
        self.down.bytes.split_off(self.down.taken)
    }

    /// Bytes that passed through a tunnel.
    pub(crate) fn count(&mut self, up: u64, down: u64) {
        self.live.sample.bytes_in += up;
        self.live.sample.bytes_out += down;
    }

    /// Makes it ready for another connection.
    pub fn shrink(&mut self) {
        self.down.bytes.clear();
        self.down.taken = 0;
        self.down.next();
        self.up.clear();
        self.out.clear();
        self.partial.clear();
        for buffer in [
            &mut self.down.bytes,
            &mut self.up.bytes,
            &mut self.partial,
            &mut self.out.bytes,
        ] {
            if buffer.capacity() > KEEP {
                *buffer = Vec::new();
            }
        }
    }
}
