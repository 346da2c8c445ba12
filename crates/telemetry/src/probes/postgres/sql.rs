//! What is asked of the database. Everything is read; the session itself is set to read only.

use serde_json::Value;
use tokio_postgres::{Client, Error, Row};

/// The oldest version that is understood: query ids in pg_stat_activity and active_time are of 14.
pub const OLDEST: i32 = 140_000;
/// Most connections, waiters and statements looked at.
const BACKENDS: i64 = 1000;
pub const WAITERS: i64 = 64;
const STATEMENTS: i64 = 500;
/// Longest text of a statement that is kept, characters.
const TEXT: i32 = 2000;

/// Bounds on every statement of the session. They are told when it begins, which a pooler refuses: set later, they would stay
/// on a connection that it then lends to the application.
pub const SESSION: &str = "-c statement_timeout=900ms -c lock_timeout=200ms \
    -c default_transaction_read_only=on -c plan_cache_mode=force_generic_plan";

/// One connection of somebody else, at the moment of a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backend {
    pub pid: i32,
    pub application: String,
    /// `active`, `idle`, `idle in transaction` …; empty: not told without the right to see it.
    pub state: String,
    pub wait_type: String,
    pub wait: String,
    pub query_id: i64,
    /// The comment that may tell a route.
    pub comment: String,
}

/// A connection that waits for a lock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blocked {
    pub pid: i32,
    /// The table, else the kind of lock.
    pub on: String,
    /// Those that hold it.
    pub by: Vec<i32>,
}

/// A transaction that has locked rows of a table, or may, and waits for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    pub pid: i32,
    pub on: String,
}

/// What a statement has used since the counters were reset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counter {
    pub query_id: i64,
    pub calls: f64,
    pub seconds: f64,
    /// Sum of the squares of each call's seconds.
    pub squares: f64,
    pub rows: f64,
}

/// What hardly changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    pub version: i32,
    /// Connections that applications can have.
    pub connections: f64,
    pub standby: bool,
    /// When it was started, seconds since the epoch.
    pub started: f64,
    pub sees_all: bool,
    /// [`SESSION`] holds.
    pub bounded: bool,
    /// The schema of pg_stat_statements.
    pub statements: Option<String>,
    /// Of our own connection: its process, and our port as it sees it (none: a Unix socket).
    pub pid: i32,
    pub port: Option<i32>,
}

/// What is needed to judge a scan of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub rows: f64,
    pub bytes: f64,
    pub columns: Vec<String>,
    /// The first column of each index.
    pub led_by: Vec<String>,
}

pub async fn server(c: &Client) -> Result<Server, Error> {
    let row = c
        .query_one(
            "SELECT /*plimsoll*/ current_setting('server_version_num')::int,
               (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int)::float8,
               pg_is_in_recovery(), extract(epoch FROM pg_postmaster_start_time())::float8,
               pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
               (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                 WHERE e.extname = 'pg_stat_statements'), pg_backend_pid(), nullif(inet_client_port(), -1),
               current_setting('default_transaction_read_only') = 'on'",
            &[],
        )
        .await?;
    Ok(Server {
        version: row.get(0),
        connections: row.get(1),
        standby: row.get(2),
        started: row.get(3),
        sees_all: row.get(4),
        statements: row.get(5),
        pid: row.get(6),
        port: row.get(7),
        bounded: row.get(8),
    })
}

pub async fn backends(c: &Client) -> Result<Vec<Backend>, Error> {
    let rows = c
        .query(
            r"SELECT /*plimsoll*/ pid, coalesce(application_name, ''), coalesce(state, ''), coalesce(wait_event_type, ''),
                coalesce(wait_event, ''), coalesce(query_id, 0),
                coalesce(substring(query FROM '/\*[^*]*(?:route|traceparent)\s*=[^*]*\*/'), '')
              FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT $1",
            &[&BACKENDS],
        )
        .await?;
    let backend = |r: &Row| Backend {
        pid: r.get(0),
        application: r.get(1),
        state: r.get(2),
        wait_type: r.get(3),
        wait: r.get(4),
        query_id: r.get(5),
        comment: r.get(6),
    };
    Ok(rows.iter().map(backend).collect())
}

