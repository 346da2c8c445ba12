//! Shared by the tests: a reader that is fed in pieces, and the corpus of messages with what must come of them.
#![allow(dead_code)]

pub mod corpus;
pub mod lenient;

use http1::{Body, Framing, Limits, Lines, Method, Piece, Reject, Status};

/// What came of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Framing, payload, trailers, and bytes left over for the next message.
    Message {
        framing: Framing,
        keep_alive: bool,
        payload: Vec<u8>,
        trailers: Vec<u8>,
        rest: usize,
    },
    Refused(u16, &'static str),
    Incomplete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Request,
    /// The answer to a request with this method.
    Response(Method),
}

/// Feeds `message`, cut at `cuts`, as a connection would; the end of the input is the end of the connection.
pub fn feed(side: Side, message: &[u8], cuts: &[usize], limits: &Limits) -> Outcome {
    let mut reader = Reader::new(side, limits);
    let mut from = 0;
    for &cut in cuts.iter().chain([&message.len()]) {
        if let Err(r) = reader.take(&message[from..cut]) {
            return Outcome::Refused(r.status, r.reason);
        }
        from = cut;
    }
    reader.end()
}

struct Reader<'l> {
    side: Side,
    limits: &'l Limits,
    pending: Vec<u8>,
    body: Option<(Framing, bool, Body)>,
    payload: Vec<u8>,
}

impl<'l> Reader<'l> {
    fn new(side: Side, limits: &'l Limits) -> Self {
        Reader {
            side,
            limits,
            pending: Vec::new(),
            body: None,
            payload: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Reject> {
        let fresh = self.pending.len();
        self.pending.extend_from_slice(bytes);
        if self.body.is_none() {
            if !http1::may_end(&self.pending, fresh) && self.pending.len() < self.limits.head {
                return Ok(());
            }
            let mut lines = Lines::default();
            let (len, framing, keep_alive) = match self.side {
                Side::Request => {
                    match http1::parse_request(&self.pending, self.limits, &mut lines)? {
                        Status::Complete(h) => (h.len, h.framing, h.keep_alive),
                        Status::Partial => return Ok(()),
                    }
                }
                Side::Response(m) => {
                    match http1::parse_response(&self.pending, self.limits, m, &mut lines)? {
                        Status::Complete(h) => (h.len, h.framing, h.keep_alive),
                        Status::Partial => return Ok(()),
                    }
                }
            };
            self.pending.drain(..len);
            self.body = Some((framing, keep_alive, Body::new(framing, self.limits)));
        }
        let Some((_, _, body)) = &mut self.body else {
            return Ok(());
        };
        // The two ways to follow a body must agree.
        let mut twin = body.clone();
        let passed = twin.pass(&self.pending);
        let before = self.payload.len();
        let mut at = 0;
        let result = loop {
            match body.decode(&self.pending[at..]) {
                Ok((n, Piece::Data(range))) => {
                    self.payload
                        .extend_from_slice(&self.pending[at..][range.clone()]);
                    assert_eq!(range.end, n);
                    at += n;
                }
                Ok((n, Piece::More | Piece::End)) => {
                    at += n;
                    break Ok(());
                }
                Err(e) => break Err(e),
            }
        };
        match (passed, result) {
            (Ok(pass), Ok(())) => {
                assert_eq!((pass.len, pass.data), (at, self.payload.len() - before));
                assert_eq!(pass.done, body.is_done());
            }
            (Err(a), Err(b)) => assert_eq!(a, b),
            (a, b) => panic!("pass said {a:?}, decode said {b:?}"),
        }
        self.pending.drain(..at);
        result
    }

    fn end(mut self) -> Outcome {
        let Some((framing, keep_alive, body)) = &mut self.body else {
            return Outcome::Incomplete;
        };
        if let Err(r) = body.end_of_input() {
            return match r.reason {
                "body-truncated" => Outcome::Incomplete,
                reason => Outcome::Refused(r.status, reason),
            };
        }
        Outcome::Message {
            framing: *framing,
            keep_alive: *keep_alive,
            payload: self.payload,
            trailers: body.trailers().to_vec(),
            rest: self.pending.len(),
        }
    }
}
