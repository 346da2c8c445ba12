//! What the threads share of one disk, under one lock that is never held while a file is touched.

use super::super::Purge;
use super::index::Index;
use super::line::Line;
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot::Sender;

#[derive(Default)]
pub struct State {
    pub phase: Phase,
    pub index: Index,
    pub files: HashMap<u32, Arc<File>>,
    /// Lines that are to be written, in the order in which the index took them.
    pub pending: Vec<Line>,
    /// Those that came before there was an index.
    pub purges: Vec<Purge>,
    /// Who waits until they are written.
    pub noted: Vec<Sender<()>>,
    /// Who waits for a record that is being read.
    pub reading: HashMap<u64, Vec<Sender<()>>>,
    /// Keys on their way to the disk, and which write is theirs.
    pub writing: HashMap<u64, u64>,
    pub writes: u64,
}

/// How the disk stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is found yet, and changes are remembered until the index is there.
    #[default]
    Opening,
    Open,
    /// Memory only until it is tried again: why.
    Broken(String, Instant),
    Closed,
}

impl State {
    pub fn give_up(&mut self, phase: Phase) {
        // Whoever waits for lines or records is woken by their going.
        *self = State {
            phase,
            writes: self.writes,
            ..State::default()
        };
    }
}
