//! `cargo xtask bench queue`: durable enqueue at the store's API, beside Redis Streams, PostgreSQL and JetStream, and a large backlog.

mod backlog;
mod jetstream;
mod producers;

use super::machine::{self, First};
use super::stats::spread;
use producers::{Contender, Turn, ours, postgres, redis};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Producers at once, how long a turn lasts, and how many turns each has.
const LOADS: [(usize, Duration, usize); 3] = [
    (1, Duration::from_millis(1500), 3),
    (16, Duration::from_millis(1500), 3),
    (128, Duration::from_secs(3), 3),
];

const METHOD: &str = "# Durable enqueue, beside Redis Streams, PostgreSQL and JetStream

```sh
apt-get install redis-server postgresql
cargo xtask bench queue > bench/queue.md   # somewhat more than a minute; nats-server comes from PyPI
```

Each of so many producers puts a job of 1 KiB and waits until it is on disk, then puts the next; all on the machine's two
cores, clients included. Plimsoll: `store::Queue` in this process (SQLite, `synchronous=FULL`, with the counts, the due
index and the ordering index that delivery needs). Redis: `XADD` over a connection per producer, `appendfsync always`. PostgreSQL:
`INSERT` of a prepared statement over a connection per producer into a table with an index on when it is due, `fsync` and
`synchronous_commit` on. JetStream (nats-server 2.14 of PyPI): a publish to a stream in files of one replica over a connection per producer,
`sync_interval: always`, its acknowledgement waited for. They take turns; ratios are medians of neighbouring turns with their range. An `fsync` of these
disks may be a lie of the virtual machine; it is the same for all. The store is built as a release.

";

pub fn run() -> Result<String, String> {
    let mut out = METHOD.to_owned() + &machine::describe(Path::new("target/debug/plimsoll"));
    let _first = First::now();
    machine::open_many_files();
    let dir = machine::folder()?;
    beside(dir.path(), &mut out)?;
    backlog::measure(dir.path(), &mut out)?;
    Ok(out)
}

fn beside(dir: &Path, out: &mut String) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let redis_server = peers::Redis::start(&[["appendonly", "yes"], ["appendfsync", "always"]])?;
    let pg_server = peers::Postgres::start(&["fsync=on", "max_connections=200"])?;
    let nats_server = jetstream::server();
    let store = ours(dir)?;
    let _ = writeln!(
        out,
        "\n| producers | Plimsoll/s | p50 ms | p99 ms | Redis/s | p99 ms | PostgreSQL/s | p99 ms | JetStream/s | p99 ms | times Redis | times PostgreSQL | times JetStream |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for (producers, lasts, turns) in LOADS {
        let mut contenders = runtime.block_on(async {
            let mut all = vec![
                Contender::Store(store.clone()),
                redis(&redis_server, producers).await?,
                postgres(&pg_server, producers).await?,
            ];
            if let Ok(server) = &nats_server {
                let producers = jetstream::producers(server, producers).await?;
                all.push(Contender::JetStream(producers));
            }
            Ok::<_, String>(all)
        })?;
        // Those of JetStream are the last, and none where it is skipped.
        let mut all: [Vec<Turn>; 4] = Default::default();
        for _ in 0..turns {
            for (contender, turns) in contenders.iter_mut().zip(&mut all) {
                turns.push(runtime.block_on(contender.turn(producers, lasts))?);
            }
        }
        let [ours, redis, pg, nats] = &all;
        let number = |turns: &[Turn], of: fn(&Turn) -> f64| {
            spread(&turns.iter().map(of).collect::<Vec<_>>()).map_or(0.0, |s| s.median)
        };
        let times = |peer: &[Turn]| {
            let ratios = ours.iter().zip(peer).map(|(a, b)| a.rate / b.rate);
            let s = spread(&ratios.collect::<Vec<_>>());
            s.map_or("skipped".into(), |s| {
                format!("{:.1} ({:.1}–{:.1})", s.median, s.low, s.high)
            })
        };
        let peer = |turns: &[Turn]| match turns.is_empty() {
            true => "skipped | skipped".into(),
            false => format!(
                "{:.0} | {:.1}",
                number(turns, |t| t.rate),
                number(turns, |t| t.p99_ms)
            ),
        };
        let _ = writeln!(
            out,
            "| {producers} | {:.0} | {:.2} | {:.1} | {} | {} | {} | {} | {} | {} |",
            number(ours, |t| t.rate),
            number(ours, |t| t.p50_ms),
            number(ours, |t| t.p99_ms),
            peer(redis),
            peer(pg),
            peer(nats),
            times(redis),
            times(pg),
            times(nats),
        );
    }
    if let Err(why) = &nats_server {
        let _ = writeln!(out, "\nJetStream was skipped: {why}.");
    }
    let _ = writeln!(
        out,
        "\nTargets with 128 producers: 2 times Redis, 5 times PostgreSQL, 10 times JetStream, p99 below 25 ms.\n"
    );
    Ok(())
}
