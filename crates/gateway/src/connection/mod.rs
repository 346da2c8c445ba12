//! A client's connection: one task that owns both sockets.
//!
//! [`serve`] waits for requests and answers them in their order. What an exchange needs lives in a [`Busy`] room that
//! is borrowed from the thread while one is under way, and so is the memory of its state machine, so that an idle connection costs
//! next to nothing.
//! [`exchange`] takes one request through the rings; `drive` moves bytes between the two sockets.

mod attempt;
mod busy;
mod client;
mod close;
mod download;
mod drive;
mod exchange;
mod fault;
pub(crate) mod grpc;
mod hedge;
mod hold;
mod live;
mod opened;
mod request_head;
mod respond;
mod second;
mod serve;
mod socket;
mod text;
mod transform;
mod turns;
mod via;

pub use busy::Busy;
pub(crate) use serve::{Peer, serve, serve_one};
pub(crate) use socket::Detached;
pub use socket::Socket;
pub(crate) use turns::Slots;
