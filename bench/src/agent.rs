//! `cargo xtask bench agent`: what `plimsoll agent` costs its host, by the example that starts it beside an instance.

use super::machine;
use std::path::Path;
use std::process::{Command, Stdio};

const METHOD: &str = "# What an agent costs its host

```sh
cargo xtask bench agent > bench/agent.md   # about five minutes
```

`plimsoll agent` beside one instance, sending to a gateway in another process of this machine. CPU is the run time of all its threads
(`/proc/PID/task/*/schedstat`), memory is `VmRSS`; the first 5 s are left out. The aim is less than 0.5 % of a core and 20 MiB. Waiters of at most 64 threads
are looked at ten times a second, so that more threads cost reading their run time only.

| threads of the instance | seconds | CPU, of a core | RSS | most |
|---|---|---|---|---|
";
/// Threads of the instance that is looked at.
const THREADS: [&str; 2] = ["8", "200"];
const SECONDS: &str = "120";

/// With a release build, or with the debug build as an upper bound.
pub fn run(release: bool) -> Result<String, String> {
    let (folder, flag) = match release {
        true => ("target/release", Some("--release")),
        false => ("target/debug", None),
    };
    let build = |what: &[&str]| {
        let all: Vec<&str> = ["build"].iter().chain(&flag).chain(what).copied().collect();
        xtask::run::cargo(&all)
    };
    build(&["-p", "plimsoll"])?;
    build(&["-p", "agent", "--example", "cost"])?;
    let plimsoll = format!("{folder}/plimsoll");
    let program = format!("{folder}/examples/cost");
    let mut rows = String::new();
    for threads in THREADS {
        let done = Command::new(&program)
            .args([plimsoll.as_str(), SECONDS, threads])
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| format!("{program} does not start: {e}"))?;
        let said = String::from_utf8_lossy(&done.stdout);
        let row = said.lines().find(|l| l.starts_with('|'));
        let row = row.ok_or_else(|| format!("nothing was measured: {said}"))?;
        rows.push_str(row);
        rows.push('\n');
    }
    let bound = match release {
        true => "",
        false => "\nA debug build: an upper bound only.\n",
    };
    let about = machine::describe(Path::new(&plimsoll));
    Ok(format!("{METHOD}{rows}{bound}\n{about}"))
}
