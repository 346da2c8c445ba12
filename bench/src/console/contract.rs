//! The API against its own OpenAPI document, by PyPI `schemathesis`: made-up calls, good and bad ones, with and without a token.

use super::stage::write;
use crate::{npm, peers, pypi};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const FOLDER: &str = "target/schemathesis";
const PACKAGES: &[&str] = &["schemathesis==4.32.5"];
/// It may try and purge, but neither write to this host nor start another binary.
const TOKEN: &str = "a-token-for-made-up-calls";
/// Made-up calls of each kind, and the time for all.
const EXAMPLES: &str = "12";
const LONGEST: Duration = Duration::from_secs(30);

/// A text may be no PromQL and no time: that is told by 400 or 422, as Prometheus tells it.
const RULES: &str = "[[operations]]
include-path-regex = '^/api/v1/(query|query_range|labels|series|label/.*)$'
checks.positive_data_acceptance.expected-statuses = ['2xx', '4xx']
";

/// As part of the tests: loud when nothing was tested.
pub fn check(plimsoll: &Path) -> Result<(), String> {
    let folder = npm::absolute(Path::new(FOLDER))?;
    let programs = match pypi::install(&folder, PACKAGES) {
        Ok(programs) => programs,
        Err(why) => {
            eprintln!("SKIPPED, NOT PASSED: the API was not held against its document: {why}");
            return Ok(());
        }
    };
    write(&folder.join("schemathesis.toml"), RULES)?;
    let [listen, console, nobody, state] = peers::free()?;
    let file = folder.join("plimsoll.yaml");
    let text = format!(
        "listen: {listen}\nconsole:\n  listen: {console}\n  users: {{ made-up: {{ role: operate, token: {{ env: MADE_UP }} }} }}\n\
         data_dir: \"{}\"\nthreads: 1\nservices: {{ app: {{ instances: [\"{nobody}\"], price: $0.05/h }} }}\n\
         routes:\n  page: {{ match: GET /p, to: app, slo: {{ latency: 250ms, target: 99.9% }}, cache: {{ ttl: 10s }} }}\n  \
         orders: {{ match: POST /orders, to: app, async: {{ when: always }} }}\n\
         state: {{ listen: \"{state}\", token: {{ env: MADE_UP }} }}\nstreams: {{}}\n\
         topics: {{ orders: {{ subscriptions: {{ billing: {{ to: app, path: /billing }} }} }} }}\n",
        folder.join(format!("data-{}", listen.port())).display()
    );
    write(&file, &text)?;
    let mut run = Command::new(npm::absolute(plimsoll)?);
    let run = run
        .env("MADE_UP", TOKEN)
        .args(["run", "--config"])
        .arg(&file);
    let running = peers::launch("Plimsoll", console, run)?;
    let mut st = Command::new(programs.join("st"));
    st.current_dir(&folder)
        .arg("run")
        .arg(format!("http://{console}/api/v1/openapi.json"))
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--checks", "all", "--max-examples", EXAMPLES])
        // CPython 3.11 counts the depth of its parser for all threads together, and says now and then that it is wrong (gh-106905).
        .args(["--generation-deterministic", "--workers", "1"])
        .args(["--suppress-health-check", "all", "--no-color"])
        .args(["--max-time", &LONGEST.as_secs().to_string()]);
    let out = st
        .output()
        .map_err(|e| format!("schemathesis does not start: {e}"))?;
    drop(running);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() {
        let why = String::from_utf8_lossy(&out.stderr);
        return Err(format!("the API does not hold its document:\n{said}{why}"));
    }
    let last = said
        .lines()
        .rev()
        .find(|l| l.contains("generated"))
        .unwrap_or("");
    eprintln!(
        "the API holds its document by schemathesis: {}",
        last.trim()
    );
    Ok(())
}
