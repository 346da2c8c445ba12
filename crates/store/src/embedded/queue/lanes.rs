//! What the writer knows of lanes by heart: their numbers, which go to disk with the jobs that change them.

use super::signed;
use crate::{Bounds, Error, NewJob};
use rusqlite::{Connection, params};
use std::collections::HashMap;

#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub id: i64,
    pub waiting: u64,
    pub bytes: u64,
    pub dead: u64,
    /// The tenant that was served last, and how many more of its jobs come in its turn.
    pub turn: String,
    pub rest: usize,
    changed: bool,
}

impl Counts {
    pub fn add(&mut self, jobs: u64, bytes: u64) {
        self.waiting += jobs;
        self.bytes += bytes;
        self.changed = true;
    }
    pub fn take(&mut self, bytes: u64) {
        self.waiting = self.waiting.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.changed = true;
    }
    pub fn dead(&mut self, by: i64) {
        self.dead = self.dead.saturating_add_signed(by);
        self.changed = true;
    }
}

#[derive(Clone, Debug, Default)]
pub struct Lanes {
    by_name: HashMap<String, Counts>,
    names: HashMap<i64, String>,
}

impl Lanes {
    pub fn read(db: &Connection) -> rusqlite::Result<Lanes> {
        let mut lanes = Lanes::default();
        let mut select = db.prepare("SELECT name, id, waiting, bytes, dead FROM lane")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let number = |i| row.get::<_, i64>(i).map(|n| n.max(0) as u64);
            let counts = Counts {
                id: row.get(1)?,
                waiting: number(2)?,
                bytes: number(3)?,
                dead: number(4)?,
                ..Counts::default()
            };
            lanes.put(row.get(0)?, counts);
        }
        Ok(lanes)
    }

    fn put(&mut self, name: String, counts: Counts) {
        self.names.insert(counts.id, name.clone());
        self.by_name.insert(name, counts);
    }

    pub fn get(&mut self, name: &str) -> Option<&mut Counts> {
        self.by_name.get_mut(name)
    }

    pub fn by_id(&mut self, id: i64) -> Option<&mut Counts> {
        self.by_name.get_mut(self.names.get(&id)?)
    }

    /// The lane, made now if it is new.
    pub fn make(&mut self, db: &Connection, name: &str) -> rusqlite::Result<&mut Counts> {
        if !self.by_name.contains_key(name) {
            db.prepare_cached("INSERT INTO lane(name, waiting, bytes, dead) VALUES (?1, 0, 0, 0)")?
                .execute([name])?;
            let id = db.last_insert_rowid();
            let counts = Counts {
                id,
                ..Counts::default()
            };
            self.put(name.to_owned(), counts);
        }
        Ok(self.by_name.entry(name.to_owned()).or_default())
    }

    /// Whether all of them fit, each into its lane.
    pub fn have_room(&self, jobs: &[NewJob], bounds: Bounds) -> Result<(), Error> {
        let mut more: HashMap<&str, (u64, u64)> = HashMap::new();
        for job in jobs {
            let (n, bytes) = more.entry(&job.lane).or_default();
            (*n, *bytes) = (*n + 1, *bytes + size(job));
        }
        for (lane, (n, bytes)) in more {
            let held = (self.by_name.get(lane)).map_or((0, 0), |c| (c.waiting, c.bytes));
            let full = |holds: String, limit: String| Error::Full {
                what: format!("the queue of `{lane}`"),
                holds,
                limit,
            };
            if held.0.saturating_add(n) > bounds.jobs {
                return Err(full(
                    format!("{} jobs", held.0),
                    format!("{} jobs", bounds.jobs),
                ));
            }
            if held.1.saturating_add(bytes) > bounds.bytes {
                return Err(full(
                    format!("{} bytes", held.1),
                    format!("{} bytes", bounds.bytes),
                ));
            }
        }
        Ok(())
    }

    /// Writes what has changed; part of the commit that changed it.
    pub fn write(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for counts in self.by_name.values_mut().filter(|c| c.changed) {
            db.prepare_cached("UPDATE lane SET waiting = ?2, bytes = ?3, dead = ?4 WHERE id = ?1")?
                .execute(params![
                    counts.id,
                    signed(counts.waiting),
                    signed(counts.bytes),
                    signed(counts.dead)
                ])?;
            counts.changed = false;
        }
        Ok(())
    }
}

pub fn size(job: &NewJob) -> u64 {
    (job.head.len() + job.payload.len()) as u64
}
