//! Bottlenecks of a disk: the PostgreSQL of the order service in a control group that may write or read so much.

use super::group::{Group, Limit};
use super::orders::{self, Servers};
use super::scenarios::{Ask, Scenario, World, constraint, lift, watched};
use crate::demo::stage::{Ports, Stage};
use crate::exit::Failure;
use base::Class;
use model::moves::Kind;
use std::path::Path;

/// Starts the order service. What files may take of the memory counts from the beginning, the limits of the disk once its
/// tables are filled.
pub fn start(
    servers: &Servers,
    settings: &str,
    limits: &[Limit],
    ports: &Ports,
    data: &Path,
) -> Result<(Stage, Group), Failure> {
    let database = servers.database_process.ok_or_else(|| {
        Failure::new("this scenario limits its database's disk").help("give --database-process")
    })?;
    let mut group = Group::around(database);
    let memory = |l: &&Limit| matches!(l, Limit::Memory(_));
    for limit in limits.iter().filter(memory) {
        group.limit(*limit)?;
    }
    let stage = orders::start(servers, settings, ports, data)?;
    for limit in limits.iter().filter(|l| !memory(l)) {
        group.limit(*limit)?;
    }
    Ok((stage, group))
}

pub fn scenarios() -> Vec<Scenario> {
    vec![commits(), cold()]
}

const NOTES: &str = r#"{"write_kb":64}"#;

/// Commits of all sessions that wait are written with one sync, so that a slow sync alone is lifted by more connections; bytes
/// are not.
fn commits() -> Scenario {
    Scenario {
        lift: lift(
            Ask::Proposal(Kind::Resize, "disk.orders"),
            World::Limited(NOTES, &[Limit::Writes(16 << 10)]),
        ),
        ..watched(
            "pg-commit",
            "every reservation commits a note of 64 KB, and PostgreSQL may write 8 MB per second",
            World::Limited(NOTES, &[Limit::Writes(8 << 10)]),
            &[20, 10, 10, 50, 0, 10, 0],
            40.0,
            constraint(
                Class::Storage,
                &["disk.orders.limit", "disk.orders.wal"],
                &["reserve"],
            ),
        )
    }
}

const SPREAD: &str = r#"{"orders":3000000,"stride":149993}"#;
/// Above what PostgreSQL holds for itself (128 MB of shared buffers, and 62 MB in one session): with 192 it was killed.
const HELD: Limit = Limit::Memory(288);

fn cold() -> Scenario {
    Scenario {
        lift: lift(
            Ask::Proposal(Kind::Resize, "disk.orders"),
            World::Limited(SPREAD, &[HELD, Limit::Reads(2000)]),
        ),
        ..watched(
            "pg-cold",
            "baskets are read from all over 3 million orders, most of which PostgreSQL cannot keep in 288 MB, with 1000 reads per second",
            World::Limited(SPREAD, &[HELD, Limit::Reads(1000)]),
            // Without lists of orders: one reads what sixteen baskets do.
            &[15, 0, 70, 5, 0, 10, 0],
            22.0,
            constraint(
                Class::Storage,
                &["disk.orders.limit", "disk.orders.io"],
                &["basket"],
            ),
        )
    }
}
