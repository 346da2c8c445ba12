//! Installs the suite, starts its origin server and a Plimsoll in front of it, and asks all of its questions.

use super::super::npm::{self, absolute};
use super::super::peers::{self, Proxy};
use super::Outcome;
use super::score::Score;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PACKAGE: &str = "http-cache-tests@0.4.5";
pub const FOLDER: &str = "target/cache-tests";
/// What Plimsoll answered in the last run.
pub const LOG: &str = "access.log";
const SCORE: &str = include_str!("score.mjs");

pub fn run(plimsoll: &Path) -> Result<Outcome, String> {
    let root = absolute(Path::new(FOLDER))?;
    if let Err(why) = npm::install(&root, &[PACKAGE]) {
        return Ok(Outcome::Skipped(why));
    }
    let folder = root.join("node_modules/http-cache-tests");
    let origin = origin(&folder)?;
    let plimsoll = cache(plimsoll, origin.address)?;
    let results = ask(&folder, plimsoll.address)?;
    drop((plimsoll, origin));
    score(&folder, &results).map(Outcome::Scored)
}

/// What `npm run server` starts, without the shell between us: its id is the server's.
fn origin(folder: &Path) -> Result<Proxy, String> {
    let [at] = peers::free()?;
    let mut command = Command::new("node");
    command
        .arg("server/server.mjs")
        .current_dir(folder)
        .env("npm_config_protocol", "http")
        .env("npm_config_port", at.port().to_string())
        .env("npm_config_pidfile", "server.pid");
    peers::launch("the origin server", at, &mut command)
}

/// Every route with a cache, and what the suite asks of a cache switched on.
fn cache(plimsoll: &Path, origin: SocketAddr) -> Result<Proxy, String> {
    let [at, console] = peers::free()?;
    let folder = absolute(Path::new(FOLDER))?;
    let data = folder.join(format!("data-{}", at.port()));
    // What explains a test that fails only sometimes.
    let log = folder.join(LOG);
    let _ = std::fs::remove_file(&log);
    let text = format!(
        "listen: {at}\nconsole: {console}\naccess_log: {{ to: \"{}\" }}\ndata_dir: \"{}\"\nservices:\n  origin:\n    instances: [\"{origin}\"]\n    \
         pool: {{ idle: 2s }}\nroutes:\n  all:\n    match: {{ path: \"/{{rest...}}\" }}\n    to: origin\n    \
         retry: {{ attempts: 1 }}\n    cache: {{ set_cookie: true }}\n",
        log.display(),
        data.display()
    );
    let file = folder.join("plimsoll.yaml");
    std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut command = Command::new(absolute(plimsoll)?);
    peers::launch("Plimsoll", at, command.args(["run", "--config"]).arg(&file))
}

/// The suite's own client; what it says is the results.
fn ask(folder: &Path, cache: SocketAddr) -> Result<PathBuf, String> {
    let results = absolute(Path::new(FOLDER))?.join("results.json");
    let out = File::create(&results).map_err(|e| format!("{}: {e}", results.display()))?;
    let status = Command::new("node")
        .args(["--no-warnings", "cli.mjs"])
        .current_dir(folder)
        .env("npm_config_base", format!("http://{cache}"))
        .env("npm_config_id", "")
        .env("npm_package_config_id", "")
        .stdin(Stdio::null())
        .stdout(out)
        .status()
        .map_err(|e| format!("node does not start: {e}"))?;
    match status.success() {
        true => Ok(results),
        false => Err(format!("the suite ended with {status}")),
    }
}

/// By the suite's own rules: what depends on a test that failed does not count.
fn score(folder: &Path, results: &Path) -> Result<Score, String> {
    let script = folder.join("plimsoll-score.mjs");
    std::fs::write(&script, SCORE).map_err(|e| format!("{}: {e}", script.display()))?;
    let out = Command::new("node")
        .arg("--no-warnings")
        .arg(&script)
        .arg(results)
        .current_dir(folder)
        .output()
        .map_err(|e| format!("node does not start: {e}"))?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned());
    }
    Score::read(&out.stdout)
}
