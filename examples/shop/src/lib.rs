//! A small shop in three processes, for the demo, the tests and the benchmarks: an ordinary program that
//! blocks threads, holds locks, borrows connections from a pool and queries a database file.
//! It knows nothing of Plimsoll but two conventions: it passes `traceparent` on and answers with `Server-Timing`.
//!
//! | role | routes | what it uses |
//! |---|---|---|
//! | front | `/`, `/products/{id}`, `/search`, `/categories/{id}`, `/checkout`, `/report` | a stock lock, CPU, calls to the others |
//! | catalogue | `/items/{id}`, `/items?ids=`, `/find` | a connection pool in front of a SQLite file |
//! | pay | `POST /charge` | a few worker slots |

mod catalogue;
mod client;
mod front;
mod pay;
mod server;
mod switches;
mod timing;
mod work;

pub use switches::Switches;

use std::net::SocketAddr;
use std::path::PathBuf;

/// What one process of the shop needs to start.
#[derive(Clone, Debug)]
pub struct Options {
    pub listen: SocketAddr,
    /// Where inner calls go: the address of the proxy (or of the other process).
    pub via: SocketAddr,
    /// Folder of the database file (catalogue only).
    pub data: PathBuf,
    pub switches: Switches,
}

/// Runs one role until the process is ended. Errors say what could not be opened.
pub fn run(role: &str, options: Options) -> std::io::Result<()> {
    if options.switches.one_core {
        work::pin_to_one_core()?;
    }
    match role {
        "front" => front::run(options),
        "catalogue" => catalogue::run(options),
        "pay" => pay::run(options),
        other => Err(std::io::Error::other(format!(
            "no role `{other}`; the roles are front, catalogue and pay"
        ))),
    }
}
