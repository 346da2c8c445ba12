//! `SecondLevel`: answers that several caches have together, and what has changed since, in one numbered order.
//!
//! A change is put before all nodes as a number; an answer is stored with the number up to which its node had heard before it
//! was asked for. So it is good as long as nothing that concerns it has a larger number, whatever the clocks of nodes say. Changes of one
//! address or group leave their number in a cell of a fixed table, which the engine itself compares; purges, which name many at once, are
//! remembered as they are, for nodes to compare.

use crate::Ack;
use std::time::Duration;

/// Changes that are remembered for those who have not heard them yet.
pub const CHANGES: usize = 4096;
/// Purges that are remembered for as long as they are among the last so many.
pub const PURGES: usize = 1024;
/// Two addresses in one cell cost a fill, never an old answer.
pub const CELLS: u64 = 1 << 16;
/// Variants of one key; the oldest gives way.
pub const VARIANTS: usize = 8;
/// Most changes that are told at once.
pub const HEARD: usize = 512;

/// How far a node has heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Another one after the engine has lost what it had: then numbers begin anew.
    pub epoch: u64,
    pub number: u64,
    /// Of the change with this number: whether it is still the same one.
    pub tag: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub number: u64,
    pub body: Vec<u8>,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// One address or group.
    Cell(u64),
    Purge,
}

/// What has changed since a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub position: Position,
    /// Something was missed: `changes` are the purges that are remembered, and not what came after the position.
    pub is_gap: bool,
    pub changes: Vec<Change>,
}

/// A variant that nothing of its cells has outdated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub number: u64,
    /// For how long it has been there, on the engine's clock.
    pub since: Duration,
    pub record: Vec<u8>,
}

/// A variant to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storing {
    pub epoch: u64,
    /// What had been heard before the answer was asked for.
    pub number: u64,
    pub key: String,
    pub variant: String,
    pub cells: Vec<u64>,
    pub record: Vec<u8>,
    pub ttl: Duration,
}

pub trait SecondLevel: Send + Sync {
    fn fetch(&self, epoch: u64, key: &str) -> Ack<Vec<Stored>>;
    /// False: something newer is there, or the position is of another epoch.
    fn store(&self, storing: Storing) -> Ack<bool>;
    /// Tells all nodes. A call that failed may have been done.
    fn tell(&self, about: About, body: Vec<u8>) -> Ack<()>;
    /// `None`: nothing has been heard yet.
    fn hear(&self, from: Option<&Position>) -> Ack<Heard>;
}
