//! HTTP/2. Towards clients one task drives a connection, and each stream is a task of its own that is served as a
//! connection with one request is: a stream speaks HTTP/1 inward, so that an exchange is the same for both (ADR 61).

mod call;
mod cork;
mod driver;
mod head;
mod input;
mod output;
mod payload;
mod stream;
mod watch;
mod web;
mod wire;

pub use call::{Call, unread};
pub use cork::Corked;
pub(crate) use driver::{PREFACE, serve};
pub use stream::Stream;