/// What waits for an advisory lock is said to wait for, whatever its key.
pub const ADVISORY: &str = "advisory";

/// Who waits, and who holds these tables, at one moment: with two, a lock that passes on between them would be held by nobody, or
/// by two. For whom they wait is of a moment later, and nobody where that has passed.
///
/// Whoever waits for a row holds, or waits for, a lock on its tuple, which names the table. Locks of rows are not listed, but
/// who has one, and does not wait, has a lock on its table, until the transaction ends. Advisory locks are listed themselves.
pub async fn locks(c: &Client, tables: &[&str]) -> Result<(Vec<Blocked>, Vec<Holder>), Error> {
    let rows = c
        .query(
            "WITH l AS MATERIALIZED (
               SELECT p.pid, p.locktype, p.mode, p.granted, p.database = d.oid AS ours,
                 CASE WHEN p.database = d.oid THEN k.relname::text END AS name
               FROM pg_locks p JOIN pg_database d ON d.datname = current_database()
                 LEFT JOIN pg_class k ON k.oid = p.relation
               WHERE p.pid IS NOT NULL),
             w AS MATERIALIZED (SELECT DISTINCT pid FROM l WHERE NOT granted LIMIT $3)
             SELECT /*plimsoll*/ w.pid, coalesce(
               (SELECT l.name FROM l WHERE l.pid = w.pid AND l.name IS NOT NULL AND (l.locktype = 'tuple' OR NOT l.granted) LIMIT 1),
               (SELECT l.locktype FROM l WHERE l.pid = w.pid AND NOT l.granted LIMIT 1), ''), pg_blocking_pids(w.pid) FROM w
             UNION ALL (SELECT DISTINCT h.pid, coalesce(h.name, h.locktype), NULL::int[] FROM l h
             WHERE h.granted AND NOT EXISTS (SELECT FROM l x WHERE x.pid = h.pid AND NOT x.granted)
               AND (h.locktype = 'relation' AND h.mode <> 'AccessShareLock' AND h.name = ANY($1)
                 OR h.locktype = $2 AND $2 = ANY($1) AND h.ours AND h.mode = 'ExclusiveLock') LIMIT $4)",
            &[&tables, &ADVISORY, &WAITERS, &BACKENDS],
        )
        .await?;
    let (mut blocked, mut holders) = (Vec::new(), Vec::new());
    for r in &rows {
        let (pid, on) = (r.get(0), r.get(1));
        match r.get::<_, Option<Vec<i32>>>(2) {
            Some(by) => blocked.push(Blocked { pid, on, by }),
            None => holders.push(Holder { pid, on }),
        }
    }
    Ok((blocked, holders))
}

/// Counters of the statements that have used most; `schema` is quoted already.
pub async fn counters(c: &Client, schema: &str) -> Result<Vec<Counter>, Error> {
    let text = format!(
        "SELECT /*plimsoll*/ queryid, sum(calls)::float8, sum(total_exec_time)::float8 / 1e3,
           sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2))::float8 / 1e6, sum(rows)::float8
         FROM {schema}.pg_stat_statements(false) WHERE queryid IS NOT NULL GROUP BY 1 ORDER BY 3 DESC LIMIT $1"
    );
    let rows = c.query(&text, &[&STATEMENTS]).await?;
    let counter = |r: &Row| Counter {
        query_id: r.get(0),
        calls: r.get(1),
        seconds: r.get(2),
        squares: r.get(3),
        rows: r.get(4),
    };
    Ok(rows.iter().map(counter).collect())
}

