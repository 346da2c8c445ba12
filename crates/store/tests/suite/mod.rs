//! The conformance suites: what every engine must do, as functions over a way to make an empty store.

pub mod kv;
pub mod log;
pub mod queue;

/// Makes an empty store, and opens the same one again.
pub trait Factory {
    type Store: store::Log + store::Kv + store::Queue + 'static;
    fn fresh(&self) -> Self::Store;
    fn reopen(&self, closed: Self::Store) -> Self::Store;
}
