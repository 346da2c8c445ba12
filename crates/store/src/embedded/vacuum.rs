//! Free pages go back to the disk when nobody writes: a backlog that is done does not keep its room for ever.

use rusqlite::Connection;
use std::time::Duration;

/// Free pages that stay for what is written next: 16 MiB.
const SPARE: u64 = 4096;
/// Pages that are given back at once; whoever writes meanwhile waits for so many.
const STEP: u64 = 256;
/// So long nobody has written before the first step, and between two.
pub const FIRST: Duration = Duration::from_secs(1);
pub const NEXT: Duration = Duration::from_millis(20);

/// One step, a transaction of its own. False: there is nothing more to give back.
pub fn step(db: &Connection) -> rusqlite::Result<bool> {
    let free: i64 = db.pragma_query_value(None, "freelist_count", |r| r.get(0))?;
    let over = (free.max(0) as u64).saturating_sub(SPARE);
    if over == 0 {
        return Ok(false);
    }
    let sql = format!("PRAGMA incremental_vacuum({})", over.min(STEP));
    let mut vacuum = db.prepare(&sql)?;
    // Each row is a page.
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    drop(pages);
    if over <= STEP {
        // The file itself gets shorter with the checkpoint.
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    }
    Ok(over > STEP)
}
