//! `cargo xtask bench replicas`: what each consistency shows and costs, by the stage that its tests use.

use super::machine::{self, First};
use std::path::Path;
use std::process::{Command, Stdio};

const METHOD: &str = "# Reads from replicas, by consistency

```sh
apt-get install postgresql
cargo xtask bench replicas > bench/replicas.md   # about a minute
```

A PostgreSQL with two replicas that replay everything 40 ms late (`recovery_min_apply_delay`), a service of one thread per
connection at each, and the gateway in front, all on this machine. Eight sessions, each with its cookie, ask one after another for 10 s: 20 % writes,
to a register of the session's own and one of all. A read is stale to its session when it shows less than the session wrote; back in time
when it shows less than the session has seen. Shares are of reads; times are those of the client, of reads. Built as tests are.

These sessions write every few milliseconds and replicas are 40 ms late, so without a wait no replica has ever come so far, and
`eventual` is nearly always stale to who wrote. `bounded` (1 s here) promises an age, and not that a session does not go back.

";

pub fn run() -> Result<String, String> {
    let _first = First::now();
    let out = Command::new("cargo")
        .args(["test", "-q", "-p", "replicas", "--test", "replicas", "--"])
        .args(["--exact", "measure::levels_side_by_side", "--nocapture"])
        .env("PLIMSOLL_BENCH_REPLICAS", "1")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    let said = String::from_utf8_lossy(&out.stdout);
    let rows: Vec<&str> = said.lines().filter(|l| l.starts_with('|')).collect();
    if !out.status.success() || rows.is_empty() {
        return Err(format!("nothing was measured: {said}"));
    }
    let about = machine::describe(Path::new("target/debug/plimsoll"));
    Ok(format!("{METHOD}{about}\n{}\n", rows.join("\n")))
}
