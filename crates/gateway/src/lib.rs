//! The data path: listen, route, gates, retry, balance, upstream.

pub mod attempt;
pub mod request;
pub mod retry;
pub mod route;
pub mod upstream;
