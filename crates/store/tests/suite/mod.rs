//! The conformance suites: what every engine must do, as functions over a way to make an empty store.

pub mod counter;
pub mod kv;
pub mod lease;
pub mod log;
pub mod queue;
pub mod topics;

/// Makes an empty store, and opens the same one again.
pub trait Factory {
    type Store: 'static;
    fn fresh(&self) -> Self::Store;
    fn reopen(&self, closed: Self::Store) -> Self::Store;
    /// Lets time pass, on the clock that is passed in, and on the engine's own where it goes by that.
    fn pass(&self, now_us: &mut u64, us: u64) {
        *now_us += us;
    }
}
