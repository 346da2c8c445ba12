//! Follows a body to its end. `decode` yields the payload; `pass` yields bytes that can go on as they are,
//! so that a body needs no new framing when both sides use the same.

use crate::framing::Framing;
use crate::limits::Limits;
use crate::reject::Reject;
use crate::trailers::Trailers;
use std::ops::Range;

/// Longest extension of one chunk, bytes.
const EXTENSION_LINE: u32 = 256;

/// What `decode` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Payload: this range of the input. More may follow.
    Data(Range<usize>),
    /// The input is used up (as far as consumed) and the body has not ended.
    More,
    /// The body has ended; what follows `consumed` belongs to the next message.
    End,
}

/// What `pass` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Bytes of the input that belong to this body, framing included; all of them are valid.
    pub len: usize,
    /// Payload bytes among them.
    pub data: usize,
    pub done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    Length(u64),
    UntilClose,
    /// Digits seen and their value.
    Size(u8, u64),
    /// Size, and extension bytes seen of this line.
    Extension(u64, u32),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    Trailers,
    Failed(Reject),
}

#[derive(Clone, Debug)]
pub struct Body {
    state: State,
    limit: u64,
    received: u64,
    extensions: u32,
    trailers: Trailers,
}

impl Body {
    pub fn new(framing: Framing, limits: &Limits) -> Body {
        Body {
            state: match framing {
                Framing::None | Framing::Length(0) => State::Done,
                Framing::Length(n) => State::Length(n),
                Framing::Chunked => State::Size(0, 0),
                Framing::UntilClose => State::UntilClose,
            },
            limit: limits.body,
            received: 0,
            extensions: limits.extensions,
            trailers: Trailers::new(limits.trailers),
        }
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }
    /// Payload bytes so far.
    pub fn received(&self) -> u64 {
        self.received
    }
    /// Trailer lines as `name: value\r\n`, once the body has ended; checked, so they can be written as they are.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers.lines
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// `body-truncated` when the body had not.
    pub fn end_of_input(&mut self) -> Result<(), Reject> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Failed(reject) => Err(reject),
            _ => Err(Reject::bad(
                "body-truncated",
                "the connection ended within the body",
            )),
        }
    }

    /// Consumes up to and including the next stretch of payload: `(consumed, piece)`.
    ///
    /// # Errors
    /// See [`Reject`]. The status is that of a request; in a response every fault is a 502.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Piece), Reject> {
        let result = self.step(input);
        if let Err(reject) = result {
            self.state = State::Failed(reject);
        }
        result
    }

    /// Consumes all of the input that belongs to this body, to be passed on as it is.
    ///
    /// # Errors
    /// As `decode`; then none of this input may be passed on.
    pub fn pass(&mut self, input: &[u8]) -> Result<Pass, Reject> {
        let (mut len, mut data) = (0, 0);
        loop {
            let (consumed, piece) = self.decode(&input[len..])?;
            len += consumed;
            match piece {
                Piece::Data(range) => data += range.len(),
                Piece::More => break,
                Piece::End => break,
            }
        }
        Ok(Pass {
            len,
            data,
            done: self.is_done(),
        })
    }

    fn step(&mut self, input: &[u8]) -> Result<(usize, Piece), Reject> {
        let mut at = 0;
        loop {
            match self.state {
                State::Done => return Ok((at, Piece::End)),
                State::Failed(reject) => return Err(reject),
                _ if at == input.len() => return Ok((at, Piece::More)),
                State::Length(left) => {
                    let n = self.payload(&input[at..], left)?;
                    self.state = match left - n as u64 {
                        0 => State::Done,
                        left => State::Length(left),
                    };
                    return Ok((at + n, Piece::Data(at..at + n)));
                }
                State::UntilClose => {
                    let n = self.payload(&input[at..], u64::MAX)?;
                    return Ok((at + n, Piece::Data(at..at + n)));
                }
                State::Data(left) => {
                    let n = self.payload(&input[at..], left)?;
                    self.state = match left - n as u64 {
                        0 => State::DataCr,
                        left => State::Data(left),
                    };
                    return Ok((at + n, Piece::Data(at..at + n)));
                }
                State::Trailers => {
                    if self.trailers.byte(input[at])? {
                        self.state = State::Done;
                    }
                    at += 1;
                }
                _ => {
                    self.state = self.framing_byte(input[at])?;
                    at += 1;
                }
            }
        }
    }

    /// How much of `input` is payload, counted against the limit.
    fn payload(&mut self, input: &[u8], left: u64) -> Result<usize, Reject> {
        let n = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        self.received = self.received.saturating_add(n as u64);
        if self.received > self.limit {
            return Err(TOO_LARGE);
        }
        Ok(n)
    }

    /// One byte of chunk framing, and the state after it.
    fn framing_byte(&mut self, b: u8) -> Result<State, Reject> {
        const SIZE: Reject = Reject::bad("chunk-size", "a chunk size is not a hexadecimal number");
        const END: Reject = Reject::bad("chunk-end", "a chunk does not end with CRLF");
        match (self.state, b) {
            (State::Size(digits, size), b) if b.is_ascii_hexdigit() => {
                // 15 digits are below 2^60: nothing can overflow, here or in who reads it next.
                if digits == 15 {
                    return Err(Reject::bad(
                        "chunk-size",
                        "a chunk size has too many digits",
                    ));
                }
                let digit = (b as char).to_digit(16).unwrap_or(0) as u64;
                Ok(State::Size(digits + 1, size * 16 + digit))
            }
            (State::Size(1.., size), b'\r') | (State::Extension(size, _), b'\r') => {
                if size > self.limit.saturating_sub(self.received) {
                    return Err(TOO_LARGE);
                }
                Ok(State::SizeLf(size))
            }
            (State::Size(1.., size), b';') => Ok(State::Extension(size, 0)),
            (State::Size(..), _) => Err(SIZE),
            (State::Extension(size, seen), b) => {
                if b == b'\t' || (0x20..0x7f).contains(&b) {
                    self.extensions = self.extensions.saturating_sub(1);
                    if seen < EXTENSION_LINE && self.extensions > 0 {
                        return Ok(State::Extension(size, seen + 1));
                    }
                }
                Err(Reject::bad(
                    "chunk-extension",
                    "a chunk extension is too long or has a byte that it cannot have",
                ))
            }
            (State::SizeLf(0), b'\n') => Ok(State::Trailers),
            (State::SizeLf(size), b'\n') => Ok(State::Data(size)),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size(0, 0)),
            _ => Err(END),
        }
    }
}

const TOO_LARGE: Reject = Reject::new(413, "body-too-large", "the body is over its limit");