/// Seconds in which sessions have worked since the counters were reset, waits included.
pub async fn active(c: &Client) -> Result<f64, Error> {
    let text = "SELECT /*plimsoll*/ (sum(active_time) / 1e3)::float8 FROM pg_stat_database";
    Ok(c.query_one(text, &[]).await?.get(0))
}

/// Texts of statements, with their values left out; those that the server cannot find any more are missing.
pub async fn texts(c: &Client, schema: &str, ids: &[i64]) -> Result<Vec<(i64, String)>, Error> {
    let text = format!(
        "SELECT /*plimsoll*/ DISTINCT ON (queryid) queryid, left(query, $2)
         FROM {schema}.pg_stat_statements WHERE queryid = ANY($1)"
    );
    let rows = c.query(&text, &[&ids, &TEXT]).await?;
    let known = |r: &Row| Some((r.get(0), r.get::<_, Option<String>>(1)?));
    Ok(rows.iter().filter_map(known).collect())
}

/// `None`: there is no such table, or not any more. Rows as the planner takes them: as dense as when it was last vacuumed or analysed, over the pages of now. Live rows as the
/// statistics collector counts them are twice as many after a bulk load that was vacuumed; they are all there is before that.
pub async fn table(c: &Client, name: &str) -> Result<Option<Table>, Error> {
    let row = c
        .query_opt(
            "SELECT /*plimsoll*/ CASE WHEN k.reltuples > 0 AND k.relpages > 0
                 THEN k.reltuples * (pg_relation_size(k.oid) / (k.relpages * current_setting('block_size')::float8))
                 ELSE pg_stat_get_live_tuples(k.oid) END::float8,
               pg_total_relation_size(k.oid)::float8,
               ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = k.oid AND attnum > 0 AND NOT attisdropped),
               ARRAY(SELECT a.attname::text FROM pg_index i
                       JOIN pg_attribute a ON a.attrelid = k.oid AND a.attnum = i.indkey[0]
                     WHERE i.indrelid = k.oid AND i.indisvalid)
             FROM pg_class k WHERE k.relname = $1 AND k.relkind = 'r' AND pg_table_is_visible(k.oid)",
            &[&name],
        )
        .await?;
    let table = |r: Row| {
        Some(Table {
            rows: r.get::<_, Option<f64>>(0)?,
            bytes: r.get::<_, Option<f64>>(1)?,
            columns: r.get(2),
            led_by: r.get(3),
        })
    };
    Ok(row.and_then(table))
}

/// The plan that a statement has whatever its values are. Nothing of it runs: it is prepared and explained. The
/// extended protocol takes one statement only, so a text cannot smuggle in a second one.
pub async fn plan(c: &Client, text: &str) -> Result<Value, Error> {
    c.execute(&format!("PREPARE plimsoll_plan AS {text}"), &[])
        .await?;
    let nulls = vec!["NULL"; parameters(text)].join(", ");
    let values = match nulls.is_empty() {
        true => String::new(),
        false => format!("({nulls})"),
    };
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE plimsoll_plan{values}");
    let shown = c.simple_query(&explain).await;
    c.batch_execute("DEALLOCATE plimsoll_plan").await?;
    let lines = shown?;
    let json: String = lines
        .iter()
        .filter_map(|m| match m {
            tokio_postgres::SimpleQueryMessage::Row(r) => r.get(0),
            _ => None,
        })
        .collect();
    Ok(serde_json::from_str(&json).unwrap_or_default())
}

/// The highest `$n`.
fn parameters(text: &str) -> usize {
    let numbers = text.split('$').skip(1).filter_map(|after| {
        let end = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        after[..end].parse::<usize>().ok()
    });
    numbers.filter(|n| *n <= 100).max().unwrap_or(0)
}

/// Whether a plan may be asked for: one of the four that have one.
pub fn has_plan(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or("");
    ["select", "update", "delete", "with"].contains(&first.to_ascii_lowercase().as_str())
}
