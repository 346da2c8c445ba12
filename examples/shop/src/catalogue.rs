//! The catalogue: a SQLite file behind a pool of connections.

use crate::Options;
use crate::server::{Request, Response, serve};
use crate::switches::Switches;
use crate::timing::Timing;
use crate::work::{Pool, cpu_ms_since_last};
use rusqlite::{Connection, params};
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows that a search returns at most.
const FOUND: usize = 10;

pub fn run(options: Options) -> std::io::Result<()> {
    let s = options.switches;
    std::fs::create_dir_all(&options.data)?;
    let file = options.data.join("catalogue.db");
    fill(&file, s.rows).map_err(|e| std::io::Error::other(format!("{}: {e}", file.display())))?;
    let pools = (0..s.shards)
        .map(|_| (0..s.pool).map(|_| open(&file)).collect())
        .map(|all: Result<Vec<_>, _>| all.map(Pool::new))
        .collect::<Result<Vec<_>, _>>()
        .map_err(std::io::Error::other)?;
    serve(options.listen, move |request| {
        let mut timing = Timing::default();
        let (status, body) = match answer(request, &pools, &s, &mut timing) {
            Ok(body) => (200, body),
            Err(e) => (500, format!("{{\"error\":{:?}}}", e.to_string())),
        };
        timing.cpu(cpu_ms_since_last());
        let mut response = Response::new(status, body);
        response.server_timing = timing.header(s.timing).map(str::to_owned);
        response
    })
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let c = Connection::open(file)?;
    c.busy_timeout(Duration::from_secs(5))?;
    Ok(c)
}

fn fill(file: &Path, rows: usize) -> rusqlite::Result<()> {
    let mut c = open(file)?;
    c.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
         CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT, tag INTEGER, price INTEGER, about TEXT);",
    )?;
    let have: i64 = c.query_row("SELECT count(*) FROM items", [], |r| r.get(0))?;
    let tx = c.transaction()?;
    for id in have..rows as i64 {
        let about = format!("item {id}: {}", "a sturdy thing for every day. ".repeat(2));
        tx.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?)",
            params![id, format!("thing-{id}"), id % 2000, 100 + id % 900, about],
        )?;
    }
    tx.execute_batch("CREATE INDEX IF NOT EXISTS items_tag ON items(tag);")?;
    tx.commit()
}

fn answer(
    request: &Request,
    pools: &[Pool<Connection>],
    s: &Switches,
    timing: &mut Timing,
) -> rusqlite::Result<String> {
    if request.path == "/health" {
        return Ok("{}".into());
    }
    let rows = s.rows as i64;
    let (shard, name) = shard(request, s.shards);
    let Some(pool) = pools.get(shard) else {
        return Ok("{}".into());
    };
    let mut db = (0.0, 0usize, 0usize);
    let (result, held) = pool.borrow(|c| {
        let started = Instant::now();
        let result = if request.path == "/find" {
            let tag: i64 = request
                .param("tag")
                .and_then(|t| t.parse().ok())
                .unwrap_or(0);
            let (body, returned) = find(c, tag, s.no_index)?;
            db.1 = if s.no_index { s.rows } else { returned };
            db.2 = returned;
            Ok(body)
        } else {
            let ids: Vec<i64> = match request.path.strip_prefix("/items/") {
                Some(id) => id.parse().into_iter().collect(),
                None => request
                    .param("ids")
                    .unwrap_or("")
                    .split(',')
                    .take(200)
                    .filter_map(|i| i.parse().ok())
                    .collect(),
            };
            // The round trip to a database on another host: the connection is held while the thread waits.
            std::thread::sleep(Duration::from_secs_f64(s.db_ms / 1e3));
            let found = ids
                .iter()
                .map(|id| item(c, id.rem_euclid(rows)))
                .collect::<Result<Vec<_>, _>>()?;
            (db.1, db.2) = (found.len(), found.len());
            Ok(format!("[{}]", found.join(",")))
        };
        db.0 = started.elapsed().as_secs_f64() * 1e3;
        result
    });
    timing.held(&name, held, pool.size);
    timing.db(db.0, 1, db.1, db.2);
    result
}

/// Which pool, by the number of the item, and its name.
fn shard(request: &Request, shards: usize) -> (usize, String) {
    if shards < 2 {
        return (0, "pool.db".into());
    }
    let id = request.path.strip_prefix("/items/");
    let id: usize = id.and_then(|id| id.parse().ok()).unwrap_or(0);
    (id % shards, format!("pool.db{}", id % shards))
}

fn item(c: &Connection, id: i64) -> rusqlite::Result<String> {
    c.prepare_cached("SELECT name, price FROM items WHERE id = ?")?
        .query_row([id], |r| {
            let (name, price): (String, i64) = (r.get(0)?, r.get(1)?);
            Ok(format!(
                "{{\"id\":{id},\"name\":\"{name}\",\"price\":{price}}}"
            ))
        })
}

fn find(c: &Connection, tag: i64, no_index: bool) -> rusqlite::Result<(String, usize)> {
    // A unary plus keeps SQLite from using the index: the same as not having it.
    let sql = if no_index {
        "SELECT id, name FROM items WHERE +tag = ? ORDER BY price LIMIT 10"
    } else {
        "SELECT id, name FROM items WHERE tag = ? ORDER BY price LIMIT 10"
    };
    let mut statement = c.prepare_cached(sql)?;
    let found = statement
        .query_map([tag], |r| {
            Ok(format!(
                "{{\"id\":{},\"name\":\"{}\"}}",
                r.get::<_, i64>(0)?,
                r.get::<_, String>(1)?
            ))
        })?
        .take(FOUND)
        .collect::<Result<Vec<_>, _>>()?;
    let n = found.len();
    Ok((format!("[{}]", found.join(",")), n))
}
