//! What `shim.c` wrote down.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Event {
    /// Within the folder; empty: the folder itself.
    pub path: PathBuf,
    pub op: Op,
}

#[derive(Clone, Debug)]
pub enum Op {
    Write { offset: usize, data: Vec<u8> },
    Truncate { len: usize },
    Sync,
    Create,
    Unlink,
    Rename { to: PathBuf },
}

pub fn read(mut bytes: &[u8], folder: &Path) -> Vec<Event> {
    let within = |path: &[u8]| {
        let path = Path::new(OsStr::from_bytes(path));
        path.strip_prefix(folder).unwrap().to_path_buf()
    };
    let mut take = |n: usize| {
        let (taken, rest) = bytes.split_at_checked(n)?;
        bytes = rest;
        Some(taken)
    };
    let mut events = Vec::new();
    while let Some(head) = take(32) {
        let number = |i: usize| {
            let bytes = head[8 * i..8 * i + 8].try_into().unwrap();
            u64::from_ne_bytes(bytes) as usize
        };
        let (offset, len) = (number(2), number(3));
        let path = within(take(number(1)).unwrap());
        let data = take(len).unwrap();
        let op = match number(0) {
            1 => Op::Write {
                offset,
                data: data.to_vec(),
            },
            2 => Op::Truncate { len: offset },
            3 => Op::Sync,
            4 => Op::Create,
            5 => Op::Unlink,
            6 => Op::Rename { to: within(data) },
            other => panic!("no such record: {other}"),
        };
        events.push(Event { path, op });
    }
    events
}
