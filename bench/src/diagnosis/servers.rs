//! What the order service works with: PostgreSQL on one core, and Redis.

use crate::npm;
use peers::{Postgres, Redis};
use std::path::{Path, PathBuf};

/// Its packages.
const PACKAGES: [&str; 2] = ["pg@8.23.1", "ioredis@6.0.0"];

pub struct Servers {
    app: PathBuf,
    database: Postgres,
    store: Redis,
}

impl Servers {
    pub fn start() -> Result<Servers, String> {
        let folder = npm::absolute(Path::new("target/orders"))?;
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        npm::install(&folder, &PACKAGES)?;
        // Beside its packages, where node looks for them.
        let app = folder.join("orders.js");
        std::fs::copy("examples/orders/orders.js", &app)
            .map_err(|e| format!("examples/orders/orders.js: {e}"))?;
        let database = Postgres::start(&[
            "shared_preload_libraries=pg_stat_statements",
            "max_parallel_workers_per_gather=0",
            // Commits reach the disk; new files of the log are not written twice, which would come in bursts of 16 MB.
            "fsync=on",
            "wal_init_zero=off",
            // A checkpoint writes every page once more: what a line can be would hang on whether one falls into the minute.
            "checkpoint_timeout=1h",
            "max_wal_size=16GB",
        ])?;
        database.one_core()?;
        Ok(Servers {
            app,
            database,
            store: Redis::start(&[])?,
        })
    }

    pub fn args(&self) -> Vec<String> {
        let app = self.app.display().to_string();
        let (database, store) = (self.database.url(), self.store.url());
        let process = self.database.pid().map_or(String::new(), |p| p.to_string());
        [
            ("--app", app),
            ("--database", database),
            ("--database-process", process),
            ("--store", store),
        ]
        .map(|(key, value)| [key.to_owned(), value])
        .concat()
    }
}
