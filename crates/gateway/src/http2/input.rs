//! The request of a stream, as HTTP/1 would send it: a head, then a body with its framing. Taking it is what lets the
//! client send more.

use super::head::{Follows, write_trailers};
use super::web::Web;
use h2::RecvStream;
use std::io;
use std::task::{Context, Poll, ready};

pub struct Input {
    /// HTTP/1 bytes that were made and not taken yet.
    ready: Vec<u8>,
    body: RecvStream,
    follows: Follows,
    /// It is gRPC, and the other side gets gRPC-Web.
    web: Option<Web>,
    ended: bool,
}

impl Input {
    pub fn new(head: Vec<u8>, body: RecvStream, follows: Follows) -> Input {
        Input {
            ready: head,
            body,
            ended: follows == Follows::Nothing,
            follows,
            web: None,
        }
    }

    pub fn translated(mut self, web: Option<Web>) -> Input {
        self.web = web;
        self
    }

    /// Nothing more comes, and all was taken.
    pub fn is_over(&self) -> bool {
        self.ended && self.ready.is_empty()
    }

    /// Whether its end is the end of what the client sends, and not only of one request.
    pub fn is_tunnel(&self) -> bool {
        self.follows == Follows::Tunnel
    }

    /// Ready when something can be taken. Not to be asked when it is over.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ready.is_empty() && !self.ended {
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(data)) => {
                    match (self.follows, self.web) {
                        (Follows::Chunks, Some(web)) => {
                            http1::write_chunk(&mut self.ready, &web.encode(&data));
                        }
                        (Follows::Chunks, None) => http1::write_chunk(&mut self.ready, &data),
                        _ => self.ready.extend_from_slice(&data),
                    }
                    let _ = self.body.flow_control().release_capacity(data.len());
                }
                Some(Err(e)) => return Poll::Ready(Err(io::Error::other(e))),
                None => {
                    if self.follows == Follows::Chunks {
                        let trailers = ready!(self.body.poll_trailers(cx));
                        let trailers = trailers.map_err(io::Error::other)?;
                        let mut lines = Vec::new();
                        trailers.iter().for_each(|t| write_trailers(&mut lines, t));
                        if let Some(web) = self.web {
                            // Those who read trailers get them as such, too: samples and breakers do.
                            http1::write_chunk(&mut self.ready, &web.trailers(&lines));
                        }
                        http1::write_last_chunk(&mut self.ready, &lines);
                    }
                    self.ended = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes at most `most` bytes.
    pub fn take(&mut self, most: usize, mut each: impl FnMut(&[u8])) -> usize {
        let n = self.ready.len().min(most);
        each(&self.ready[..n]);
        self.ready.drain(..n);
        n
    }
}
