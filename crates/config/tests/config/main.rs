//! What files say, what is refused and how it is told. One executable, which is linked once.

mod adopt;
mod agents;
mod check;
mod console;
mod identity;
mod otlp;
mod overlays;
mod purge_hook;
mod traps;
